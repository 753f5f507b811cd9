"""Training from Python in one call."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

from charloom.data.text_sources import open_text, string_corpus
from charloom.durations import seconds
from charloom.errors import SettingsError, arguments
from charloom.interruption import Interruption, catch_signals
from charloom.machine.launch import launch
from charloom.settings import CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig
from charloom.training import experiment
from charloom.training.display import display
from charloom.training.following import OwnText, follow
from charloom.training.loop import Event
from charloom.training.processes import Processes, joined
from charloom.training.request import AUTO, Length, RunRequest
from charloom.training.restarts import demand_name, is_ours
from charloom.training.runs import Run
from charloom.training.session import Session, Validation

Callback = Callable[[Event[Validation]], Any]
"""Called with the event of each step; if it returns True, training stops."""


def train(
    text: str | Path | None = None,
    *,
    run: str | Path | None = None,
    time_budget: str | float | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    corpus: CorpusConfig | None = None,
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    origin: str | Path | None = AUTO,
    device: Device = "auto",
    precision: Precision = "auto",
    resume: str | Path | Run | None = None,
    callback: Callback | None = None,
    progress: bool | None = None,
) -> Run:
    """Train a model on a text and return its run directory.

    `text` is the text itself, or a `pathlib.Path` of a file or folder. `time_budget` is seconds or a string such as
    "4m"; without any length it is four minutes. With a time budget, a recipe chooses `network` and `training` unless
    they are given. `origin` is a run, a model folder or a ready-made model to start from, None starts from nothing. By
    default a small English text starts from "english", unless the network or another length than a budget is given.

    `resume` names a run to continue from its last checkpoint, perhaps for more `steps` or `epochs`; `text` is then the
    path of its text, needed only if that was moved. Ctrl-C, and in a notebook the stop button, saves and raises
    `KeyboardInterrupt`.

    In a script that torchrun starts in several processes, they train one model together. The first of them writes the
    run, shows the progress and calls `callback`; all return the run. To be started again after a failure
    (`--max-restarts`), the script names its `run`.

    Progress is shown on a terminal and in a notebook; with `progress=True` always, with False never. `callback` gets
    an `Event` after each step: `event.progress.loss_nats`, `event.validation`, `event.best_nats`. If it returns True,
    the run is saved and training stops.

    >>> run = charloom.train(text, run="runs/hamlet", time_budget="4m")  # doctest: +SKIP
    >>> run = charloom.train(resume="runs/hamlet", steps=5000)           # doctest: +SKIP

    Raises `CharloomError`.
    """
    started = time.monotonic()
    _check(corpus=(corpus, CorpusConfig), network=(network, NetworkConfig), training=(training, TrainingConfig))
    for place in (run, origin):
        if place is not None:
            arguments.path(place)
    if callback is not None and not callable(callback):
        raise SettingsError(f"callback is {callback!r}; give a function of one event")
    budget = seconds(time_budget) if isinstance(time_budget, str) else time_budget
    length = Length(steps=steps, epochs=epochs, budget=budget)
    started_as = launch()
    with catch_signals() as interruption, joined(started_as) as processes:
        if processes is not None and not processes.leads:
            return Run(follow(processes, interruption, _own_text(text)))
        if processes is not None and resume is None:
            demand_name(processes.launch, None if run is None else Path(run))
        if resume is None and run is not None and is_ours(Path(run), started_as):
            session = experiment.resume(Path(run), device=device, processes=processes)
        elif resume is not None:
            kept = {"run": run, "corpus": corpus, "network": network, "training": training}
            kept["origin"] = None if origin == AUTO else origin
            kept["precision"] = None if precision == "auto" else precision
            session = _resume(resume, text, length, device, kept, processes)
        else:
            request = RunRequest(
                corpus or CorpusConfig(),
                network or NetworkConfig(),
                training or TrainingConfig(),
                length=length,
                origin=None if origin == AUTO else origin,
                automatic=origin == AUTO,
                device=device,
                precision=precision,
                chosen=[*_names("network", network), *_names("training", training)],
            )
            opened = open_text(text, request.corpus) if isinstance(text, Path) else _string(text, request.corpus)
            where = None if run is None else Path(run)
            session = experiment.begin(opened, request, run=where, started=started, processes=processes)
        _train(session, interruption, callback, progress)
    return session.run


def _train(session: Session, interruption: Interruption, callback: Callback | None, progress: bool | None) -> None:
    shows = display(session.trainer.total, session.trainer.step, wanted=progress)
    with shows as shown, closing(session.events(interruption)) as events:  # closing saves, whatever the callback raises
        for event in events:
            shown.show(event)
            if callback is not None and callback(event) is True:
                return


def _resume(
    run: str | Path | Run,
    text: str | Path | None,
    length: Length,
    device: Device,
    settings: Mapping[str, object],
    processes: Processes | None,
) -> Session:
    for name, value in settings.items():
        if value is not None:
            raise SettingsError(f"a resumed run keeps its settings; leave out {name}")
    if not isinstance(run, Run):
        arguments.path(run)  # never a packed file or an address: a run is trained where it is
        run = Run(Path(run))
    if text is not None:
        arguments.path(text)
    return experiment.resume(run.path, length, text=text, device=device, processes=processes)


def _own_text(text: str | Path | None) -> OwnText | None:
    """How a process that follows reads the text."""
    if text is None:
        return None
    return lambda config: open_text(text, config) if isinstance(text, Path) else string_corpus(text, config)


def _string(text: str | None, corpus: CorpusConfig) -> Any:
    if text is None:
        raise SettingsError("there is no text to train on; give one, or a run to continue with resume")
    return string_corpus(text, corpus)


def _check(**values: tuple[object, type]) -> None:
    for name, (value, wanted) in values.items():
        if value is not None:
            arguments.kind(value, wanted, name, f"give a charloom.{wanted.__name__}")


def _names(prefix: str, config: NetworkConfig | TrainingConfig | None) -> list[str]:
    """The names of all settings of a configuration; none without one."""
    return [] if config is None else [f"{prefix}.{field.name}" for field in fields(config)]

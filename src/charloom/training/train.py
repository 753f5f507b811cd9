"""Training in one call: the only way in, from Python and from the command line."""

import time
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any

from charloom.data.corpus import Corpus
from charloom.data.text_sources import open_text, string_corpus
from charloom.durations import seconds
from charloom.errors import SettingsError, arguments
from charloom.interruption import catch_signals
from charloom.settings import CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig
from charloom.training import start
from charloom.training.display import display
from charloom.training.distributed import Ranks, demand_name, joined, was_restarted
from charloom.training.loop import Event, SaveEvery
from charloom.training.request import AUTO, Length, RunRequest
from charloom.training.runs import Run, demand_free
from charloom.training.session import Session, Validation

Callback = Callable[[Event[Validation]], Any]
"""Called with the event of each step; if it returns True, training stops; a text that it returns is shown."""


def train(
    text: str | Path | Corpus | None = None,
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
    save_every: SaveEvery = SaveEvery(),
    chosen: Collection[str] | None = None,
    on_start: Callable[[Session], None] = lambda session: None,
    started: float | None = None,
) -> Run:
    """Train a model on a text and return its run directory.

    `text` is the text itself, a `pathlib.Path` of a file or folder, or an opened corpus. `time_budget` is seconds or a
    string such as "4m"; without any length it is four minutes. With a time budget, a recipe chooses `network` and
    `training` unless they are given; `chosen` names the settings, such as "network.hidden_size", that it must leave
    alone. `origin` is a run, a model folder or a ready-made model to start from, None starts from nothing. By default a
    small English text starts from "english", unless the network or another length than a budget is given.

    `resume` names a run to continue from its last checkpoint, perhaps for more `steps` or `epochs`; `text` is then the
    path of its text, needed only if that was moved. Ctrl-C, and in a notebook the stop button, saves and raises
    `KeyboardInterrupt`.

    In a script that torchrun starts in several processes, they train one model together. The first of them writes the
    run, shows the progress and calls `on_start` and `callback`; all return the run. To be started again after a failure
    (`--max-restarts`), the script names its `run`.

    Progress is shown on a terminal and in a notebook; with `progress=True` always, with False never. `on_start` gets
    the session before its first step, `callback` an `Event` after each step: `event.progress.loss_nats`,
    `event.validation`, `event.best_nats`. If it returns True, the run is saved and training stops. `started` is the
    moment (`time.monotonic()`) from which the budget counts; by default now.

    >>> run = charloom.train(text, run="runs/hamlet", time_budget="4m")  # doctest: +SKIP
    >>> run = charloom.train(resume="runs/hamlet", steps=5000)           # doctest: +SKIP

    Raises `CharloomError`.
    """
    started = time.monotonic() if started is None else started
    _check(corpus=(corpus, CorpusConfig), network=(network, NetworkConfig), training=(training, TrainingConfig))
    for place in (run, origin):
        if place is not None:
            arguments.path(place)
    if callback is not None and not callable(callback):
        raise SettingsError(f"callback is {callback!r}; give a function of one event")
    budget = seconds(time_budget) if isinstance(time_budget, str) else time_budget
    length, where = Length(steps=steps, epochs=epochs, budget=budget), None if run is None else Path(run)
    if resume is not None:
        settings: dict[str, object] = {"run": run, "corpus": corpus, "network": network, "training": training}
        settings["origin"] = None if origin == AUTO else origin
        settings["precision"] = None if precision == "auto" else precision
        where = _resumed(resume, text, settings)
    request = RunRequest(
        corpus or CorpusConfig(),
        network or NetworkConfig(),
        training or TrainingConfig(),
        length=length,
        origin=None if origin == AUTO else origin,
        automatic=origin == AUTO,
        device=device,
        precision=precision,
        chosen=chosen if chosen is not None else [*_names("network", network), *_names("training", training)],
    )
    with catch_signals() as interruption, joined() as ranks:
        if resume is not None:
            assert where is not None and not isinstance(text, Corpus), "it was checked"
            session = start.resume(where, length, text=text, device=device, save_every=save_every, ranks=ranks)
        elif ranks.decide(lambda: was_restarted(where)):
            assert where is not None, "it was found again"
            session = start.resume(where, device=device, save_every=save_every, ranks=ranks)
        else:
            opened = _open(text, request.corpus, where, ranks)
            session = start.begin(opened, request, run=where, save_every=save_every, started=started, ranks=ranks)
        if ranks.leads:
            on_start(session)
        shows = display(session.trainer.total, session.trainer.step, wanted=progress if ranks.leads else False)
        with shows as shown, closing(session.events(interruption)) as events:  # closing saves, whatever is raised
            for event in events:
                shown.show(event)
                answer = callback(event) if callback is not None and ranks.leads else None
                if isinstance(answer, str) and answer:
                    shown.say(answer)
                if ranks.decide(lambda: answer is True):  # noqa: B023
                    break
    return session.run


def _open(text: str | Path | Corpus | None, config: CorpusConfig, run: Path | None, ranks: Ranks) -> Corpus:
    if text is None:
        raise SettingsError("there is no text to train on; give one, or a run to continue with resume")
    demand_name(run)
    if ranks.leads:
        demand_free(run)  # before a large text is read
    if isinstance(text, Corpus):
        return text
    return open_text(text, config) if isinstance(text, Path) else string_corpus(text, config)


def _resumed(run: str | Path | Run, text: str | Path | Corpus | None, settings: dict[str, object]) -> Path:
    for name, value in settings.items():
        if value is not None:
            raise SettingsError(f"a resumed run keeps its settings; leave out {name}")
    if text is not None:
        arguments.path(text)
    if isinstance(run, Run):
        return run.path
    arguments.path(run)  # never a packed file or an address: a run is trained where it is
    return Path(run)


def _check(**values: tuple[object, type]) -> None:
    for name, (value, wanted) in values.items():
        if value is not None:
            arguments.kind(value, wanted, name, f"give a charloom.{wanted.__name__}")


def _names(prefix: str, config: NetworkConfig | TrainingConfig | None) -> list[str]:
    """The names of all settings of a configuration; none without one."""
    return [] if config is None else [f"{prefix}.{field.name}" for field in fields(config)]

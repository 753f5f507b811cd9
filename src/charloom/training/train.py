"""Training from Python in one call."""

import time
from dataclasses import fields
from pathlib import Path

from charloom.data.text_sources import open_text, string_corpus
from charloom.durations import seconds
from charloom.errors import arguments
from charloom.interruption import catch_signals
from charloom.settings import CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig
from charloom.training.experiment import begin
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Run


def train(
    text: str | Path,
    *,
    run: str | Path | None = None,
    time_budget: str | float | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    corpus: CorpusConfig = CorpusConfig(),
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    origin: str | Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
) -> Run:
    """Train a model on a text and return its run directory.

    `text` is the text itself, or a `pathlib.Path` of a file or folder. `time_budget` is seconds or a string such as "4m";
    without any length it is four minutes. With a time budget, `network` and `training` are chosen by a recipe where they
    are left out. Ctrl-C saves and raises `KeyboardInterrupt`.

    >>> run = charloom.train(text, run="runs/hamlet", time_budget="4m")  # doctest: +SKIP
    """
    started = time.monotonic()
    for name, value, wanted in (
        ("corpus", corpus, CorpusConfig),
        ("network", network or NetworkConfig(), NetworkConfig),
        ("training", training or TrainingConfig(), TrainingConfig),
    ):
        arguments.kind(value, wanted, name, f"give a charloom.{wanted.__name__}")
    for place in (run, origin):
        if place is not None:
            arguments.path(place)
    budget_seconds = seconds(time_budget) if isinstance(time_budget, str) else time_budget
    request = RunRequest(
        corpus,
        network or NetworkConfig(),
        training or TrainingConfig(),
        length=Length(steps=steps, epochs=epochs, budget=budget_seconds),
        origin=Path(origin) if origin else None,
        device=device,
        precision=precision,
        chosen=[*_names("network", network), *_names("training", training)],
    )
    opened = open_text(text, corpus) if isinstance(text, Path) else string_corpus(text, corpus)
    with catch_signals() as interruption:
        session = begin(opened, request, run=Path(run) if run else None, started=started)
        for _ in session.events(interruption):
            pass
    return session.run


def _names(prefix: str, config: NetworkConfig | TrainingConfig | None) -> list[str]:
    """The settings that a configuration chooses: all of them, or none without a configuration."""
    return [] if config is None else [f"{prefix}.{field.name}" for field in fields(config)]

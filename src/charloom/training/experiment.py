"""A text and its settings become a run: the only place where everything is wired together."""

import hashlib
import time
from collections.abc import Collection
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch

from charloom.data.batches import Batches, Streams
from charloom.data.corpus import Corpus
from charloom.data.documents import Documents
from charloom.data.text_ids import encode, predicts_end
from charloom.data.text_sources import STANDARD_INPUT, STRING, open_text, string_corpus
from charloom.data.vocabulary import Ids, Vocabulary
from charloom.durations import seconds
from charloom.errors import FolderError, arguments
from charloom.interruption import catch_signals
from charloom.machine.hardware import Choice, choose_device, choose_precision, environment, prepare_processor
from charloom.models.fine_tuning import inherit, joined
from charloom.models.language_model import LanguageModel, load_folder
from charloom.models.model_folder import ModelConfig, VocabularyRecord
from charloom.settings import CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints, recipes
from charloom.training.card import model_card
from charloom.training.loop import FIRST, SaveEvery, first_save
from charloom.training.plan import Length, by_recipe, extended, make_plan
from charloom.training.resumption import changes, clock_bytes, cut
from charloom.training.run_text import same_text
from charloom.training.runs import CorpusRecord, Origin, Run, RunConfig, load, lock, new_run
from charloom.training.session import Session
from charloom.training.trainer import Trainer
from charloom.version import __version__

DEFAULT_BUDGET = 240.0
"""Seconds that a run takes by default."""


def begin(
    corpus: Corpus,
    corpus_config: CorpusConfig,
    network_config: NetworkConfig,
    training_config: TrainingConfig,
    length: Length,
    *,
    run: Path | None = None,
    origin: Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    save_every: SaveEvery | None = None,
    disk: Disk | None = None,
    started: float | None = None,
    chosen: Collection[str] | None = None,
) -> Session:
    """A new run, its first checkpoint saved, ready for its first step.

    `started` is the moment (`time.monotonic()`) from which a time budget counts. `chosen` names the settings that the
    user chose, as in `network.hidden_size`: with a time budget, a recipe fills in the others; None leaves all as they are.
    Raises `CharloomError`.
    """
    prepare_processor()
    disk, save_every = disk or Disk(), save_every or SaveEvery()
    started = time.monotonic() if started is None else started
    if length == Length():
        length = Length(budget=DEFAULT_BUDGET)
    parent = load(origin) if origin else None
    if parent is not None:
        network_config = replace(
            parent.config.network, dropout=network_config.dropout, weight_dropout=network_config.weight_dropout
        )
    chosen_device = choose_device(device)
    recipe = None
    if chosen is not None and not set(chosen) >= recipes.CHOOSES and length.budget is not None:
        network_config, training_config, recipe = by_recipe(
            network_config,
            training_config,
            chosen,
            characters=corpus.train.characters,
            seconds=length.budget - (time.monotonic() - started),
            device=chosen_device,
            precision=precision,
            tuning=parent is not None,
        )
    chosen_precision = choose_precision(precision, chosen_device.name, network_config.cell, network_config.hidden_size)
    whole = Vocabulary.of(corpus.text.pieces(), corpus_config.vocabulary)
    vocabulary = joined(whole, parent)
    ids = encode(corpus.train, vocabulary, corpus_config.documents)
    unseen = _unseen(ids, vocabulary, corpus_config, whole)
    model_config = ModelConfig(
        network_config, corpus_config.documents, predicts_end(corpus.text, corpus_config.documents)
    )
    batches = _batches(ids, vocabulary, corpus_config, training_config)
    model = _model(model_config, vocabulary, training_config, parent, chosen_device)
    plan, deadline = make_plan(
        model,
        batches,
        corpus.validation,
        training_config,
        length,
        device=chosen_device,
        precision=chosen_precision,
        save_every=save_every.seconds or 30.0,
        started=started,
        most_epochs=recipes.most_epochs(corpus.train.characters, tuning=parent is not None),
        recipe=recipe,
    )
    if length.budget is not None:  # the measured steps changed the weights
        model = _model(model_config, vocabulary, training_config, parent, chosen_device)
    with new_run(disk, run, corpus.name) as (path, held):
        copied = corpus.source in (STANDARD_INPUT, STRING)
        if copied:
            atomic_files.replace(disk, path / "text.txt", bytes(corpus.text.data))
        config = RunConfig(
            text=CorpusRecord(
                name=corpus.name,
                source="copy" if copied else corpus.source,
                sha256=corpus.text.sha256,
                characters=corpus.text.characters,
                bytes=corpus.text.bytes,
                texts=max(1, len(corpus.text.ends)),
                distinct_symbols=whole.boundary,
                unseen_in_training=unseen,
                notes=corpus.notes,
            ),
            corpus=corpus_config,
            network=network_config,
            training=training_config,
            plan=plan,
            origin=_origin(origin, parent, vocabulary),
            charloom=__version__,
        )
        atomic_files.replace(disk, path / "config.json", strict_json.dump(config))
        trainer = _trainer(model, batches, config)
        _first_save(disk, Run(path), config, trainer, model)
    return _session(Run(path), config, trainer, model, corpus, disk, save_every, held, deadline=deadline)


def resume(
    run: Path,
    length: Length = Length(),
    *,
    text: str | Path | None = None,
    device: Device = "auto",
    save_every: SaveEvery | None = None,
    disk: Disk | None = None,
) -> Session:
    """Go on with a run from its newest checkpoint, perhaps to more steps or epochs than it was begun for.

    `text` is where the run's text is now, if it was moved; the run remembers it. Raises `FolderError` if `run` is no run, if
    another process trains it, or if its text has changed since.
    """
    prepare_processor()
    config = Run(run).config()
    held = lock(run)
    try:
        return _resume(Run(run), config, length, text, device, save_every or SaveEvery(), disk or Disk(), held)
    except BaseException:
        held.release()
        raise


def _resume(
    here: Run,
    config: RunConfig,
    length: Length,
    text: str | Path | None,
    device: Device,
    save_every: SaveEvery,
    disk: Disk,
    held: filelock.BaseFileLock,
) -> Session:
    run = here.path
    corpus = same_text(here, config, text, remedy="name where it is now with --text")
    if text is not None and corpus.source != STANDARD_INPUT:
        config = replace(config, text=replace(config.text, source=corpus.source))
    chosen = choose_device(device if device != "auto" else _available(config.plan.device))
    fresh = not checkpoints.exist(run)
    parent = load(config.origin.path) if fresh and config.origin else None
    model_config = ModelConfig(
        config.network, config.corpus.documents, predicts_end(corpus.text, config.corpus.documents)
    )
    if fresh:
        vocabulary = joined(Vocabulary.of(corpus.text.pieces(), config.corpus.vocabulary), parent)
    else:
        kept = load_folder(here.model)
        vocabulary = kept.vocabulary
        if kept.config != model_config:
            raise FolderError(
                f"{here.model} holds another network than {run / 'config.json'} says; restore them from a copy"
            )
    ids = encode(corpus.train, vocabulary, config.corpus.documents)
    batches = _batches(ids, vocabulary, config.corpus, config.training)
    config = extended(config, length, len(batches))
    model = _model(model_config, vocabulary, config.training, parent, chosen)
    trainer = _trainer(model, batches, config)
    notices: list[str] = []
    if fresh:
        position = FIRST
        checkpoints.clean(disk, run, None)
        _first_save(disk, here, config, trainer, model)
    else:
        loaded = checkpoints.load(run, trainer)
        assert loaded is not None, "there is a checkpoint"
        checkpoints.clean(disk, run, loaded.pointer)
        notices += [loaded.damage] if loaded.damage else []
        notices += changes(loaded.environment, environment(chosen.name))
        position = loaded.position
        position = replace(position, metrics_bytes=cut(disk, run / "metrics.jsonl", position.metrics_bytes, notices))
    if config != here.config():
        atomic_files.replace(disk, run / "config.json", strict_json.dump(config))
    clock = run / "clock.jsonl"
    clock_size = cut(disk, clock, clock_bytes(clock, position.step), notices)
    return _session(
        here,
        config,
        trainer,
        model,
        corpus,
        disk,
        save_every,
        held,
        position=position,
        clock_bytes=clock_size,
        notices=tuple(notices),
    )


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
    length = Length(steps=steps, epochs=epochs, budget=budget_seconds)
    opened = open_text(text, corpus) if isinstance(text, Path) else string_corpus(text, corpus)
    with catch_signals() as interruption:
        session = begin(
            opened,
            corpus,
            network or NetworkConfig(),
            training or TrainingConfig(),
            length,
            run=Path(run) if run else None,
            origin=Path(origin) if origin else None,
            device=device,
            precision=precision,
            started=started,
            chosen=[*_names("network", network), *_names("training", training)],
        )
        for _ in session.events(interruption):
            pass
    return session.run


def _names(prefix: str, config: NetworkConfig | TrainingConfig | None) -> list[str]:
    """The settings that a configuration chooses: all of them, or none without a configuration."""
    return [] if config is None else [f"{prefix}.{field.name}" for field in fields(config)]


def _unseen(ids: Ids, vocabulary: Vocabulary, corpus: CorpusConfig, whole: Vocabulary) -> int:
    """Symbols of the whole text that its training part lacks."""
    if vocabulary.kind == "bytes":
        return 0
    counts = np.zeros(len(vocabulary), np.int64)
    for start in range(0, len(ids), 1 << 20):
        counts += np.bincount(ids[start : start + (1 << 20)], minlength=len(vocabulary))
    seen = {vocabulary.characters[symbol] for symbol in np.flatnonzero(counts[:-1])}
    if corpus.documents == "lines" and counts[-1]:
        seen.add("\n")  # the boundary stands for it
    return len(set(whole.characters) - seen)


def _batches(ids: Ids, vocabulary: Vocabulary, corpus: CorpusConfig, training: TrainingConfig) -> Batches:
    sizes: dict[str, Any] = {
        "boundary": vocabulary.boundary,
        "batch_size": training.batch_size,
        "sequence_length": training.sequence_length,
    }
    return Documents(ids, **sizes, seed=training.seed) if corpus.documents == "lines" else Streams(ids, **sizes)


def _model(
    config: ModelConfig,
    vocabulary: Vocabulary,
    training: TrainingConfig,
    parent: LanguageModel | None,
    device: Choice,
) -> LanguageModel:
    """A model whose weights depend on the seed alone; a fine-tuned one has its parent's wherever that knows the symbol."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = LanguageModel.new(config, vocabulary)
    if parent is not None:
        inherit(model, parent)
    model.network.to(device.name)
    return model


def _origin(path: Path | None, parent: LanguageModel | None, vocabulary: Vocabulary) -> Origin | None:
    if path is None or parent is None:
        return None
    digest = hashlib.sha256(parent.weights()).hexdigest()
    return Origin(str(path.resolve()), digest, len(vocabulary) - len(parent.vocabulary))


def _trainer(model: LanguageModel, batches: Batches, config: RunConfig) -> Trainer:
    return Trainer(model.network, batches, config.training, steps=config.plan.steps, precision=config.plan.precision)


def _first_save(disk: Disk, run: Run, config: RunConfig, trainer: Trainer, model: LanguageModel) -> None:
    files = {
        "config.json": strict_json.dump(model.config),
        "vocabulary.json": strict_json.dump(VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)),
        "model.safetensors": model.with_network(trainer.average).weights(),
        "README.md": model_card(config, 0, None, "").encode(),
    }
    first_save(disk, run, trainer, files)


def _session(
    run: Run,
    config: RunConfig,
    trainer: Trainer,
    model: LanguageModel,
    corpus: Corpus,
    disk: Disk,
    save_every: SaveEvery,
    held: filelock.BaseFileLock,
    **more: Any,
) -> Session:
    return Session(
        run,
        config,
        trainer,
        model.with_network(trainer.average),
        corpus.validation,
        disk=disk,
        save_every=save_every,
        lock=held,
        **{"position": FIRST, **more},
    )


def _available(device: str) -> Device:
    return device if device == "cpu" or (device == "cuda" and torch.cuda.is_available()) else "auto"  # type: ignore[return-value]

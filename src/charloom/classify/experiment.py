"""Rows and settings become a classifier's run: the place where everything is wired together."""

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from charloom.classify import n_gram_files
from charloom.classify.inheritance import inherited_shape
from charloom.classify.model import Classifier, load_classifier
from charloom.classify.preparation import Prepared, prepare
from charloom.classify.rows import LARGEST_COPY, Rows, as_copy, hold_out, parse_copy, read_rows, to_train
from charloom.classify.runs import ClassifierPlan, ClassifierRun, ClassifierRunConfig, RowsRecord, card
from charloom.classify.session import ClassifierSession
from charloom.classify.training import ClassifierTrainer
from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError, SettingsError, shown
from charloom.machine.hardware import choose_device, choose_precision, environment, prepare_processor
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import VocabularyRecord, read_model_file
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig, Device, Precision
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints
from charloom.training.loop import FIRST, SaveEvery, first_save
from charloom.training.resumption import changes, clock_bytes, cut
from charloom.training.runs import Origin, load, lock, new_run
from charloom.version import __version__

READ = 80_000_000
LEAST_EPOCHS, MOST_EPOCHS = 4, 20


def usual_epochs(rows: Rows) -> float:
    """The default number of epochs: enough to read a fixed number of characters, within limits."""
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, READ / max(1, rows.characters + 2 * rows.total)))


def begin(
    rows: Rows,
    classification: ClassificationConfig = ClassificationConfig(),
    network: ClassifierNetworkConfig = ClassifierNetworkConfig(),
    training: ClassifierTrainingConfig = ClassifierTrainingConfig(),
    *,
    name: str = "texts",
    source: str | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    run: Path | None = None,
    origin: Path | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    save_every: SaveEvery | None = None,
    disk: Disk | None = None,
) -> ClassifierSession:
    """A new run, its first checkpoint saved, ready for its first step. Raises `CharloomError`.

    `source` is the path that the rows can be read from again; without it the run keeps a copy.
    """
    prepare_processor()
    disk, save_every = disk or Disk(), save_every or SaveEvery()
    to_train(rows, name)
    parent = load(origin) if origin else None
    if parent is not None:
        network = inherited_shape(network, parent)
    chosen = choose_device(device)
    number = choose_precision(precision, chosen.name, network.cell, network.hidden_size)
    prepared = prepare(rows, classification, network, training, parent=parent, device=chosen)
    per_epoch, vocabulary = len(prepared.batches), prepared.classifier.vocabulary
    total = _steps(steps, epochs if epochs is not None or steps is not None else usual_epochs(rows), per_epoch)
    with new_run(disk, run, name) as (path, locked):
        if source is None:
            atomic_files.replace(disk, path / "text.txt", as_copy(rows))
        plan = ClassifierPlan(
            steps=total,
            steps_per_epoch=per_epoch,
            validate_every=math.ceil(total / training.validations),
            device=chosen.name,
            precision=number.name,  # type: ignore[arg-type]
            precision_reason=number.reason,
            parameters=prepared.classifier.network.parameter_count(),
        )
        settings = ClassifierRunConfig(
            rows=RowsRecord(
                name=name,
                source=source or "copy",
                sha256=rows.sha256,
                rows=len(rows),
                characters=rows.characters,
                classes=len(rows.classes),
                held=len(prepared.held),
                known=vocabulary.boundary,
            ),
            classification=classification,
            network=network,
            training=training,
            plan=plan,
            origin=_origin(origin, parent, vocabulary),
            charloom=__version__,
        )
        atomic_files.replace(disk, path / "config.json", strict_json.dump(settings))
        here = ClassifierRun(path)
        trainer = prepared.trainer(training, steps=total, precision=plan.precision)
        _first_save(disk, here, settings, trainer, prepared.classifier)
    return _session(here, settings, trainer, prepared, disk, save_every, locked)


def resume(
    run: Path,
    *,
    data: Path | None = None,
    device: Device = "auto",
    save_every: SaveEvery | None = None,
    disk: Disk | None = None,
) -> ClassifierSession:
    """Go on with a run from its newest checkpoint. Raises `FolderError`, also where its rows have changed since.

    `data` is where its rows are now, if they were moved; the run remembers it.
    """
    prepare_processor()
    here = ClassifierRun(run)
    settings = here.classifier_config()
    locked = lock(run)
    try:
        return _resume(here, settings, data, device, save_every or SaveEvery(), disk or Disk(), locked)
    except BaseException:
        locked.release()
        raise


def _resume(
    here: ClassifierRun,
    settings: ClassifierRunConfig,
    data: Path | None,
    device: Device,
    save_every: SaveEvery,
    disk: Disk,
    locked: Any,
) -> ClassifierSession:
    run = here.path
    if data is not None:
        settings = replace(settings, rows=replace(settings.rows, source=str(data.resolve())))
    rows = _same_rows(here, settings)
    there = settings.plan.device == "cpu" or (settings.plan.device == "cuda" and torch.cuda.is_available())
    chosen = choose_device(settings.plan.device if device == "auto" and there else device)  # type: ignore[arg-type]
    fresh = not checkpoints.exist(run)
    parent = load(settings.origin.path) if fresh and settings.origin else None
    prepared = prepare(rows, settings.classification, settings.network, settings.training, parent=parent, device=chosen)
    classifier = prepared.classifier
    if not fresh and load_classifier(here.model).config != classifier.config:
        raise FolderError(f"{here.model} holds another model than {run / 'config.json'} says; restore them from a copy")
    trainer = prepared.trainer(settings.training, steps=settings.plan.steps, precision=settings.plan.precision)
    position, notices = FIRST, list[str]()
    if fresh:
        checkpoints.clean(disk, run, None)
        _first_save(disk, here, settings, trainer, classifier)
    else:
        loaded = checkpoints.load(run, trainer)
        assert loaded is not None, "there is a checkpoint"
        checkpoints.clean(disk, run, loaded.pointer)
        notices += [loaded.damage] if loaded.damage else []
        notices += changes(loaded.environment, environment(chosen.name))
        position = loaded.position
        position = replace(position, metrics_bytes=cut(disk, run / "metrics.jsonl", position.metrics_bytes, notices))
    if data is not None:
        atomic_files.replace(disk, run / "config.json", strict_json.dump(settings))
    clock = run / "clock.jsonl"
    size = cut(disk, clock, clock_bytes(clock, position.step), notices)
    return _session(
        here,
        settings,
        trainer,
        prepared,
        disk,
        save_every,
        locked,
        position=position,
        clock_bytes=size,
        notices=tuple(notices),
    )


def rows_of(here: ClassifierRun, settings: ClassifierRunConfig) -> Rows:
    """The rows that a run is trained on, from where they were read, or from its copy. Raises `CharloomError`."""
    if settings.rows.source == "copy":
        return parse_copy(read_model_file(here.path, "text.txt", LARGEST_COPY), str(here.path / "text.txt"))
    return read_rows(Path(settings.rows.source))


def held_rows(path: str | Path) -> Rows:
    """The rows that a run held out. Raises `CharloomError`."""
    here = ClassifierRun(Path(path))
    settings = here.classifier_config()
    rows = _same_rows(here, settings)
    _, held = hold_out(rows, settings.classification.held, settings.training.seed)
    if not len(held):
        raise SettingsError(f"{path} held no rows out; give a file of rows to measure on")
    return rows.take(held)


def _same_rows(here: ClassifierRun, settings: ClassifierRunConfig) -> Rows:
    source = settings.rows.source
    todo = f"say where they are now with: charloom classify train --resume --run {here.path} --data NEW"
    if source != "copy" and not Path(source).exists():
        raise FolderError(f"the rows of {here.path} are not at {shown(source)}; put them back, or {todo}")
    rows = rows_of(here, settings)
    if rows.sha256 != settings.rows.sha256:
        raise FolderError(
            f"{shown(source)} has changed since the run began or holds other rows, so it cannot be gone on with; restore the "
            f"file, begin another run, or, if its rows are elsewhere now, {todo}"
        )
    return rows


def _steps(steps: int | None, epochs: float | None, per_epoch: int) -> int:
    if steps is not None and epochs is not None:
        raise SettingsError("a run has one length; give only one of --steps and --epochs")
    length = steps if steps is not None else epochs
    assert length is not None
    if not (math.isfinite(length) and length > 0):
        raise SettingsError(f"a run's length is {length:g}; it must be above 0")
    return steps if steps is not None else max(1, round(length * per_epoch))


def _first_save(
    disk: Disk, run: ClassifierRun, settings: ClassifierRunConfig, trainer: ClassifierTrainer, classifier: Classifier
) -> None:
    files = {
        "config.json": strict_json.dump(classifier.config),
        "vocabulary.json": strict_json.dump(
            VocabularyRecord(classifier.vocabulary.kind, classifier.vocabulary.characters)
        ),
        "model.safetensors": replace(classifier, network=trainer.average).weights(),
        "README.md": card(settings, classifier.classes, 0, None).encode(),
    }
    if classifier.n_grams is not None:
        files[n_gram_files.NAME] = n_gram_files.pack_n_grams(classifier.n_grams)
    first_save(disk, run, trainer, files)


def _session(
    run: ClassifierRun,
    settings: ClassifierRunConfig,
    trainer: ClassifierTrainer,
    prepared: Prepared,
    disk: Disk,
    save_every: SaveEvery,
    locked: Any,
    **more: Any,
) -> ClassifierSession:
    return ClassifierSession(
        run,
        settings,
        trainer,
        replace(prepared.classifier, network=trainer.average),
        prepared.held,
        disk=disk,
        save_every=save_every,
        lock=locked,
        **{"position": FIRST, **more},
    )


def _origin(path: Path | None, parent: LanguageModel | None, vocabulary: Vocabulary) -> Origin | None:
    if path is None or parent is None:
        return None
    new = len(set(vocabulary.characters) - set(parent.vocabulary.characters))
    return Origin(str(path.resolve()), hashlib.sha256(parent.weights()).hexdigest(), new)

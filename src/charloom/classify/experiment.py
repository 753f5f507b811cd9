"""Starts a classifier's run from rows and settings, or resumes one: where everything is wired together."""

import math
from dataclasses import replace
from pathlib import Path

from charloom.classify.inheritance import inherited_shape
from charloom.classify.model import load_classifier
from charloom.classify.preparation import prepare
from charloom.classify.request import ClassifierRequest
from charloom.classify.rows import LARGEST_COPY, Rows, as_copy, hold_out, parse_copy, read_rows, to_train
from charloom.classify.runs import ClassifierPlan, ClassifierRun, ClassifierRunConfig, RowsRecord
from charloom.classify.session import ClassifierSession
from charloom.errors import FolderError, SettingsError, shown
from charloom.machine.hardware import choose_device, choose_precision, prepare_processor
from charloom.models.model_folder import is_run, read_model_file
from charloom.places.located import located
from charloom.settings import Device
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints
from charloom.training.loop import SaveEvery
from charloom.training.opening import create, reopen, same_device, same_precision
from charloom.training.request import Length
from charloom.training.runs import Origin, demand_free, load, locked
from charloom.version import __version__

READ = 80_000_000
"""Characters that are read by default, over all epochs."""

LEAST_EPOCHS, MOST_EPOCHS = 4, 20


def usual_epochs(rows: Rows) -> float:
    """The default number of epochs: enough to read a fixed number of characters, within limits."""
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, READ / max(1, rows.characters + 2 * rows.total)))


def begin(
    rows: Rows,
    request: ClassifierRequest,
    *,
    name: str = "texts",
    source: str | None = None,
    run: Path | None = None,
    save_every: SaveEvery = SaveEvery(),
    disk: Disk | None = None,
) -> ClassifierSession:
    """Create a run with its first checkpoint, ready for its first step. Raises `CharloomError`.

    `source` is the path that the rows can be read from again; without it the run keeps a copy.
    """
    prepare_processor()
    demand_free(run)
    to_train(rows, name)
    parent = load(request.origin) if request.origin is not None else None
    if parent is not None:
        request = replace(request, network=inherited_shape(request.network, parent))
    device, network = choose_device(request.device), request.network
    precision = choose_precision(request.precision, device.name, network.cell, network.hidden_size)
    prepared = prepare(rows, request, parent, device)
    classifier, per_epoch = prepared.classifier, len(prepared.batches)
    length = request.length if request.length != Length() else Length(epochs=usual_epochs(rows))
    steps = length.in_steps(per_epoch)
    config = ClassifierRunConfig(
        rows=RowsRecord(
            name=name,
            source=source or "copy",
            sha256=rows.sha256,
            rows=len(rows),
            characters=rows.characters,
            classes=len(rows.classes),
            held=len(prepared.held),
            known=classifier.vocabulary.boundary,
        ),
        classification=request.classification,
        network=network,
        training=request.training,
        plan=ClassifierPlan(
            steps=steps,
            steps_per_epoch=per_epoch,
            validate_every=math.ceil(steps / request.training.validations),
            device=device.name,
            precision=precision.name,  # type: ignore[arg-type]
            precision_reason=precision.reason,
            parameters=classifier.network.parameter_count(),
        ),
        origin=Origin.of(request.origin, parent, classifier.vocabulary),
        charloom=__version__,
    )
    trainer = prepared.trainer(config)
    files, text = prepared.files(config, trainer), as_copy(rows) if source is None else None
    opened = create(disk or Disk(), run, name, text=text, config=config, trainer=trainer, model=files)
    return ClassifierSession(opened, config, trainer, prepared, save_every)


def resume(
    run: Path,
    *,
    data: Path | None = None,
    device: Device = "auto",
    save_every: SaveEvery = SaveEvery(),
    disk: Disk | None = None,
) -> ClassifierSession:
    """Resume a run from its newest checkpoint. Raises `FolderError`, for example if its rows have changed.

    `data` is where its rows are now, if they were moved; the run remembers it.
    """
    prepare_processor()
    here, disk = ClassifierRun(run), disk or Disk()
    config = before = here.classifier_config()
    with locked(run) as lock:
        if data is not None:
            config = replace(config, rows=replace(config.rows, source=str(data.resolve())))
        checkpoints.demand_checkpoint(run, config.charloom)
        choice = same_device(config.plan.device, device)
        prepared = prepare(_same_rows(here, config), config, None, choice)
        if load_classifier(here.model).config != prepared.classifier.config:
            raise FolderError(
                f"{here.model} does not hold the model in {run / 'config.json'}; restore them from a copy"
            )
        precision = same_precision(config.plan.precision, choice.name, config.network.cell, config.network.hidden_size)
        possible = replace(config, plan=replace(config.plan, **precision))
        trainer = prepared.trainer(possible)
        opened = reopen(disk, run, lock, trainer)
        session = ClassifierSession(opened, config, trainer, prepared, save_every)
        session.go_on(before, precision)
        return session


def rows_of(here: ClassifierRun, settings: ClassifierRunConfig) -> Rows:
    """The rows that a run is trained on, from their source or from its copy. Raises `CharloomError`."""
    if settings.rows.source == "copy":
        return parse_copy(read_model_file(here.path, "text.txt", LARGEST_COPY), str(here.path / "text.txt"))
    return read_rows(Path(settings.rows.source))


def held_rows(path: str | Path) -> Rows:
    """The rows that a run held out. Raises `CharloomError`."""
    if not is_run(path):
        raise SettingsError(
            f"{shown(path)} is a model without its run, so there are no rows held out; give a file of rows"
        )
    here = ClassifierRun(located(path))
    settings = here.classifier_config()
    rows = _same_rows(here, settings)
    _, held = hold_out(rows, settings.classification.held, settings.training.seed)
    if not len(held):
        raise SettingsError(f"{path} held out no rows; give a file of rows to evaluate on")
    return rows.take(held)


def _same_rows(here: ClassifierRun, settings: ClassifierRunConfig) -> Rows:
    source = settings.rows.source
    todo = f"say where they are now with: charloom classify train --resume --run {here.path} --data NEW"
    if source != "copy" and not Path(source).exists():
        raise FolderError(f"the rows of {here.path} are no longer at {shown(source)}; put them back, or {todo}")
    rows = rows_of(here, settings)
    if rows.sha256 != settings.rows.sha256:
        raise FolderError(
            f"{shown(source)} has changed since {here.path} was started, or holds other rows; restore the file, start "
            f"a new run, or, if the original rows are elsewhere now, {todo}"
        )
    return rows

"""Opens a run for training: a new directory with its first commit, or an old one at its newest checkpoint."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import torch

from charloom.machine.hardware import Choice, choose_device, choose_precision
from charloom.machine.launch import Launch
from charloom.settings import Cell, Device
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints
from charloom.training.checkpoints import FIRST, Position
from charloom.training.restarts import mark
from charloom.training.runs import new_run, read_lines
from charloom.training.trainer import BaseTrainer

AnyTrainer = BaseTrainer[Any, Any]

Pieces = bytes | Iterable[bytes | memoryview]
"""The content of a file, perhaps in pieces."""

Files = Mapping[str, bytes]
"""Contents of files by their names."""


@dataclass(frozen=True)
class Opened:
    """A run directory locked for training, and how far the training has come."""

    path: Path
    lock: filelock.BaseFileLock
    disk: Disk
    position: Position = FIRST
    clock_bytes: int = 0
    "Size of clock.jsonl up to this position."
    notices: tuple[str, ...] = ()
    "What the user should know, one sentence each."


def create(
    disk: Disk,
    wanted: Path | None,
    name: str,
    *,
    text: Pieces | None,
    config: object,
    trainer: AnyTrainer,
    model: Files,
    launch: Launch | None = None,
) -> Opened:
    """Create a run directory (see `new_directory`) with its configuration, model folder and checkpoint of step 0.

    `text` is the copy that the run keeps, if any; `model` holds the files of its model folder; `launch` is how its
    processes were started, if there are several. If anything fails, no directory is left behind. Raises `FolderError`,
    `StorageError`.
    """
    with new_run(disk, wanted, name) as (path, lock):
        if launch is not None:
            mark(disk, path, launch)
        if text is not None:
            atomic_files.replace(disk, path / "text.txt", text)
        atomic_files.replace(disk, path / "config.json", strict_json.dump(config))
        _first_commit(disk, path, trainer, model)
    return Opened(path, lock, disk)


def reopen(
    disk: Disk, path: Path, lock: filelock.BaseFileLock, trainer: AnyTrainer, first_model: Callable[[], Files]
) -> Opened:
    """Open a locked run with `trainer` at its newest checkpoint; what was written after that is cut off.

    A run that was never committed starts from the beginning, with `first_model()` as its model folder. Raises
    `FolderError`, `StorageError`.
    """
    position, notices = FIRST, list[str]()
    if checkpoints.exist(path):
        loaded = checkpoints.load(path, trainer)
        assert loaded is not None, "there is a checkpoint"
        checkpoints.clean(disk, path, loaded.pointer)
        notices += [loaded.damage] if loaded.damage else []
        notices += _changes(loaded.environment, trainer.environment())
        size = _cut(disk, path / "metrics.jsonl", loaded.position.metrics_bytes, notices)
        position = replace(loaded.position, metrics_bytes=size)
    else:
        checkpoints.clean(disk, path, None)
        _first_commit(disk, path, trainer, first_model())
    clock = path / "clock.jsonl"
    size = _cut(disk, clock, _clock_bytes(clock, position.step), notices)
    return Opened(path, lock, disk, position, size, tuple(notices))


def same_device(planned: str, asked: Device) -> Choice:
    """The device on which to resume: the one asked for, or the planned one if it is available."""
    there = planned == "cpu" or (planned == "cuda" and torch.cuda.is_available())
    return choose_device(planned if asked == "auto" and there else asked)  # type: ignore[arg-type]


def same_precision(planned: str, device: str, cell: Cell, hidden_size: int) -> dict[str, Any]:
    """What changes in the plan of a run if this machine does not have the planned number format."""
    if planned == "float32":
        return {}
    here = choose_precision("auto", device, cell, hidden_size)
    return {} if here.name == planned else {"precision": here.name, "precision_reason": here.reason}


def _first_commit(disk: Disk, path: Path, trainer: AnyTrainer, model: Files) -> None:
    """Write the model folder and the checkpoint of step 0, so that a full disk shows now, not hours later."""
    folder = path / "model"
    if not folder.exists():
        atomic_files.make_folder(disk, folder)
    for name, data in model.items():
        atomic_files.replace(disk, folder / name, data)
    trainer.check()
    checkpoints.save(disk, path, trainer.state(), FIRST, trainer.environment())


def _changes(was: Mapping[str, str], now: Mapping[str, str]) -> Sequence[str]:
    """One sentence if the machine changed, because the last bits of the results may then change too."""
    changed = [f"{name} {was[name]} -> {now[name]}" for name in now if name in was and was[name] != now[name]]
    return (
        [f"changed since the last checkpoint: {', '.join(changed)}; the results may differ in their last bits"]
        if changed
        else []
    )


def _cut(disk: Disk, path: Path, size: int, notices: list[str]) -> int:
    """Cut off what was written after the checkpoint; return the size that is left."""
    there = path.stat().st_size if path.exists() else 0
    if there < size:
        notices.append(f"{path} has {there:,} of {size:,} bytes; the missing lines cannot be restored")
        return there
    if there > size:
        atomic_files.append(disk, path, b"", at=size)
    return size


def _clock_bytes(path: Path, step: int) -> int:
    """Bytes of the lines up to `step`; what came after it will be repeated."""
    if not path.exists():
        return 0
    entries = read_lines(path)
    lines = path.read_bytes().splitlines(keepends=True)
    return sum(len(line) for line, entry in zip(lines, entries, strict=False) if entry["step"] <= step)

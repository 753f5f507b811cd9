"""Opens a run for training: a new directory with its first checkpoint, or an old one at its newest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import filelock
import torch

from charloom.machine import launch
from charloom.machine.hardware import Choice, choose_device, choose_precision
from charloom.settings import Cell, Device
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints
from charloom.training.checkpoints import FIRST, Position
from charloom.training.distributed import MARK
from charloom.training.runs import discard_run, new_directory, read_lines
from charloom.training.trainer import BaseTrainer

AnyTrainer = BaseTrainer[Any, Any]


@dataclass(frozen=True)
class Opened:
    """A run directory locked for training, and how far the training has come."""

    path: Path
    lock: filelock.BaseFileLock | None = None
    "None in a process that does not write."
    position: Position = FIRST
    clock_bytes: int = 0
    "Size of clock.jsonl up to this position."
    notices: tuple[str, ...] = ()
    "What the user should know, one sentence each."
    disk: Disk = field(default_factory=Disk)


def create(
    disk: Disk,
    wanted: Path | None,
    name: str,
    *,
    text: bytes | Iterable[bytes | memoryview] | None,
    config: object,
    trainer: AnyTrainer,
    model: Mapping[str, bytes],
) -> Opened:
    """Create a run directory (`charloom.training.runs.new_directory`): the copy of the `text` that it keeps, if any,
    the files of its `model` folder, the checkpoint of step 0 and, last of all, `config.json`, without which a directory
    counts as never begun. If anything fails, no directory is left behind. Raises `FolderError`, `StorageError`.
    """
    path, lock = new_directory(disk, wanted, name)
    try:
        if launch.may_restart():
            atomic_files.replace(disk, path / MARK, launch.launcher().encode())
        if text is not None:
            atomic_files.replace(disk, path / "text.txt", text)
        atomic_files.make_folder(disk, path / "model")
        for file, data in model.items():
            atomic_files.replace(disk, path / "model" / file, data)
        trainer.check()
        checkpoints.save(disk, path, trainer.state(), FIRST, trainer.environment())
        atomic_files.replace(disk, path / "config.json", strict_json.dump(config))
    except BaseException:
        discard_run(disk, path)
        lock.release()  # a notebook that keeps the error would keep the lock too
        raise
    return Opened(path, lock, disk=disk)


def reopen(disk: Disk, path: Path, lock: filelock.BaseFileLock, trainer: AnyTrainer) -> Opened:
    """Open a locked run with `trainer` at its newest checkpoint; what was written after that is cut off.

    Raises `FolderError`, `StorageError`.
    """
    loaded = checkpoints.load(disk, path, trainer)
    notices = [loaded.damage] if loaded.damage else []
    notices += _changes(loaded.environment, trainer.environment())
    for folder in (path, path / "model"):
        for left in folder.glob(f"*{atomic_files.TEMPORARY}"):  # of a write that was interrupted
            with atomic_files.storage_errors(left):
                disk.remove(left)
    metrics = _cut(disk, path / "metrics.jsonl", loaded.position.metrics_bytes, notices)
    clock = path / "clock.jsonl"
    clock_bytes = _cut(disk, clock, _clock_bytes(clock, loaded.position.step), notices)
    return Opened(path, lock, replace(loaded.position, metrics_bytes=metrics), clock_bytes, tuple(notices), disk)


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

"""How a training comes by its run: a new directory with its first commit, or one that goes on from its newest checkpoint."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import torch

from charloom.machine.hardware import Choice, choose_device, environment
from charloom.settings import Device
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints
from charloom.training.checkpoints import FIRST, Position
from charloom.training.runs import new_run, read_lines
from charloom.training.trainer import BaseTrainer

AnyTrainer = BaseTrainer[Any, Any]

Files = Mapping[str, bytes]
"""The content of files by their names."""


@dataclass(frozen=True)
class Opened:
    """A run directory that is locked for a training, and how far the training is."""

    path: Path
    lock: filelock.BaseFileLock
    disk: Disk
    position: Position = FIRST
    clock_bytes: int = 0
    "Of the lines of clock.jsonl up to this position."
    notices: tuple[str, ...] = ()
    "What the user should know, a sentence each."


def create(
    disk: Disk, wanted: Path | None, name: str, *, text: bytes | None, config: object, trainer: AnyTrainer, model: Files
) -> Opened:
    """A new run directory (see `new_directory`) with everything that lasts, up to the checkpoint of step 0.

    `text` is the copy that the run keeps, if it keeps one; `model` are the files of its model folder. Where anything fails, no
    directory is left.
    """
    with new_run(disk, wanted, name) as (path, lock):
        if text is not None:
            atomic_files.replace(disk, path / "text.txt", text)
        atomic_files.replace(disk, path / "config.json", strict_json.dump(config))
        _first_commit(disk, path, trainer, model)
    return Opened(path, lock, disk)


def reopen(
    disk: Disk, path: Path, lock: filelock.BaseFileLock, trainer: AnyTrainer, first_model: Callable[[], Files]
) -> Opened:
    """A run whose lock is held, with `trainer` at its newest checkpoint; what was written after that is cut off.

    A run that was never committed begins anew, with `first_model()` as the files of its model folder. Raises `FolderError`.
    """
    position, notices = FIRST, list[str]()
    if checkpoints.exist(path):
        loaded = checkpoints.load(path, trainer)
        assert loaded is not None, "there is a checkpoint"
        checkpoints.clean(disk, path, loaded.pointer)
        notices += [loaded.damage] if loaded.damage else []
        notices += _changes(loaded.environment, environment(trainer.network.device.type))
        size = _cut(disk, path / "metrics.jsonl", loaded.position.metrics_bytes, notices)
        position = replace(loaded.position, metrics_bytes=size)
    else:
        checkpoints.clean(disk, path, None)
        _first_commit(disk, path, trainer, first_model())
    clock = path / "clock.jsonl"
    size = _cut(disk, clock, _clock_bytes(clock, position.step), notices)
    return Opened(path, lock, disk, position, size, tuple(notices))


def same_device(planned: str, asked: Device) -> Choice:
    """The device on which a run goes on: the one that is asked for, or the one that it was planned for if it is there."""
    there = planned == "cpu" or (planned == "cuda" and torch.cuda.is_available())
    return choose_device(planned if asked == "auto" and there else asked)  # type: ignore[arg-type]


def _first_commit(disk: Disk, path: Path, trainer: AnyTrainer, model: Files) -> None:
    """The model folder and the checkpoint of step 0: a full disk is found now, not hours later."""
    folder = path / "model"
    if not folder.exists():
        atomic_files.make_folder(disk, folder)
    for name, data in model.items():
        atomic_files.replace(disk, folder / name, data)
    trainer.check()
    checkpoints.save(disk, path, trainer.state(), FIRST, environment(trainer.network.device.type))


def _changes(was: Mapping[str, str], now: Mapping[str, str]) -> Sequence[str]:
    """One sentence if the machine changed, since then the last bits of the result may too."""
    changed = [f"{name} {was[name]} -> {now[name]}" for name in now if name in was and was[name] != now[name]]
    return (
        [f"since the last checkpoint {', '.join(changed)}; the results may differ in their last bits"]
        if changed
        else []
    )


def _cut(disk: Disk, path: Path, size: int, notices: list[str]) -> int:
    """Cut off what was written after the checkpoint; gives the size that is left."""
    there = path.stat().st_size if path.exists() else 0
    if there < size:
        notices.append(f"{path} has {there:,} of {size:,} bytes; the lines that are missing cannot be made again")
        return there
    if there > size:
        atomic_files.append(disk, path, b"", at=size)
    return size


def _clock_bytes(path: Path, step: int) -> int:
    """Bytes of the lines up to `step`: what came after it is done again."""
    if not path.exists():
        return 0
    entries = read_lines(path)
    lines = path.read_bytes().splitlines(keepends=True)
    return sum(len(line) for line, entry in zip(lines, entries, strict=False) if entry["step"] <= step)

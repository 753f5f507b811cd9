"""A run's checkpoint: one file that is complete or absent, and the one before it.

    checkpoint.safetensors             the trainer's state; its metadata has the position, the machine and a SHA-256
    checkpoint.safetensors.previous    the one before it, which is used if the newest is damaged

A checkpoint is written to a temporary file, forced to the disk and renamed, so that after a crash at any moment the
last one or the one before it is there. No torch here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import safetensors
import safetensors.numpy

from charloom.errors import FolderError
from charloom.errors.options import option
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import TEMPORARY, Disk
from charloom.storage.tensor_files import Array

if TYPE_CHECKING:
    import torch

FILE, PREVIOUS = "checkpoint.safetensors", "checkpoint.safetensors.previous"

_OLD = ("checkpoint.json", "checkpoints")
"""What checkpoints of version 0.1 consist of."""


class Restorable(Protocol):
    """What a checkpoint needs from a trainer, whatever the model."""

    total: int

    def restore(self, state: "Mapping[str, torch.Tensor]") -> None:
        """Go on from `state`. Raises `KeyError` or `RuntimeError` if it is another trainer's."""


@dataclass(frozen=True)
class Position:
    """The progress of a run, in addition to the trainer's own state."""

    step: int = 0
    characters_seen: int = 0
    evaluated: int = -1
    "The last step that was validated; -1 before the first."
    finished: bool = False
    "Whether the run ended at this step: its final score is measured and its card written."
    best_nats: float | None = None
    "Nats per character of the model that is kept; None before the first validation."
    best_step: int = 0
    interval_nats: float = 0.0
    "Sum since the last line of metrics.jsonl, like the others below."
    interval_symbols: int = 0
    interval_norm: float = 0.0
    interval_steps: int = 0
    interval_clipped: int = 0
    "Steps with a clipped gradient."
    metrics_bytes: int = 0


FIRST = Position()


@dataclass(frozen=True)
class Loaded:
    """The checkpoint from which a run resumes."""

    position: Position
    environment: dict[str, str]
    "What can change the last bits of a result, where it was made."
    damage: str = ""
    "A sentence if the newest checkpoint is unusable and the one before it was loaded."


def save(
    disk: Disk, run: Path, state: "Mapping[str, torch.Tensor]", position: Position, environment: dict[str, str]
) -> None:
    """Commit a checkpoint. Raises `StorageError`; the one before then stays the newest."""
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    record: dict[str, Any] = {"position": strict_json.plain(position), "environment": environment}
    record["sha256"] = _digest(record, arrays)
    data = safetensors.numpy.save(arrays, metadata={"charloom": json.dumps(record)})
    newest, temporary = run / FILE, run / (FILE + TEMPORARY)
    atomic_files.write_new(disk, temporary, data)
    with atomic_files.storage_errors(newest):
        if newest.exists():
            disk.rename(newest, run / PREVIOUS)
        disk.rename(temporary, newest)
        disk.force_folder(run)


def load(disk: Disk, run: Path, trainer: Restorable) -> Loaded:
    """Restore `trainer` from the newest checkpoint, or if that is damaged from the one before it, which becomes the
    newest. Raises `FolderError` if there is none, or none that fits."""
    try:
        return _restore(run / FILE, trainer)
    except FolderError as error:
        damage = error
    if not (run / PREVIOUS).exists():
        raise damage
    loaded = _restore(run / PREVIOUS, trainer)
    with atomic_files.storage_errors(run / FILE):
        disk.rename(run / PREVIOUS, run / FILE)
        disk.force_folder(run)
    return Loaded(
        loaded.position, loaded.environment, f"{damage}; fell back to step {loaded.position.step}, the one before it"
    )


def saved_step(run: Path) -> int:
    """The step of the newest checkpoint. Raises `FolderError`."""
    step: int = record(run)["position"]["step"]
    return step


def record(run: Path) -> dict[str, Any]:
    """Position, environment and SHA-256 of the newest checkpoint. Raises `FolderError`."""
    return _record(run / FILE if (run / FILE).exists() else run / PREVIOUS)


def demand_checkpoint(run: Path, begun_with: str) -> None:
    """Raise `FolderError` if a run, begun with this version of charloom, has no checkpoint to resume from."""
    if (run / FILE).exists() or (run / PREVIOUS).exists():
        return
    if any((run / name).exists() for name in _OLD):
        raise FolderError(
            f"{run} has the checkpoints of charloom {begun_with}, which this version does not read; resume it with "
            f"charloom {begun_with}, or train on from its model with {option('from', str(run))}"
        )
    raise FolderError(
        f"{run} has no checkpoint to resume from; train on from its model with {option('from', str(run))}"
    )


def _restore(path: Path, trainer: Restorable) -> Loaded:
    """Raises `FolderError`; the trainer may then be half restored."""
    import torch

    found = _record(path)
    try:
        arrays = safetensors.numpy.load(path.read_bytes())
        digest = found.pop("sha256")
        if _digest(found, arrays) != digest:
            raise FolderError(f"{path} is damaged: its checksum is wrong; restore it from a copy")
        position = strict_json.load(Position, found["position"], str(path))
        trainer.restore({name: torch.from_numpy(array) for name, array in arrays.items()})
    except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
        reason = str(error).split("\n")[0][:200]
        raise FolderError(f"{path} does not fit its run: {reason}; restore it from a copy") from None
    if position.step > trainer.total:
        raise FolderError(f"{path}: step {position.step} is beyond the run's {trainer.total}; restore it from a copy")
    return Loaded(position, found["environment"])


def _record(path: Path) -> dict[str, Any]:
    """The metadata of a checkpoint."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            found: dict[str, Any] = json.loads(file.metadata()["charloom"])
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        reason = str(error).split("\n")[0][:200]
        raise FolderError(f"{path} is damaged or missing: {reason}; restore it from a copy") from None
    return found


def _digest(record: Mapping[str, Any], arrays: Mapping[str, Array]) -> str:
    """SHA-256 of everything in a checkpoint, in an order that does not depend on the file."""
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

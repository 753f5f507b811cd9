"""A run's checkpoints: each is one commit, complete or absent.

    checkpoints/step-00001200/     weights, average, optimizer, carried, random (.safetensors), position.json
                  manifest.json    the SHA-256 of each file, and the machine that wrote them
    checkpoint.json                which folder is current, and the SHA-256 of its manifest

A checkpoint is written to a new folder, read back, and made current by renaming `checkpoint.json`. Only then is the
previous one deleted, so that `checkpoint.json` names a complete checkpoint whenever the process crashes.
"""

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch

from charloom.errors import FolderError, StorageError
from charloom.models.language_model import as_tensors, pack
from charloom.models.model_folder import read_model_file
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.storage.tensor_files import Expected, largest_file, unpack
from charloom.training.trainer import TrainerState

GROUPS = ("weights", "average", "optimizer", "carried", "random")
POINTER = "checkpoint.json"
_NAME = re.compile(r"step-[0-9]{8,20}(-evaluated|-finished)?")
LARGEST_PART = 64 << 30


class Restorable(Protocol):
    """What a checkpoint needs from a trainer, whatever the model."""

    total: int

    def expected_tensors(self, step: int) -> dict[str, Expected]:
        """Name, shape and type of each tensor in the state of step `step`, by group."""

    def restore(self, state: TrainerState) -> None:
        """Continue from `state`."""


@dataclass(frozen=True)
class Position:
    """The progress of a run, in addition to the trainer's own state."""

    step: int
    characters_seen: int
    evaluated: int
    "The last step that was validated; -1 before the first."
    finished: bool
    "Whether the run ended at this step: its final score is measured and its card written."
    best_nats: float | None
    "Nats per character of the model that is kept; None before the first validation."
    best_step: int
    interval_nats: float
    "Sum since the last line of metrics.jsonl, like the others below."
    interval_symbols: int
    interval_norm: float
    interval_steps: int
    interval_clipped: int
    "Steps with a clipped gradient."
    metrics_bytes: int

    def __post_init__(self) -> None:
        strict_json.require_at_least(self, 0, "step", "characters_seen", "best_step", "metrics_bytes")
        strict_json.require_at_least(self, 0, "interval_symbols", "interval_steps", "interval_clipped")
        strict_json.require_at_least(self, -1, "evaluated")

    @property
    def name(self) -> str:
        """The folder of this commit; a step can have three: before its validation, after it, and at the end."""
        state = "-finished" if self.finished else "-evaluated" if self.evaluated == self.step else ""
        return f"step-{self.step:08d}{state}"


FIRST = Position(
    step=0,
    characters_seen=0,
    evaluated=-1,
    finished=False,
    best_nats=None,
    best_step=0,
    interval_nats=0.0,
    interval_symbols=0,
    interval_norm=0.0,
    interval_steps=0,
    interval_clipped=0,
    metrics_bytes=0,
)


@dataclass(frozen=True)
class Manifest:
    """The files of a checkpoint, and where it was made."""

    files: dict[str, str]
    "SHA-256 of each file."
    environment: dict[str, str]
    "What can change the last bits of a result; a change is reported to the user."
    format: Literal["charloom-checkpoint-1"] = "charloom-checkpoint-1"

    def __post_init__(self) -> None:
        if any(len(text) > 200 or not text.isprintable() for pair in self.environment.items() for text in pair):
            raise FolderError("its environment contains unprintable text; restore the file from a copy")


@dataclass(frozen=True)
class Pointer:
    """Which checkpoint is current."""

    folder: str
    manifest: str
    "SHA-256 of the manifest."


def save(disk: Disk, run: Path, state: TrainerState, position: Position, environment: dict[str, str]) -> None:
    """Commit a checkpoint and delete the previous one. Raises `StorageError`; the previous one then stays current."""
    before = _pointer(run)
    folder = run / "checkpoints" / position.name
    if before is not None and before.folder == folder.name:
        return
    if not folder.parent.exists():
        atomic_files.make_folder(disk, folder.parent)
    if folder.exists():  # left by a crash before it became current
        atomic_files.remove_tree(disk, folder)
    try:
        atomic_files.make_folder(disk, folder)
        pointer = Pointer(folder.name, _write(disk, folder, state, position, environment))
        manifest = _manifest(folder, pointer)
        for name in manifest.files:
            _part(folder, name, manifest, LARGEST_PART)
        atomic_files.replace(disk, run / POINTER, strict_json.dump(pointer))
    except (StorageError, FolderError):
        if _pointer(run) == before:
            atomic_files.discard(disk, folder)
        raise
    if before is not None:
        atomic_files.remove_tree(disk, run / "checkpoints" / before.folder)


@dataclass(frozen=True)
class Loaded:
    """The checkpoint from which a run resumes."""

    position: Position
    environment: dict[str, str]
    "Where it was made."
    damage: str | None
    "A sentence if the current checkpoint is unusable and another one was loaded."
    pointer: Pointer


def exist(run: Path) -> bool:
    """Whether there is anything to `load`: a committed checkpoint, or one later than the first."""
    return (run / POINTER).exists() or any(not name.startswith("step-00000000") for name in _whole_names(run))


def saved_step(run: Path) -> int:
    """The step of the current checkpoint. Raises `FolderError`."""
    return int(saved_name(run).split("-")[1])


def saved_name(run: Path) -> str:
    """The name of the current checkpoint. Raises `FolderError`."""
    pointer = _pointer(run)
    if pointer is None:
        raise FolderError(f"{run} has no checkpoint; start it again")
    return pointer.folder


def load(run: Path, trainer: Restorable) -> Loaded | None:
    """Restore `trainer` from the newest complete checkpoint; None if the run has none. Removes and writes nothing.

    Raises `FolderError` if there are checkpoints but none is complete.
    """
    damage: FolderError | None = None
    pointer = None
    try:
        pointer = _pointer(run)
        if pointer is not None:
            return Loaded(*_restore(run, pointer, trainer), None, pointer)
    except FolderError as error:
        damage = error
    for name in sorted(_whole_names(run), reverse=True):
        if pointer is not None and name == pointer.folder:
            continue
        folder = run / "checkpoints" / name
        try:
            manifest = _sha256(read_model_file(folder, "manifest.json", strict_json.LARGEST_JSON))
            other = Pointer(name, manifest)
            position, environment = _restore(run, other, trainer)
        except FolderError as error:
            damage = damage or error
            continue
        why = damage or f"{run / POINTER} is missing"
        return Loaded(
            position, environment, f"{why}; fell back to step {position.step}, the newest that is complete", other
        )
    if damage is not None:
        raise damage
    return None


def clean(disk: Disk, run: Path, kept: Pointer | None) -> None:
    """Make `kept` current and remove what a crash left: unfinished files and every other checkpoint.

    Call it only for a checkpoint that was loaded: until then, what looks like a remnant may be all there is. With None
    the run starts from the beginning. Raises `StorageError`.
    """
    for folder in (run, run / "model"):
        for path in sorted(folder.glob(f"*{atomic_files.TEMPORARY}")):
            with atomic_files.storage_errors(path):
                disk.remove(path)
    if kept is not None and not _names(run, kept):
        atomic_files.replace(disk, run / POINTER, strict_json.dump(kept))
    if (run / "checkpoints").is_dir():
        for path in sorted((run / "checkpoints").iterdir()):
            if (kept is not None and path.name == kept.folder) or not _NAME.fullmatch(path.name):
                continue
            if stat.S_ISDIR(path.lstat().st_mode):
                atomic_files.remove_tree(disk, path)
            else:  # a link is removed, never followed
                with atomic_files.storage_errors(path):
                    disk.remove(path)


def _names(run: Path, pointer: Pointer) -> bool:
    """Whether `pointer` is current."""
    try:
        return _pointer(run) == pointer
    except FolderError:
        return False


def _whole_names(run: Path) -> list[str]:
    """Names of the checkpoints that have a manifest, which is written last."""
    return [
        path.parent.name
        for path in (run / "checkpoints").glob("step-*/manifest.json")
        if _NAME.fullmatch(path.parent.name) and not path.parent.is_symlink()
    ]


def _write(disk: Disk, folder: Path, state: TrainerState, position: Position, environment: dict[str, str]) -> str:
    files = {f"{group}.safetensors": pack(getattr(state, group)) for group in GROUPS}
    files["position.json"] = strict_json.dump(position)
    for name, data in files.items():
        atomic_files.write_new(disk, folder / name, data)
    manifest = strict_json.dump(Manifest({name: _sha256(data) for name, data in files.items()}, environment))
    atomic_files.write_new(disk, folder / "manifest.json", manifest)
    with atomic_files.storage_errors(folder):
        disk.force_folder(folder)
    return _sha256(manifest)


def _manifest(folder: Path, pointer: Pointer) -> Manifest:
    """The manifest of a checkpoint, verified against the pointer's SHA-256. Raises `FolderError`."""
    where = folder / "manifest.json"
    raw = read_model_file(folder, "manifest.json", strict_json.LARGEST_JSON)
    if _sha256(raw) != pointer.manifest:
        raise FolderError(f"{where} is damaged: its checksum is wrong; restore it from a copy")
    manifest = strict_json.load(Manifest, strict_json.parse(raw, str(where)), str(where))
    if sorted(manifest.files) != sorted([*(f"{group}.safetensors" for group in GROUPS), "position.json"]):
        raise FolderError(f"{where} does not name the files of a checkpoint; restore it from a copy")
    return manifest


def _part(folder: Path, name: str, manifest: Manifest, largest: int) -> bytes:
    """A file of a checkpoint, verified against the manifest's SHA-256. Raises `FolderError`."""
    data = read_model_file(folder, name, largest)
    if _sha256(data) != manifest.files[name]:
        raise FolderError(f"{folder / name} is damaged: its checksum is wrong; restore it from a copy")
    return data


def _restore(run: Path, pointer: Pointer, trainer: Restorable) -> tuple[Position, dict[str, str]]:
    folder = run / "checkpoints" / pointer.folder
    manifest = _manifest(folder, pointer)
    where = str(folder / "position.json")
    data = _part(folder, "position.json", manifest, strict_json.LARGEST_JSON)
    position = strict_json.load(Position, strict_json.parse(data, where), where)
    if position.step > trainer.total:
        raise FolderError(
            f"{where}: step {position.step} is beyond the run's {trainer.total} steps; restore it from a copy"
        )
    expected = trainer.expected_tensors(position.step)
    groups = {}
    for group in GROUPS:
        name = f"{group}.safetensors"
        data = _part(folder, name, manifest, largest_file(expected[group]))
        groups[group] = as_tensors(unpack(data, expected[group], str(folder / name)))
    try:
        torch.Generator().set_state(groups["random"]["cpu"])
    except RuntimeError:
        raise FolderError(f"{folder / 'random.safetensors'} is not a random state; restore it from a copy") from None
    trainer.restore(TrainerState(position.step, position.characters_seen, **groups))
    return position, manifest.environment


def _pointer(run: Path) -> Pointer | None:
    if not (run / POINTER).exists():
        return None
    where = str(run / POINTER)
    raw = read_model_file(run, POINTER, strict_json.LARGEST_JSON)
    pointer = strict_json.load(Pointer, strict_json.parse(raw, where), where)
    if not _NAME.fullmatch(pointer.folder):
        raise FolderError(f"{where} does not name a checkpoint of this run; restore it from a copy")
    return pointer


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Large texts that are not one clean file: cleaned once, in flat memory, into a file in the user's cache.

    texts/NAME-SOURCE-STATE/text.txt      clean UTF-8, all texts one after the other
    texts/NAME-SOURCE-STATE/ends.bin      where they end, as 64-bit numbers; only for several texts
    texts/NAME-SOURCE-STATE/clean.json    how many they are, and what was changed

SOURCE stands for the path of the file or folder and the settings, STATE for the files, their sizes and times.
"""

import atexit
import contextlib
import hashlib
import json
import os
import re
import uuid
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from charloom.data.blocks import PIECE, unreadable
from charloom.data.ends import NO_ENDS, Ends, unchangeable
from charloom.data.parts import Document, Notes, Part, parts
from charloom.data.shuffled import shuffled
from charloom.data.text_survey import forget
from charloom.errors import CharloomError, FolderError, StorageError, TextError, shown
from charloom.places import cache, cache_entries
from charloom.places.notices import notify
from charloom.settings import CorpusConfig
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk

PLACE = Path("texts")
"""Where clean copies lie in the cache."""

SLOW = 1 << 28
"""Bytes from which on a person is told that a copy is made."""

TEXT, ENDS, RECORD = "text.txt", "ends.bin", "clean.json"

_STREAM, _NAME = "standard-input", 16
_WRITTEN = 1 << 16
"""Ends written at a time."""


@dataclass(frozen=True)
class FileRecord:
    """What tells that a file of a clean copy is as it was written."""

    bytes: int
    modified: int
    "Time of the last change in nanoseconds; if it is another, the content is compared."
    sha256: str


@dataclass(frozen=True)
class CopyRecord:
    """The content of a clean copy's `clean.json`."""

    characters: int
    text: FileRecord
    ends: FileRecord | None
    "None for a single text."
    notes: tuple[tuple[str, str], ...]
    "Files, by their places below the folder that they come from, each with what was changed in it."
    more_notes: int
    format: Literal["charloom-clean-1"] = "charloom-clean-1"


@dataclass(frozen=True, eq=False)
class CleanCopy:
    """A text that was cleaned into a file."""

    path: Path
    characters: int
    ends: Ends
    notes: tuple[str, ...]


def clean_copy(paths: Sequence[Path], config: CorpusConfig, *, name: str, folder: Path | None = None) -> CleanCopy:
    """The clean copy of a file, or of all texts of a folder, made now unless it is in the cache.

    Raises `TextError` as cleaning in memory does, also if a file changes meanwhile, `SettingsError`, `StorageError`,
    and `MissingExtraError`.
    """
    assert folder is not None or len(paths) == 1
    states = [_state(path) for path in paths]
    place = _place(paths, states, config, name, folder)
    told = ", ".join(map(str, paths[:1])) + (f" and {len(paths) - 1:,} more files" if len(paths) > 1 else "")

    def fill(new: Path) -> None:
        size = sum(state[0] for state in states)
        if size >= SLOW:
            notify(f"cleaning {shown(told)} once ({size / 1e9:.1f} GB); later runs use the clean copy in {new.parent}")
        notes = Notes()
        cleaned = parts(_unchanged(paths, states), config, notes, in_folder=folder is not None)
        _write(new, cleaned, config, notes, folder, f"{told}{_settings(config)}")

    copy = _filled(place, fill, str(paths[0] if folder is None else folder))
    _forget_older(place)
    return copy


def _below(path: Path, folder: Path | None) -> str:
    """What tells the files of a folder apart, however the folder is called; nothing for a single file."""
    return "" if folder is None else str(path.relative_to(folder))


def is_cleaned(path: Path, config: CorpusConfig, name: str, folder: Path | None) -> bool:
    """Whether there is a clean copy of this file, which may be the only one of a folder, as it is now.

    Raises `TextError`.
    """
    return cache.found(_place([path], [_state(path)], config, name, folder), _is_complete) is not None


def clean_stream(pieces: Iterable[bytes], config: CorpusConfig, *, name: str) -> CleanCopy:
    """The clean copy of what can be read only once; it goes with this process. Raises what `clean_copy` raises."""
    place = PLACE / f"{_STREAM}-{uuid.uuid4().hex[:_NAME]}"
    notes, documents = Notes(), [(name, pieces)]

    def fill(folder: Path) -> None:
        cleaned = parts(documents, config, notes, in_folder=False)
        _write(folder, cleaned, config, notes, None, f"{name}{_settings(config)}")

    for left in (cache.cache() / PLACE).glob(f"{_STREAM}-{'[0-9a-f]' * _NAME}"):  # of processes that were killed
        _discard(left, with_lock=True)
    try:
        copy = _filled(place, fill, name)
    except BaseException:
        with contextlib.suppress(OSError):
            cache.lock_of(cache.cache() / place).unlink(missing_ok=True)
        raise
    atexit.register(_gone, copy.path.parent, os.getpid())
    return copy


def give_up_if_damaged(path: Path) -> bool:
    """Whether this file is the text of a clean copy whose content is not what was written, whatever its times say.

    If so, the copy counts as absent from now on: reading its source makes it again.
    """
    folder = path.parent
    if path.name != TEXT or folder.parent != cache.cache() / PLACE:
        return False
    try:
        damaged = any(_sha256(folder / name) != written.sha256 for name, written in _files(_record(folder)))
        if damaged:
            (folder / RECORD).unlink()
    except (FolderError, OSError):
        return False  # reading the source will say why, or make the copy again
    return damaged


def or_elsewhere(error: StorageError) -> StorageError:
    """The error that the cache cannot be written, with what else helps."""
    said = str(error)
    told = "" if cache.VARIABLE in said else f", or set {cache.VARIABLE} to a folder on another disk"
    return StorageError(f"{said}{told}")


def _filled(place: Path, fill: cache.Fill, called: str) -> CleanCopy:
    """The clean copy at a place of the cache; its notes call the file or folder as it is `called` now."""
    for _ in range(2):  # it may be removed before this process says that it uses it
        try:
            folder = cache.filled(place, fill, _is_complete)
        except StorageError as error:
            raise or_elsewhere(error) from None
        cache_entries.use(folder)
        if _is_complete(folder):
            break
    return _load(folder, called)


def _write(
    folder: Path, cleaned: Iterator[Part], config: CorpusConfig, notes: Notes, source: Path | None, made_from: str
) -> None:
    """Write a clean copy of a single text, or of those in the folder `source`, into an empty folder.

    Raises what `parts` raises, and `StorageError`.
    """
    disk, writing, ends_digest = Disk(), _Writing(), hashlib.sha256()
    lines = folder / "lines"
    lines.mkdir()
    ordered = shuffled(cleaned, config.shuffle, lines) if config.shuffle else cleaned
    with atomic_files.storage_errors(folder), (folder / ENDS).open("wb") as ends:

        def write_ends(data: bytes) -> None:
            ends_digest.update(data)
            ends.write(data)

        atomic_files.write_new(disk, folder / TEXT, writing.bytes_of(ordered, write_ends))
        ends.flush()
        disk.force(ends.fileno())
    lines.rmdir()
    several = writing.ends > 1
    if not several:
        (folder / ENDS).unlink()
    record = CopyRecord(
        writing.characters,
        _file_record(folder / TEXT, writing.digest.hexdigest()),
        _file_record(folder / ENDS, ends_digest.hexdigest()) if several else None,
        tuple((_below(Path(name), source), note) for name, note in notes.kept),
        notes.more,
    )
    atomic_files.write_new(disk, folder / RECORD, strict_json.dump(record))
    atomic_files.write_new(disk, folder / cache_entries.MADE_FROM, shown(made_from).encode()[: cache_entries.LONGEST])


class _Writing:
    """Counts what is written."""

    def __init__(self) -> None:
        self.characters = self.ends = 0
        self.digest = hashlib.sha256()

    def bytes_of(self, cleaned: Iterable[Part], write_ends: Callable[[bytes], object]) -> Iterator[bytes]:
        """The bytes of all parts; the ends are written meanwhile."""
        waiting, ends = bytearray(), array("q")
        for data, characters, ended in cleaned:
            self.characters += characters
            waiting += data
            if ended:
                ends.append(self.characters)
            if len(waiting) >= PIECE:
                self.digest.update(waiting)
                yield bytes(waiting)
                waiting.clear()
            if len(ends) >= _WRITTEN:
                self.ends += len(ends)
                write_ends(ends.tobytes())
                del ends[:]
        self.digest.update(waiting)
        self.ends += len(ends)
        write_ends(ends.tobytes())
        yield bytes(waiting)


def _load(folder: Path, called: str = "") -> CleanCopy:
    """The clean copy in a folder of the cache. Raises `FolderError` if it is damaged or of another version."""
    record = _record(folder)
    try:
        fits = all(_is_as_written(folder / name, file) for name, file in _files(record))
        ends = np.memmap(folder / ENDS, "<i8", "r") if fits and record.ends else NO_ENDS
    except (OSError, ValueError) as error:
        raise FolderError(f"{shown(folder)} cannot be used ({error}); delete that folder") from None
    if not fits:
        raise FolderError(f"{shown(folder)} is damaged; delete that folder")
    kept = ((str(Path(called, below)) if below else called, note) for below, note in record.notes)
    notes = Notes(kept, record.more_notes)
    return CleanCopy(folder / TEXT, record.characters, unchangeable(ends), notes.sentences())


def _record(folder: Path) -> CopyRecord:
    """What is recorded of a clean copy. Raises `FolderError`."""
    where = folder / RECORD
    try:
        with where.open("rb") as file:
            data = file.read(strict_json.LARGEST_JSON + 1)
    except OSError as error:
        raise FolderError(f"{shown(folder)} cannot be used ({error}); delete that folder") from None
    return strict_json.load(CopyRecord, strict_json.parse(data, str(where)), str(where))


def _files(record: CopyRecord) -> list[tuple[str, FileRecord]]:
    """The files of a clean copy, by their names."""
    return [(TEXT, record.text), *([(ENDS, record.ends)] if record.ends else [])]


def _file_record(path: Path, sha256: str) -> FileRecord:
    with atomic_files.storage_errors(path):
        status = path.stat()
    return FileRecord(status.st_size, status.st_mtime_ns, sha256)


def _is_as_written(path: Path, written: FileRecord) -> bool:
    """Whether a file is what was written, by its size and time; if it was touched since, by its content."""
    status = path.stat()
    if status.st_size != written.bytes:
        return False
    return status.st_mtime_ns == written.modified or _sha256_of(path, _state(path)) == written.sha256


@lru_cache(maxsize=64)
def _sha256_of(path: Path, _state: "State") -> str:
    """The SHA-256 of a file in this state; a command asks for it several times."""
    return _sha256(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_complete(folder: Path) -> bool:
    try:
        _load(folder)
    except FolderError:
        return False
    return True


State = tuple[int, int, int, int]
"""Size, time of the last change in nanoseconds, inode, and the time that no program can set: of the last change of the
content or of any property.
"""


def _state(path: Path) -> State:
    try:
        status = path.stat()
    except OSError as error:
        raise unreadable(path, error) from None
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


def _unchanged(paths: Sequence[Path], states: Sequence[State]) -> Iterator[Document]:
    """The files; raises `TextError` after one that is no longer what it was."""
    for path, state in zip(paths, states, strict=True):
        yield str(path), path
        if _state(path)[:-1] != state[:-1]:
            raise TextError(f"{shown(path)} changed while it was read; wait until it is complete, then try again")


def _place(
    paths: Sequence[Path], states: Sequence[State], config: CorpusConfig, name: str, folder: Path | None
) -> Path:
    source = str((folder or paths[0]).resolve()), folder is None, config.encoding, config.shuffle, config.column
    short = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:40] or "text"
    state = CopyRecord.format, [_below(path, folder) for path in paths], states
    return PLACE / f"{short}-{_digest(source)}-{_digest(state)}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _settings(config: CorpusConfig) -> str:
    """The settings that a clean copy depends on, as far as they are not the usual ones."""
    usual = CorpusConfig()
    names = ("encoding", "shuffle", "column")
    told = [f"{name} {getattr(config, name)}" for name in names if getattr(config, name) != getattr(usual, name)]
    return f" ({', '.join(told)})" if told else ""


def _forget_older(place: Path) -> None:
    """Remove the copies of what the same files were before."""
    for other in (cache.cache() / place.parent).glob(f"{place.name.rsplit('-', 1)[0]}-*"):
        if other.is_dir() and other.name != place.name:
            _discard(other)


def _gone(folder: Path, process: int) -> None:
    """Remove a copy that goes with its process."""
    if os.getpid() == process:
        cache_entries.release(folder)
        _discard(folder, with_lock=True)


def _discard(folder: Path, *, with_lock: bool = False) -> None:
    """Remove a copy and what is known of it, unless it is in use; `with_lock` if no other will have its name."""
    with contextlib.suppress(CharloomError, OSError):
        cache_entries.discard(folder)
        forget(folder / TEXT)
        if with_lock:
            cache.lock_of(folder).unlink(missing_ok=True)

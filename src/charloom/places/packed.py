"""A packed run or model folder (`charloom.places.packing`) in place of a folder: unpacked into the cache, once.

A packed file is a zip, and may come from anybody. It is refused if a name in it leads elsewhere, if it holds links or
encrypted files, or if its sizes, counts or degree of compression are beyond what charloom writes. Of the rest only the
files that charloom reads are unpacked, without the checkpoints, which only training needs.
"""

import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from os import PathLike
from pathlib import Path, PurePosixPath

from charloom.errors import CharloomError, FolderError, shown
from charloom.places import contents
from charloom.places.cache import filled
from charloom.storage.atomic_files import Disk, write_with_folders

SIGNATURE = b"PK\x03\x04"

MOST_FILES = 1000
LARGEST_DIRECTORY = 1 << 20
LARGEST_FILE = (1 << 32) - (1 << 20)
"""A zip without its extensions for larger files ends below 4 GiB."""

LARGEST_CONTENT = 4 << 30
MOST_COMPRESSION = 100
"""How many times the size of a packed file its content may have; text is seldom compressed to a tenth."""

PIECE = 1 << 16
"""Bytes that are read, unpacked and written at a time."""

_END = b"PK\x05\x06"
_END_SIZE = 22
_LOCATOR = b"PK\x06\x07"
_LOCATOR_SIZE = 20
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_packed(place: str | PathLike[str]) -> bool:
    """Whether this is the path of a file that begins as a zip does."""
    path = Path(place)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except (OSError, ValueError):
        return False


def unpacked(path: Path) -> Path:
    """The folder with the content of the packed file at `path`. Raises `FolderError`, `StorageError`."""
    try:
        status = path.stat()
        size, whole = status.st_size, path.resolve()
        _demand(size <= LARGEST_FILE, path, f"it has {size:,} bytes")
        name = Path("packed") / _sum(whole, size, status.st_mtime_ns)
        return filled(name, lambda folder: _unpack(path, size, folder))
    except OSError as error:
        raise FolderError(f"{shown(path)} cannot be read: {(error.strerror or str(error)).lower()}") from None


@lru_cache
def _sum(path: Path, size: int, modified: int) -> str:
    """The SHA-256 of a file of this size and time, so that its content is summed only once in a process."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(path: Path, size: int, folder: Path) -> None:
    """Unpack the files that charloom reads into `folder`, all of them checked, a piece at a time.

    Raises `FolderError`, `StorageError`.
    """
    try:
        with path.open("rb") as file:
            _check_end(path, file, size)
            with zipfile.ZipFile(file) as archive:
                for name, entry in _chosen(path, archive.infolist(), size).items():
                    write_with_folders(Disk(), folder / name, _pieces(path, archive, entry))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        if isinstance(error, CharloomError):
            raise
        raise FolderError(
            f"{shown(path)} is damaged: {shown(str(error))[:150]}; copy it again, or pack the run again"
        ) from None


def _check_end(path: Path, file: io.BufferedReader, size: int) -> None:
    """Check how long the list of entries says it is, before it is read into memory."""
    file.seek(max(0, size - _END_SIZE - _LOCATOR_SIZE))
    tail = file.read()
    end = tail[-_END_SIZE:]
    whole = len(end) == _END_SIZE and end.startswith(_END) and end.endswith(b"\0\0")
    _demand(whole and not tail.startswith(_LOCATOR), path, "its end is missing, or not as charloom writes it")
    entries, directory = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    _demand(entries <= MOST_FILES and directory <= LARGEST_DIRECTORY, path, f"it lists {entries:,} files")


def _chosen(path: Path, entries: list[zipfile.ZipInfo], size: int) -> dict[str, zipfile.ZipInfo]:
    """The entries to unpack, by their names in the run or model folder."""
    files = [entry for entry in entries if not entry.filename.endswith("/")]
    for entry in entries:
        within = PurePosixPath(entry.filename)
        inside = not within.is_absolute() and ".." not in within.parts and not set(entry.orig_filename) & set("\\:\0")
        _demand(inside, path, f"it would write outside its folder, to {shown(entry.orig_filename)[:100]!r}")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        _demand(kind in (0, stat.S_IFREG, stat.S_IFDIR), path, f"{shown(entry.filename)[:100]!r} in it is a link")
    names = [entry.filename for entry in files]
    _demand(len(set(names)) == len(names), path, "a name occurs twice in it")
    above = _folder_above(names)
    named = {entry.filename.removeprefix(above): entry for entry in files}
    run = any(name.startswith("model/") for name in named)
    limits = {name: contents.largest(name, run=run) for name in named if not contents.in_checkpoint(name)}
    chosen = {name: named[name] for name, limit in limits.items() if limit is not None}
    model = "model/" if run else ""
    for name in (f"{model}{needed}" for needed in contents.NEEDED):
        _demand(name in chosen, path, f"it has no {name}")
    for name, entry in chosen.items():
        fits = entry.file_size <= (limits[name] or 0)
        _demand(fits, path, f"{name} in it has {entry.file_size:,} bytes")
        usual = entry.compress_type in _METHODS and not entry.flag_bits & _ENCRYPTED
        _demand(usual, path, f"{name} in it is encrypted, or compressed in an unusual way")
    total = sum(entry.file_size for entry in chosen.values())
    most = min(LARGEST_CONTENT, MOST_COMPRESSION * size)
    _demand(total <= most, path, f"its {size:,} bytes would become {total:,}")
    return chosen


def _folder_above(names: list[str]) -> str:
    """The one folder in which everything lies, if a whole folder was packed by another program."""
    if "config.json" in names:
        return ""
    configs = sorted((name for name in names if name.endswith("/config.json")), key=len)
    return configs[0].removesuffix("config.json") if configs and configs[0].count("/") == 1 else ""


def _pieces(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of an entry, never more than it says, with its checksum compared."""
    length = 0
    try:
        with archive.open(entry) as source:
            while piece := source.read(PIECE):
                length += len(piece)
                yield piece
    except OSError as error:
        raise FolderError(f"{shown(path)} cannot be read: {(error.strerror or str(error)).lower()}") from None
    _demand(length == entry.file_size, path, f"{shown(entry.filename)[:100]!r} in it is not as long as it says")


def _demand(holds: bool, path: Path, why: str) -> None:
    if not holds:
        raise FolderError(f"{shown(path)} is not a packed run or model: {why}; make one with: charloom pack RUN")

"""What lies in the cache: listed, kept from removal while it is used, and removed.

Only folders that charloom filled count, each with its list of files; whatever else lies there is somebody's own.
"""

import atexit
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from charloom.errors import FolderError, StorageError, did_you_mean, shown
from charloom.places import cache

MADE_FROM = "made-from.txt"
"""In a folder of the cache: what it was made from, on one line."""

LONGEST = 4096
"""Bytes of that line."""

KINDS = {"packed": "*", "hub": "*/*/*", "texts": "*"}
"""Where entries lie below the folders of the cache."""

_USED: dict[Path, filelock.BaseFileLock] = {}
"""The locks by which this process keeps entries, by their folders."""


@dataclass(frozen=True)
class Entry:
    """A folder in the cache."""

    name: str
    "Its place in the cache."
    path: Path
    bytes: int
    made_from: str
    in_use: bool
    "Whether a process is filling or using it."


def entries() -> list[Entry]:
    """Everything in the cache that charloom put there, by name."""
    root = cache.cache()
    folders = [folder for kind, below in KINDS.items() for folder in (root / kind).glob(below) if _is_ours(folder)]
    return [_entry(root, folder) for folder in sorted(folders)]


def use(folder: Path) -> None:
    """Keep a folder of the cache from removal until this process ends."""
    if folder in _USED or not folder.is_relative_to(cache.cache()):
        return
    lock = filelock.FileLock(_mark(folder))
    try:
        with filelock.FileLock(cache.lock_of(folder)):  # not while another process removes it
            lock.acquire(timeout=0)
    except (OSError, filelock.Timeout, NotImplementedError):  # where nothing can be written, nothing is removed
        return
    if not _USED:
        atexit.register(_release_all, os.getpid())
    _USED[folder] = lock


def remove(name: str) -> Entry:
    """Remove the entry of this name. Raises `FolderError` if there is none or if it is in use, `StorageError`."""
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        told = did_you_mean(name, known) if known else "; the cache is empty"
        raise FolderError(f"there is nothing called {shown(name)[:200]} in the cache{told}")
    discard(known[name].path)
    return known[name]


def discard(folder: Path) -> None:
    """Remove a folder of the cache, if it is there. Raises `FolderError` if it is in use, `StorageError`."""
    with _unused(folder) as unused:
        if not unused:
            raise FolderError(f"{shown(folder)} is in use by another process; wait until that ends, or stop it")
        gone = folder.with_name(f".gone-{folder.name}")
        try:
            shutil.rmtree(gone, ignore_errors=True)
            if folder.exists():
                folder.rename(gone)  # at once, so that nobody finds half of it
                shutil.rmtree(gone)
            for note in folder.parent.glob(f"{folder.name}.*.json"):  # what was worked out about it later
                note.unlink(missing_ok=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StorageError(f"{shown(folder)} cannot be removed: {reason}; remove the folder yourself") from None


def remove_unfinished() -> None:
    """Remove what processes left that were killed while they filled or removed an entry."""
    for kind, below in KINDS.items():
        for parent in {folder.parent for folder in (cache.cache() / kind).glob(below)}:
            cache.sweep(parent)
            for left in parent.glob(".gone-*"):
                shutil.rmtree(left, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return not folder.name.startswith(".") and (folder / cache.LIST).is_file()


def _entry(root: Path, folder: Path) -> Entry:
    try:
        with (folder / MADE_FROM).open("rb") as file:
            made_from = file.read(LONGEST).decode("utf-8", "replace").strip()
    except OSError:
        made_from = _known_by_place(folder.relative_to(root))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with _unused(folder) as unused:
        return Entry(folder.relative_to(root).as_posix(), folder, size, made_from, not unused)


def _known_by_place(place: Path) -> str:
    if place.parts[0] == "hub" and len(place.parts) == 4:
        return f"{place.parts[2].replace('--', '/', 1)} from {place.parts[1]}"
    return "a packed model" if place.parts[0] == "packed" else "an unknown text"


@contextmanager
def _unused(folder: Path) -> Iterator[bool]:
    """Hold the locks of a folder for the block; False if another process has one of them."""
    held = list[filelock.BaseFileLock]()
    try:
        yield _taken(folder, held)
    finally:
        for lock in held:
            lock.release()


def _taken(folder: Path, held: list[filelock.BaseFileLock]) -> bool:
    """Take the locks of a folder into `held`; False if another process has one of them."""

    def take(path: Path) -> None:
        lock = filelock.FileLock(path)
        lock.acquire(timeout=0)
        held.append(lock)

    try:
        take(cache.lock_of(folder))  # from now on, no process begins to use it
        marks = list(folder.parent.glob(f".{folder.name}.used-*"))
        for mark in marks:
            take(mark)
        for mark in marks:  # of processes that are gone
            mark.unlink(missing_ok=True)
    except filelock.Timeout:
        return False
    except OSError:
        pass  # removing what may not be written says why
    return True


def release(folder: Path) -> None:
    """Stop keeping a folder of the cache."""
    lock = _USED.pop(folder, None)
    if lock is not None:
        lock.release()
        _mark(folder).unlink(missing_ok=True)


def _mark(folder: Path) -> Path:
    """The file that this process locks while it uses a folder."""
    return folder.with_name(f".{folder.name}.used-{os.getpid()}")


def _release_all(process: int) -> None:
    if os.getpid() == process:  # not in a process that was forked
        for folder in list(_USED):
            release(folder)

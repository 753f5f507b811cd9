"""The user's cache: folders with the content of packed files, with models from a hub, and with what is known of large
texts, each complete or absent.

A folder is filled under a temporary name by the one process that holds its lock, and renamed. It carries a list of its
files with their sizes; if one is missing or has another size, the folder counts as absent and is filled again. Where
the cache cannot be written, a temporary folder serves for this process. Anything in the cache may be deleted.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from charloom.errors import FolderError, StorageError, shown
from charloom.places import contents
from charloom.places.notices import notify
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk

VARIABLE = "CHARLOOM_CACHE"
"""The environment variable that moves the cache."""

LIST = ".charloom-files.json"
"""The list of a folder's files, by their names, with their sizes in bytes."""

_NEW = ".new-"
"""Before the name of a folder that is being filled."""

Fill = Callable[[Path], None]
"""Writes files into an empty folder."""

Complete = Callable[[Path], bool]
"""Whether a folder holds what its user needs."""

_SUBSTITUTES: dict[Path, Path] = {}
"""Folders of this process alone, by the places in the cache that could not be written."""

_REMEMBERED: dict[Path, bytes] = {}
"""Small files that could not be written, in the same way."""


def cache() -> Path:
    """The folder of the cache, which may not exist yet."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("charloom")


def found(name: Path, complete: Complete = contents.complete) -> Path | None:
    """The folder called `name` (relative to the cache), if it has been filled and has everything that it had then."""
    place = cache() / name
    folder = _SUBSTITUTES.get(place, place)
    return folder if _whole(folder) and complete(folder) else None


def damaged(name: Path) -> bool:
    """Whether there is a folder called `name`, but not with everything that it had when it was filled."""
    place = cache() / name
    return os.path.lexists(place) and not (_whole(place) and contents.complete(place))


def filled(name: Path, fill: Fill, complete: Complete = contents.complete) -> Path:
    """The folder called `name`, filled by `fill` if it is not there yet or not complete; other processes wait
    meanwhile.

    Raises `StorageError` if neither the cache nor a temporary folder can be written, and what `fill` raises.
    """
    there = found(name, complete)
    if there is not None:
        return there
    place = cache() / name
    with _held(place) as writable:
        if writable:
            there = found(name, complete)  # another process was faster
            return there if there is not None else _published(place, fill)
    return _substitute(place, fill)


def remember(name: Path, data: bytes) -> None:
    """Replace the small file called `name` in the cache; if it cannot be written, only this process remembers it."""
    place = cache() / name
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.replace(Disk(), place, data)
        _REMEMBERED.pop(place, None)
    except (OSError, StorageError):
        _REMEMBERED[place] = data


def remembered(name: Path, largest: int) -> bytes | None:
    """The content of a small file in the cache; None if there is none, or if it is longer than `largest` bytes."""
    place = cache() / name
    try:
        with place.open("rb") as file:
            data = file.read(largest + 1)
    except (OSError, ValueError):
        return _REMEMBERED.get(place)
    return data if len(data) <= largest else None


def _published(place: Path, fill: Fill) -> Path:
    """`place`, filled under another name and renamed. Only the process that holds its lock gets here."""
    new = place.with_name(_NEW + place.name)
    shutil.rmtree(new, ignore_errors=True)  # of a process that was killed
    try:
        new.mkdir()
    except OSError:
        return _substitute(place, fill)
    with _removed_on_failure(new):
        _fill(new, fill)
        with atomic_files.storage_errors(place):
            _remove(place)
            new.rename(place)
    sweep(place.parent)
    return place


def _remove(place: Path) -> None:
    """Remove what lies where a folder belongs: one that lost a file, or anything else."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Remove a folder if the block fails."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _fill(folder: Path, fill: Fill) -> None:
    fill(folder)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    atomic_files.write_new(Disk(), folder / LIST, strict_json.dump(sizes))


def _substitute(place: Path, fill: Fill) -> Path:
    """A temporary folder in place of `place`, removed when this process ends."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="charloom-"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"neither the cache {shown(cache())} nor the folder for temporary files can be written ({reason}); set "
            f"{VARIABLE} to a folder that can"
        ) from None
    with _removed_on_failure(folder):
        _fill(folder, fill)
    _SUBSTITUTES[place] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _whole(folder: Path) -> bool:
    """Whether a folder has each file of its list, with the size that it has there."""
    try:
        with (folder / LIST).open("rb") as file:
            data = file.read(strict_json.LARGEST_JSON + 1)
        sizes = strict_json.parse(data, str(folder / LIST))
        return isinstance(sizes, dict) and all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, FolderError):
        return False


@contextmanager
def _held(place: Path) -> Iterator[bool]:
    """Hold the lock of a place in the cache for the block; False if nothing can be written there."""
    lock = _lock(place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            notify(f"waiting for another process, which is filling {shown(place)}")
            lock.acquire()
    except (OSError, NotImplementedError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def lock_of(place: Path) -> Path:
    """The file that the process locks which fills a place in the cache."""
    return place.with_name(f".{place.name}.lock")


def _lock(place: Path) -> filelock.BaseFileLock:
    return filelock.FileLock(lock_of(place))


def sweep(folder: Path) -> None:
    """Remove the half-filled folders of killed processes in `folder`: those whose lock is free. The rest of the cache
    may be somebody's own: a variable says where it lies.
    """
    for left in list(folder.glob(f"{_NEW}*")):
        lock = _lock(left.with_name(left.name.removeprefix(_NEW)))
        try:
            with lock.acquire(timeout=0):
                shutil.rmtree(left, ignore_errors=True)
        except (OSError, filelock.Timeout):
            continue

"""The user's cache: folders with the content of packed files and of models on a hub, each complete or absent.

A folder is filled under a temporary name and renamed. Where the cache cannot be written, a temporary folder serves for
this process. Anything in the cache may be deleted at any time.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from charloom.errors import StorageError, shown
from charloom.places import contents
from charloom.storage import atomic_files
from charloom.storage.atomic_files import Disk

VARIABLE = "CHARLOOM_CACHE"
"""The environment variable that moves the cache."""

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


def found(name: Path) -> Path | None:
    """The folder called `name` (relative to the cache), if it has been filled and nobody deleted a part of it."""
    place = cache() / name
    folder = _SUBSTITUTES.get(place, place)
    return folder if contents.complete(folder) else None


def filled(name: Path, read: Callable[[], Mapping[str, bytes]]) -> Path:
    """The folder called `name`, filled with `read()`, files by their names, if it is not there yet.

    Raises `StorageError` if neither the cache nor a temporary folder can be written, and what `read` raises.
    """
    there = found(name)
    if there is not None:
        return there
    files, place = read(), cache() / name
    new = _new_folder(place)
    try:
        _write(new, files)
        if not contents.complete(place):  # somebody deleted a part of it
            shutil.rmtree(place, ignore_errors=True)
        try:
            new.rename(place)
        except OSError:
            if contents.complete(place):  # another process was faster
                shutil.rmtree(new, ignore_errors=True)
                return place
            _SUBSTITUTES[place] = new
            atexit.register(shutil.rmtree, new, ignore_errors=True)
            return new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    return place


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


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        with atomic_files.storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        atomic_files.write_new(Disk(), path, data)


def _new_folder(place: Path) -> Path:
    """An empty folder next to `place`, or among the temporary files. Raises `StorageError`."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    except OSError:
        pass
    try:
        return Path(tempfile.mkdtemp(prefix="charloom-"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(
            f"neither the cache {shown(cache())} nor the folder for temporary files can be written ({reason}); set "
            f"{VARIABLE} to a folder that can"
        ) from None

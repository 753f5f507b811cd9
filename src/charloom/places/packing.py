"""Packs a run or a model folder into one file, a zip: the same content gives the same bytes, on any machine."""

import shutil
import zipfile
from pathlib import Path
from typing import IO

from charloom.errors import FolderError, shown
from charloom.places import contents
from charloom.places.packed import LARGEST_FILE, MOST_FILES

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a zip: the first that the format can express."""


def files_to_pack(folder: Path) -> list[str]:
    """The names of the files of a run or a model folder that are packed, in order: those that charloom writes, without
    the lock. A run keeps its checkpoints, so that it can be resumed elsewhere.

    Raises `FolderError` for a file that would be refused when the packed file is read.
    """
    run, names = (folder / "model").is_dir(), list[str]()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        largest = contents.largest(name, run=run) if path.is_file() else None
        if largest is None:
            continue
        size = path.stat().st_size
        if size > largest:
            raise FolderError(
                f"{shown(path)} has {size:,} bytes, and a packed file holds at most {largest:,} of it; shorten it"
            )
        names.append(name)
    return sorted(names)


def pack(folder: Path, file: IO[bytes]) -> None:
    """Write the packed run or model folder into `file`. Nothing is compressed: compressors differ from machine to
    machine, and weights hardly shrink.

    Raises `FolderError` if it is too large, or changes meanwhile.
    """
    try:
        names = files_to_pack(folder)
        total = sum((folder / name).stat().st_size for name in names)
        if total > LARGEST_FILE - (1 << 20) or len(names) > MOST_FILES:
            raise FolderError(
                f"{shown(folder)} has {total:,} bytes, and a packed file less than 4 GiB; pack its model/"
            )
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=False) as archive:
            for name in names:
                _add(archive, folder, name)
    except (FileNotFoundError, zipfile.LargeZipFile):
        raise FolderError(f"{shown(folder)} changed while it was packed; wait until nothing writes there") from None


def _add(archive: zipfile.ZipFile, folder: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.create_system = 3  # unix, wherever this runs
    entry.external_attr = 0o100644 << 16
    with (folder / name).open("rb") as source, archive.open(entry, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)

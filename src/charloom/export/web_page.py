"""A model as a static folder: the playground's page, the model's files, and nothing that has to run on a server."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from charloom.errors import CharloomError, StorageError, shown
from charloom.models.model_folder import read_model, read_model_file
from charloom.places import contents
from charloom.playground import SITE
from charloom.storage import strict_json
from charloom.storage.atomic_files import Disk, discard, storage_errors, write_with_folders
from charloom.version import __version__

RECORD = "export.json"
"""The file that says what an exported folder is."""

_LICENCES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE")


@dataclass(frozen=True)
class ExportRecord:
    """The content of `export.json`."""

    model: str
    "What the page calls the model."
    charloom: str
    "The version that wrote the folder."
    files: tuple[str, ...]
    "What it wrote, apart from this record: only a folder with nothing else is replaced."
    format: Literal["charloom-web-1"] = "charloom-web-1"


def export_web(folder: Path, target: Path, name: str) -> dict[str, int]:
    """Write the page with the language model in `folder` to `target`, and return its files with their sizes in bytes.

    `target` is a new or empty folder, or an earlier export, which is replaced. It is complete or as it was before.
    Raises `FolderError` for a folder without a language model, `StorageError`.
    """
    target = _free(target)
    read_model(folder)
    everything = {**dict(_site()), **dict(_model(folder))}
    everything[RECORD] = strict_json.dump(ExportRecord(name, __version__, tuple(sorted(everything))))
    with _replacing(Disk(), target) as new:
        for path, data in everything.items():
            write_with_folders(Disk(), new / path, data)
    return {path: len(data) for path, data in sorted(everything.items())}


def _site() -> Iterator[tuple[str, bytes]]:
    for path in sorted(SITE.rglob("*")):
        if path.is_file():
            yield path.relative_to(SITE).as_posix(), path.read_bytes()


def _model(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in (*contents.NEEDED, "README.md", *_LICENCES):
        if name in contents.NEEDED or (folder / name).is_file():
            yield f"model/{name}", read_model_file(folder, name, contents.MODEL.get(name, contents.MEBIBYTE))


def _free(target: Path) -> Path:
    """Where `target` leads, if an export may stand there. Raises `StorageError`."""
    try:
        resolved, here = target.resolve(), Path.cwd()
        taken, parent = resolved.exists() and not resolved.is_dir(), resolved.parent.is_dir()
        stranger = _stranger(resolved) if resolved.is_dir() else None
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise StorageError(f"{shown(target)} cannot be written: {reason}; choose another folder") from None
    if taken:
        raise StorageError(f"{shown(target)} exists and is not a folder; choose another name")
    if resolved.is_dir() and resolved in (here, *here.parents):
        raise StorageError(f"{shown(target)} holds the current folder, so it cannot be replaced; run this elsewhere")
    if resolved.is_mount():
        raise StorageError(f"{shown(target)} is where a disk begins, so it cannot be replaced; choose a folder in it")
    if stranger is not None:
        raise StorageError(f"{shown(target)} holds {shown(stranger)}, which no export wrote; choose another folder")
    if not parent:
        raise StorageError(f"{shown(target)} cannot be written: there is no folder {resolved.parent}; create it first")
    return resolved


def _stranger(folder: Path) -> str | None:
    """A file in `folder` that no earlier export wrote there; None if there is none, so that it may be replaced."""
    known = _earlier(folder)
    there = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return next((name for path in there if (name := path.relative_to(folder).as_posix()) not in known), None)


def _earlier(folder: Path) -> tuple[str, ...]:
    """What an export wrote into `folder`, the record included; nothing if it wrote none."""
    try:
        value = strict_json.parse((folder / RECORD).read_bytes(), RECORD)
        return (RECORD, *strict_json.load(ExportRecord, value, RECORD).files)
    except (OSError, CharloomError):
        return ()


@contextmanager
def _replacing(disk: Disk, target: Path) -> Iterator[Path]:
    """A folder that takes the place of `target` when the block ends without an error; otherwise nothing changes."""
    with storage_errors(target):
        hidden = Path(tempfile.mkdtemp(dir=target.parent, prefix=".charloom-"))
    try:
        new, old = hidden / "new", hidden / "old"
        with storage_errors(target):
            new.mkdir()
        yield new
        with storage_errors(target):
            if target.exists():
                disk.rename(target, old)
            try:
                disk.rename(new, target)
            except OSError:
                if old.exists():
                    disk.rename(old, target)
                raise
            disk.force_folder(target.parent)
    finally:
        discard(disk, hidden)

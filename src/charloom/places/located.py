"""The folder that a RUN argument stands for."""

from os import PathLike
from pathlib import Path

from charloom.places.ready_made import READY_MADE, ready_made


def located(place: str | PathLike[str]) -> Path:
    """The run directory or model folder that `place` stands for.

    A path that exists is always meant itself; otherwise the name of a ready-made model stands for its folder. Anything
    else comes back as a path, for the caller to refuse. Raises `FolderError` for a damaged installation.
    """
    path = Path(place)
    name = str(place)
    if name in READY_MADE and not _exists(path):
        return ready_made(name).folder
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False

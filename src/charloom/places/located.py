"""The folder that a RUN argument stands for."""

from os import PathLike
from pathlib import Path

from charloom.errors import call
from charloom.places.addresses import Address, address, is_path, looks_local
from charloom.places.ready_made import READY_MADE, at, ready_made


def located(place: str | PathLike[str]) -> Path:
    """The run directory or model folder that `place` stands for.

    A path that exists goes first; for a packed run, the folder is where its content lies. Otherwise a string may be the
    name of a ready-made model, or OWNER/NAME or OWNER/NAME@REVISION for a model on a hub, which is fetched the first
    time. A `Path` is always a path. Anything else comes back as a path, for the caller to refuse.

    Raises `FolderError` for a damaged packed file, a damaged installation, or a hub that does not have the model,
    `StorageError`, and `MissingExtraError` if a model has to be fetched without the extra `hub`.
    """
    path = Path(place)
    name = str(place)
    if path.is_dir():
        return path
    if _exists(path):
        from charloom.places.packed import is_packed, unpacked

        return _called(unpacked(path), name) if is_packed(path) else path
    if name in READY_MADE and not is_path(place):
        return ready_made(name).folder
    remote = _remote(place)
    if remote is not None:
        from charloom.places.hub import fetched

        return _called(fetched(remote).folder, name)
    return path


def lasting_name(place: str | PathLike[str]) -> str:
    """What to record about a model that was found at `place`: the name of a ready-made model, the address on a hub with
    its commit, or the absolute path. Raises what `located` raises.
    """
    folder = located(place)
    entry = at(folder)
    remote = None if _exists(Path(place)) else _remote(place)
    if entry is not None or remote is None:
        return entry.name if entry is not None else str(Path(place).resolve())
    return str(Address(remote.repository, folder.name))


def lasting(name: str) -> Path:
    """The folder of a model by its `lasting_name`; raises what `located` raises.

    The name of a ready-made model means that one, even if something in the current folder has its name.
    """
    return ready_made(name).folder if name in READY_MADE else located(name)


def _called(folder: Path, name: str) -> Path:
    call(folder, name)
    return folder


def _remote(place: str | PathLike[str]) -> Address | None:
    found = address(place)
    return None if found is None or looks_local(found) else found


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False

"""charloom pack"""

import tempfile
from pathlib import Path


def pack(run: str, /, *, output: Path | None = None, force: bool = False, json: bool = False) -> None:
    """Pack a run or model folder into one file, which may stand wherever a RUN is expected.

    The same content always gives the same bytes. A run is packed with its checkpoints, so that it can be resumed where
    it is unpacked (any program for zip files does that), and with its text if it keeps a copy of it.

    Parameters
    ----------
    run
        A run directory, a model folder, a ready-made model or an address OWNER/NAME.
    output
        Name of the packed file; by default the run's name with .zip, in this folder.
    force
        Overwrite an existing file.
    json
        Print one JSON value.
    """
    from charloom.cli import files
    from charloom.cli.output import print_json
    from charloom.cli.sharing import checked
    from charloom.errors import FolderError, shown
    from charloom.models.model_folder import is_run
    from charloom.places import packing
    from charloom.places.located import located
    from charloom.places.packed import is_packed
    from charloom.storage.atomic_files import storage_errors
    from charloom.training.runs import is_locked

    if is_packed(run):
        raise FolderError(f"{shown(run)} is packed already; copy it as it is")
    folder, _ = checked(run)
    if is_run(run):
        folder = located(run)
        if is_locked(folder):
            raise FolderError(f"{shown(run)} is being trained; stop that first, or pack its model: {shown(run)}/model")
    target = files.target(output or Path(f"{_name(run)}.zip"), force=force)
    with storage_errors(target), tempfile.TemporaryFile(dir=target.parent) as waiting:
        packing.pack(folder, waiting)
        waiting.seek(0)
        size = files.write(target, iter(lambda: waiting.read(1 << 20), b""))
    names = packing.files_to_pack(folder)
    if json:
        print_json({"output": str(target), "files": len(names), "bytes": size})
    else:
        print(f"{output or target.name}: {len(names)} files, {size:,} bytes")


def _name(run: str) -> str:
    """A name for the packed file: the run's, or for its model folder the run's and `model`."""
    path = Path(run).resolve() if Path(run).exists() else Path(run)
    name = path.name.partition("@")[0]
    return f"{path.parent.name}-model" if name == "model" and path.parent.name else name

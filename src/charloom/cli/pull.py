"""charloom pull"""

from pathlib import Path


def pull(repository: str, /, *, revision: str | None = None, output: Path | None = None, json: bool = False) -> None:
    """Fetch a model from a hub, or its newest version, and print where it lies.

    Afterwards OWNER/NAME stands for it wherever a RUN is expected, without the network. Only the files that charloom
    reads are fetched, and compared with their checksums; nothing in them is executed.

    Parameters
    ----------
    repository
        OWNER/NAME, or OWNER/NAME@REVISION for a branch, a tag or a commit.
    revision
        The revision, if it is not part of the name.
    output
        A new folder for a copy of the model.
    json
        Print one JSON value.
    """
    from charloom.cli import files
    from charloom.cli.output import print_json
    from charloom.cli.sharing import addressed, checked
    from charloom.places.hub import fetched

    where = addressed(repository, revision)
    target = files.new_folder(output, output) if output is not None else None
    found = fetched(where, newest=True)
    checked(found.folder)
    if target is not None:
        _copy(found.folder, target)
    path = target or found.folder
    if json:
        print_json({"repository": where.repository, "commit": found.commit, "path": str(path)})
    else:
        print(path)


def _copy(folder: Path, target: Path) -> None:
    """Copy a folder of files to `target`, completely or not at all. Raises `StorageError`."""
    import shutil
    import tempfile

    from charloom.places.cache import LIST
    from charloom.storage.atomic_files import storage_errors

    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".charloom-") as waiting:
            whole = shutil.copytree(folder, Path(waiting) / "model", ignore=shutil.ignore_patterns(LIST))
            whole.chmod(0o755)
            if target.exists():
                target.rmdir()
            whole.rename(target)

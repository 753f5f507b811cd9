"""charloom course"""

from pathlib import Path

from charloom.errors import FolderError, StorageError, shown

PACKAGE = Path(__file__).resolve().parents[1]

PLACES = (PACKAGE / "course", PACKAGE.parents[1] / "course")
"""Where the lessons are: in the installed package, or next to src in a clone."""


def course(folder: Path, /, *, force: bool = False, json: bool = False) -> None:
    """Copy the course's notebooks into a folder.

    They run there without further setup and, but for one text of verse, need no internet. Open them with:
    jupyter lab FOLDER

    Parameters
    ----------
    folder
        The destination; created if necessary.
    force
        Overwrite existing files.
    json
        Print one JSON value.
    """
    from charloom.cli import files
    from charloom.cli.output import print_json

    sources = _lessons()
    targets = [folder / source.name for source in sources]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{shown(folder)} cannot be created: {(error.strerror or str(error)).lower()}; choose another folder"
        ) from None
    for target in targets:  # all are checked before any is written
        files.target(target, force=force, otherwise="choose another folder")
    for source, target in zip(sources, targets, strict=True):
        files.write(target, source.read_bytes())
    if json:
        print_json({"folder": str(folder), "files": [source.name for source in sources]})
        return
    print("\n".join(str(target) for target in targets))


def _lessons() -> list[Path]:
    """The built notebooks, the record they read, and the program in one file. Raises `FolderError`."""
    for place in PLACES:
        notebooks = sorted(place.glob("[0-9][0-9]_*.ipynb"))
        if notebooks:
            return notebooks + [path for path in (place / "record.json", place / "by_hand.py") if path.is_file()]
    raise FolderError("this installation has no course notebooks; build them in a clone with: make course")

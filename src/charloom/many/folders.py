"""The files of a folder, each a text of its own."""

from pathlib import Path

from charloom.data.corpus import Text, make_corpus, read_file
from charloom.errors import TextError, shown
from charloom.settings import CorpusConfig


def files_below(folder: Path, *, ending: str = "") -> list[Path]:
    """The files below `folder`, sorted by path, except those with this ending and those whose names begin with a dot.

    Raises `TextError` if there are none.
    """
    try:
        found = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path.relative_to(folder)))
    except OSError as error:
        raise TextError(f"{shown(folder)} cannot be read: {(error.strerror or str(error)).lower()}; check it") from None
    kept = [path for path in found if not (ending and path.name.endswith(ending))]
    if not kept:
        raise TextError(f"{shown(folder)} holds no files; put the texts in it, or name a file")
    return kept


def read_text(path: Path, encoding: str) -> Text | None:
    """The text of a file in a folder; None if it is empty. Raises `TextError`."""
    name, data = read_file(path)
    if not data:
        return None
    config = CorpusConfig(split=(1.0, 0.0, 0.0), encoding=encoding)
    return make_corpus([(name, data)], config, name=name, source=name, in_folder=True).text


def about(path: Path, error: TextError) -> TextError:
    """The error, with the name of the file that it is about."""
    text = str(error)
    return error if str(path) in text else TextError(f"{shown(path)}: {text}")


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)

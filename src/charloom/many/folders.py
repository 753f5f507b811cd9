"""The files of a folder, each a text of its own."""

from pathlib import Path

from charloom.data.corpus import make_corpus, read_file
from charloom.data.text import Text
from charloom.errors import TextError, shown
from charloom.settings import CorpusConfig


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


def unreadable(path: Path, error: OSError) -> TextError:
    """The sentence about a file among many that the system refused to read."""
    reason = (error.strerror or str(error)).lower()
    return TextError(f"{shown(path)} cannot be read: {reason}; check it, or move it elsewhere")

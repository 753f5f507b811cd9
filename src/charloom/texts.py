"""From what a user names, a file, a folder, standard input, a corpus or a string, to a corpus."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from charloom.corpus import Corpus, make_corpus, read_file, read_folder
from charloom.datasets import dataset
from charloom.errors import TextError, shown
from charloom.settings import CorpusConfig

STANDARD_INPUT = "standard input"
STRING = "a string"


def open_text(text: str | Path, config: CorpusConfig) -> Corpus:
    """The corpus of a TEXT argument: `-` for standard input, a path that exists, or the name of a corpus."""
    if text == "-":
        return make_corpus([(STANDARD_INPUT, sys.stdin.buffer.read())], config, name="text", source=STANDARD_INPUT)
    path = Path(text)
    if text == "" or not _exists(path):
        if isinstance(text, Path) or path.suffix or len(path.parts) > 1:
            raise TextError(f"there is no file or folder {shown(path)}; check the path")
        return _named(text, config)
    documents: Iterable[tuple[str, bytes]] = read_folder(path) if path.is_dir() else [read_file(path)]
    name = path.resolve().stem or "text"
    read_once = not (path.is_dir() or path.is_file())  # a pipe: it cannot be read again, as standard input cannot
    return make_corpus(documents, config, name=name, source=STANDARD_INPUT if read_once else str(path.resolve()))


def string_corpus(text: str, config: CorpusConfig) -> Corpus:
    """The corpus of a string that is the text itself."""
    if 0 < len(text) < 256 and "\n" not in text and _exists(Path(text)):
        raise TextError(f"{text!r} is the path of a file; for its content pass pathlib.Path({text!r})")
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise TextError(
            f"character {error.start} (counted from 0) of the text is half of a surrogate pair; remove it"
        ) from None
    return make_corpus([("the text", data)], _utf8(config), name="text", source=STRING)


def reopen(source: str, copy: Path, config: CorpusConfig, name: str) -> Corpus:
    """The corpus of a run again, from where it was read, or from the run's copy."""
    path = copy if source == "copy" else Path(source)
    if not source.startswith("corpus ") and _exists(path) and not (path.is_file() or path.is_dir()):
        raise TextError(f"{shown(path)} is no file and no folder, so the run's text cannot be read again; restore it")
    if source == "copy":
        return make_corpus([read_file(copy)], _utf8(config), name=name, source=source)
    if source.startswith("corpus "):
        return _named(source.removeprefix("corpus "), config)  # even where a file has that name by now
    return open_text(path, config)


def _named(name: str, config: CorpusConfig) -> Corpus:
    return make_corpus(dataset(name).read(), _utf8(config), name=name, source=f"corpus {name}")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a text that is too long for the name of a file
        return False


def _utf8(config: CorpusConfig) -> CorpusConfig:
    return replace(config, encoding="utf-8")

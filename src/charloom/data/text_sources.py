"""The corpus that a user names: a file, a folder, standard input, a named corpus or a string."""

import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import BinaryIO, Union

from charloom.data import file_bytes
from charloom.data.blocks import peeked, stream_pieces, unreadable
from charloom.data.cleaning import TooLarge
from charloom.data.corpus import Corpus, corpus_in_memory, corpus_of, files_of, make_corpus, read_file
from charloom.data.datasets import DATASETS, dataset
from charloom.data.large_texts import text_of_files, text_of_stream
from charloom.data.shuffled import check
from charloom.data.text import Text
from charloom.errors import SettingsError, TextError, shown
from charloom.errors.options import option
from charloom.settings import CorpusConfig

STANDARD_INPUT = "standard input"
STRING = "a string"
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://\S+$")
LIKE_A_PATH = re.compile(r".*[^\s.]\.[A-Za-z][A-Za-z0-9]{0,4}|(\w:)?[~.\w-]*([/\\][.\w-]+)+[/\\]?|\w+[/\\]")
"""A file name with an extension, or a path of folders without spaces."""

LONGEST_NAME = 255
"""Bytes of a file's name, on nearly every system."""

COMPRESSED_ENDINGS = (".gz", ".bz2", ".xz", ".zst")


def open_text(text: str | Path, config: CorpusConfig) -> Corpus:
    """The corpus of a TEXT argument: `-` for standard input, a path that exists, or the name of a corpus.

    Raises `TextError`.
    """
    if text == "-":
        return _of_stream(sys.stdin.buffer, config, document=STANDARD_INPUT, name="text")
    path = Path(text)
    if isinstance(text, str) and ADDRESS.match(text) and not _exists(path):
        raise TextError(
            f"{shown(text)} is an address, and texts are not downloaded from one; download the file and give its path, "
            "or use a named corpus (charloom data list)"
        )
    if text == "" or not _exists(path):
        if isinstance(text, Path) or path.suffix or len(path.parts) > 1:
            raise TextError(f"there is no file or folder {shown(path)}; check the path")
        return _named(text, config)
    name, folder = text_name(path.resolve()), path if path.is_dir() else None
    if not (folder or path.is_file()):  # a pipe cannot be read twice, like standard input
        try:
            with path.open("rb") as stream:
                return _of_stream(stream, config, document=str(path), name=name)
        except OSError as error:
            raise unreadable(path, error) from None
    paths = files_of(path) if folder else [path]
    return _of_files(paths, config, name=name, source=str(path.resolve()), folder=folder)


AnyText = Union[str, PathLike[str], Text]  # noqa: UP007
"""A text, or the path of a file or folder."""


def as_text(text: AnyText) -> Text:
    """The text itself, or the content of a file or folder. Raises `TextError`."""
    if isinstance(text, PathLike):
        return open_text(Path(text), CorpusConfig(split=(1.0, 0.0, 0.0))).text
    return text if isinstance(text, Text) else Text.of(text)


def string_corpus(text: str, config: CorpusConfig) -> Corpus:
    """The corpus of a string that is the text itself. Raises `TextError`."""
    if not isinstance(text, str):
        raise TextError(f"a text is a string or a pathlib.Path, not {type(text).__name__}; convert it first")
    _refuse_name(text)
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise TextError(
            f"character {error.start} (counted from 0) of the text is half of a surrogate pair; remove it"
        ) from None
    _refuse_column(config, STRING)
    return make_corpus([("the text", data)], _utf8(config), name="text", source=STRING)


def reopen(source: str, copy: Path, config: CorpusConfig, name: str) -> Corpus:
    """The corpus of a run, read again from its source, or from the run's copy. Raises `TextError`."""
    path = copy if source == "copy" else Path(source)
    if not source.startswith("corpus ") and _exists(path) and not (path.is_file() or path.is_dir()):
        raise TextError(f"{shown(path)} does not exist, so the run's text cannot be read again; restore it")
    if source == "copy":
        return _of_files([copy], _utf8(config), name=name, source=source)
    if source.startswith("corpus "):
        return _named(source.removeprefix("corpus "), config)  # even if a file has that name by now
    return open_text(path, config)


def is_there(source: str) -> bool:
    """Whether the source of a run's text still exists; a copy or a named corpus always does."""
    return source == "copy" or source.startswith("corpus ") or _exists(Path(source))


def is_text_itself(argument: str) -> bool:
    """Whether an argument that is a file or a text is the text: no such path exists, it does not look like one, and it
    is empty, long, or has a space or a letter beyond ASCII: a single plain word is more probably a mistyped file."""
    long = not argument or len(argument) > LONGEST_NAME
    written = long or any(character.isspace() for character in argument) or not argument.isascii()
    return written and not (argument and _exists(Path(argument))) and not LIKE_A_PATH.fullmatch(argument)


def text_name(path: Path, otherwise: str = "text") -> str:
    """The name of a text: its file's name without the extensions of type and compression.

    It can be printed and written as UTF-8: a mark takes the place of other characters.
    """
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSED_ENDINGS else path
    return "".join(each if each.isprintable() else "\ufffd" for each in plain.stem) or otherwise


def _of_files(
    paths: Sequence[Path], config: CorpusConfig, *, name: str, source: str, folder: Path | None = None
) -> Corpus:
    """The corpus of some files: in memory, or in a file if there is much of it. Raises `TextError`."""
    try:
        large = sum(path.stat().st_size for path in paths) >= file_bytes.LARGE
    except OSError:
        large = False  # reading them will say why
    if not large:
        with suppress(TooLarge):
            documents, in_folder = map(read_file, paths), folder is not None
            return corpus_in_memory(
                documents, config, name=name, source=source, in_folder=in_folder, most=file_bytes.LARGE
            )
    check(config)
    text, notes = text_of_files(paths, config, name=name, folder=folder)
    return corpus_of(text, config, name=name, source=source, notes=notes)


def _of_stream(stream: BinaryIO, config: CorpusConfig, *, document: str, name: str) -> Corpus:
    """The corpus of what can be read only once: in memory, or in a file if there is much of it. Raises `TextError`."""
    most = file_bytes.LARGE
    beginning, pieces = peeked(stream_pieces(stream, document), most)
    if len(beginning) < most:
        with suppress(TooLarge):
            return corpus_in_memory([(document, beginning)], config, name=name, source=STANDARD_INPUT, most=most)
    check(config)
    text, notes = text_of_stream(pieces, config, document=document)
    return corpus_of(text, config, name=name, source=STANDARD_INPUT, notes=notes)


def _named(name: str, config: CorpusConfig) -> Corpus:
    documents = dataset(name).read()
    _refuse_column(config, name)
    return make_corpus(documents, _utf8(config), name=name, source=f"corpus {name}")


def _refuse_column(config: CorpusConfig, name: str) -> None:
    if config.column:
        raise SettingsError(f"{option('column')} is for files of rows, and {name} is a text; leave it out")


def _refuse_name(text: str) -> None:
    """Raise `TextError` for a string that names a text rather than being one."""
    if not text or len(text) >= 256 or not text.isprintable():
        return
    itself = "; if it is the text itself, end it with a newline"
    if ADDRESS.match(text):
        raise TextError(f"{text!r} is an address; download the file first, and pass its pathlib.Path{itself}")
    if _exists(Path(text)):
        raise TextError(f"{text!r} is the path of a file; for its content pass pathlib.Path({text!r}){itself}")
    if text in DATASETS:
        raise TextError(f"{text!r} is the name of a corpus; train on it with: charloom train {text}{itself}")
    if LIKE_A_PATH.fullmatch(text):
        raise TextError(
            f"{text!r} looks like the path of a file, but there is none; check it, and pass "
            f"pathlib.Path({text!r}){itself}"
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long for a file name, or with a character that none can have
        return False


def _utf8(config: CorpusConfig) -> CorpusConfig:
    return replace(config, encoding="utf-8")

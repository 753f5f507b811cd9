"""Large texts, which stay in their files."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from charloom.data import file_bytes
from charloom.data.cleaning import is_utf8
from charloom.data.compressed import FORMATS
from charloom.data.ends import NO_ENDS, Ends, unchangeable
from charloom.data.file_kinds import ARCHIVES, BINARIES, ROWS, SAMPLE, is_wide
from charloom.data.large_sources import (
    CleanCopy,
    clean_copy,
    clean_stream,
    give_up_if_damaged,
    is_cleaned,
    or_elsewhere,
)
from charloom.data.text import Text
from charloom.data.text_bytes import TextBytes
from charloom.data.text_survey import surveyed
from charloom.errors import StorageError
from charloom.settings import CorpusConfig


def in_file_as_it_is(path: Path, config: CorpusConfig) -> bool:
    """Whether a path is a large file that can be read where it is, unless something in it has to be cleaned.

    Raises `SettingsError` for an unknown encoding.
    """
    try:
        if not (path.is_file() and path.stat().st_size >= file_bytes.LARGE and is_utf8(config.encoding)):
            return False
        with path.open("rb") as file:
            sample = file.read(SAMPLE)
    except OSError:
        return False  # reading it will say why
    begins = [begin for begin, _ in FORMATS.values()] + [re.compile(begin) for begin in (*ARCHIVES, *BINARIES, *ROWS)]
    return (
        not config.shuffle
        and not config.column
        and not is_wide(sample)
        and not any(begin.match(sample) for begin in begins)
    )


def large_text(path: Path, ends: Ends = NO_ENDS, *, cleaned: bool = False) -> Text | None:
    """The text in a file, left there; None if it is not clean UTF-8. `ends`: those of the texts that it consists of.

    `cleaned`: charloom wrote it, so that nothing at its beginning is a byte order mark. Raises `TextError`,
    `StorageError`.
    """
    ends = unchangeable(np.asarray(ends, np.int64))
    try:
        data = surveyed(path, ends, cleaned=cleaned)
    except StorageError as error:
        raise or_elsewhere(error) from None
    return None if data is None else Text(data, data.survey.header.characters, ends)


def text_of_files(
    paths: Sequence[Path], config: CorpusConfig, *, name: str, folder: Path | None
) -> tuple[Text, tuple[str, ...]]:
    """The text of a large file, or of all files of a folder, and what was changed: left where it is, or cleaned into a
    file of the cache.

    Raises `TextError`, `SettingsError`, `StorageError`, `MissingExtraError`.
    """
    if len(paths) == 1 and in_file_as_it_is(paths[0], config) and not is_cleaned(paths[0], config, name, folder):
        text = large_text(paths[0])
        if text is not None:
            return text, ()
    return _text_of(clean_copy(paths, config, name=name, folder=folder))


def text_of_stream(pieces: Iterable[bytes], config: CorpusConfig, *, document: str) -> tuple[Text, tuple[str, ...]]:
    """The text of what can be read only once, and what was changed. Raises what `text_of_files` raises."""
    return _text_of(clean_stream(pieces, config, name=document))


def is_from_damaged_copy(text: Text) -> bool:
    """Whether a text was read from a clean copy that is damaged; reading its source makes that again."""
    return isinstance(text.data, TextBytes) and give_up_if_damaged(text.data.file.path)


def _text_of(copy: CleanCopy) -> tuple[Text, tuple[str, ...]]:
    if copy.characters == 0:
        return Text(memoryview(b""), 0), copy.notes
    text = large_text(copy.path, copy.ends, cleaned=True)
    assert text is not None, "it was cleaned"
    return text, copy.notes

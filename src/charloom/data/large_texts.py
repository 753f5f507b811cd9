"""Large texts, which stay in their files."""

import re
from collections.abc import Sequence
from pathlib import Path

from charloom.data import file_bytes
from charloom.data.corpus import Text, is_utf8
from charloom.data.file_kinds import ARCHIVES, BINARIES, COMPRESSED, SAMPLE, is_wide
from charloom.data.text_survey import surveyed
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
    begins = [begin for begin, _ in COMPRESSED.values()] + [re.compile(begin) for begin in (*ARCHIVES, *BINARIES)]
    return config.shuffle == 0 and not is_wide(sample) and not any(begin.match(sample) for begin in begins)


def large_text(path: Path, ends: Sequence[int] = ()) -> Text | None:
    """The text in a file, left there; None if it is not clean UTF-8. `ends`: those of the texts that it consists of.

    Raises `TextError`, `StorageError`.
    """
    data = surveyed(path, ends)
    return None if data is None else Text(data, data.survey.header.characters, tuple(ends))

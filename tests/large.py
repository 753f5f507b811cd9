"""Texts that stay in their files although they are small."""

from pathlib import Path

import pytest

from charloom.data import file_bytes, sections
from charloom.data.corpus import Corpus, corpus_of
from charloom.data.large_texts import large_text
from charloom.data.text import Text
from charloom.places import cache
from charloom.settings import CorpusConfig


def in_files(patch: pytest.MonkeyPatch, *, section: int | None = None) -> None:
    """From now on every text stays in its file; more than `section` symbols are mixed in sections of about as many."""
    patch.setattr(file_bytes, "LARGE", 1)
    if section is not None:
        patch.setattr(sections, "MIXED", section)
        patch.setattr(sections, "SECTION", section)


def own_cache(patch: pytest.MonkeyPatch, folder: Path) -> Path:
    """An empty cache."""
    patch.setenv(cache.VARIABLE, str(folder))
    cache._SUBSTITUTES.clear()
    return folder


def in_file(text: str, path: Path, ends: tuple[int, ...] = ()) -> Text:
    """A text in a file."""
    path.write_bytes(text.encode())
    found = large_text(path, ends)
    assert found is not None, "the text is clean"
    return found


def in_memory(text: str, ends: tuple[int, ...] = ()) -> Text:
    """The same text in memory."""
    return Text(memoryview(text.encode()), len(text), ends)


def corpus(text: Text, **settings: object) -> Corpus:
    """A corpus that says nothing about where its text is."""
    return corpus_of(text, CorpusConfig(**settings), name="text", source="/text")  # type: ignore[arg-type]

"""Documents as one text: cleaned, joined in order, a part at a time."""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from charloom.data import blocks
from charloom.data.cleaning import Cleaning, TooLarge
from charloom.data.columns import Rows
from charloom.data.ends import NO_ENDS, Ends, unchangeable
from charloom.settings import CorpusConfig

MOST_NOTES = 100
"""Notes that are kept: a run's configuration holds them."""

Document = tuple[str, Path | Iterable[bytes]]
"""What errors call it, and its file or its bytes in pieces."""

Part = tuple[bytes, int, bool]
"""Bytes of whole characters, how many characters they are, and whether a text ends after them."""


class Notes:
    """What was changed while texts were read, one sentence each; of very many, the first and how many more."""

    def __init__(self) -> None:
        self._kept, self._more = list[str](), 0

    def add(self, notes: Iterable[str]) -> None:
        """Take these notes."""
        for note in notes:
            if len(self._kept) < MOST_NOTES:
                self._kept.append(note)
            else:
                self._more += 1

    def sentences(self) -> tuple[str, ...]:
        """What to tell."""
        return (*self._kept, *([f"and {self._more:,} more such changes"] if self._more else []))


def parts(documents: Iterable[Document], config: CorpusConfig, notes: Notes, *, in_folder: bool) -> Iterator[Part]:
    """The texts of all documents; each of them ends, or each row of its column. Empty ones are left out.

    Raises `TextError`, `SettingsError`, `MissingExtraError`.
    """
    for name, source in documents:
        if config.column:
            rows = Rows(source, config.column, config.encoding, name, in_folder=in_folder)
            for data, characters in rows:
                yield data, characters, True
            notes.add(rows.notes)
            continue
        pieces = blocks.file_pieces(source) if isinstance(source, Path) else source
        cleaning, before = Cleaning(pieces, config.encoding, name, in_folder=in_folder), 0
        for data in cleaning:
            yield data, cleaning.characters - before, False
            before = cleaning.characters
        if cleaning.characters:
            yield b"", 0, True
        notes.add(cleaning.notes)


def at_most(cleaned: Iterable[Part], most: float) -> Iterator[Part]:
    """The same parts. Raises `TooLarge` if they have more than `most` bytes."""
    size = 0
    for part in cleaned:
        size += len(part[0])
        if size > most:
            raise TooLarge
        yield part


class Gathered:
    """Parts of a text, put together in memory."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.characters = 0
        self._ends = array("q")

    def add(self, part: Part) -> None:
        """Put a part after the others."""
        data, characters, ended = part
        self.data += data
        self.characters += characters
        if ended:
            self._ends.append(self.characters)

    @property
    def ends(self) -> Ends:
        """Where texts end; none in a single text."""
        return unchangeable(np.array(self._ends, np.int64)) if len(self._ends) > 1 else NO_ENDS

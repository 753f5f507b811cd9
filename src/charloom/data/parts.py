"""Documents as one text: cleaned, joined in order, a part at a time."""

from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from charloom.data import blocks
from charloom.data.cleaning import Cleaning, TooLarge
from charloom.data.columns import Rows
from charloom.data.ends import NO_ENDS, Ends, unchangeable
from charloom.data.lines import LONGEST
from charloom.errors import TextError, shown
from charloom.errors.options import option
from charloom.settings import CorpusConfig

MOST_NOTES = 100
"""Notes that are kept: a run's configuration holds them."""

Document = tuple[str, Path | Iterable[bytes]]
"""What errors call it, and its file or its bytes in pieces."""

Part = tuple[bytes, int, bool]
"""Bytes of whole characters, how many characters they are, and whether a text ends after them."""


class Notes:
    """What was changed while texts were read; of very many changes, the first and how many more."""

    def __init__(self, kept: Iterable[tuple[str, str]] = (), more: int = 0) -> None:
        self.kept, self.more = list(kept), more
        "The names of texts, each with what was changed in it; how many more changes there were."

    def add(self, name: str, notes: Iterable[str]) -> None:
        """Take these notes on the text called `name`."""
        for note in notes:
            if len(self.kept) < MOST_NOTES:
                self.kept.append((name, note))
            else:
                self.more += 1

    def sentences(self) -> tuple[str, ...]:
        """What to tell, one sentence each."""
        told = [f"{shown(name)}: {note}" for name, note in self.kept]
        return (*told, *([f"and {self.more:,} more such changes"] if self.more else []))


def parts(documents: Iterable[Document], config: CorpusConfig, notes: Notes, *, in_folder: bool) -> Iterator[Part]:
    """The texts of all documents; each of them ends, or each row of its column. Empty ones are left out.

    Raises `TextError`, `SettingsError`, `MissingExtraError`.
    """
    for name, source in documents:
        if config.column:
            rows = Rows(source, config.column, config.encoding, name, in_folder=in_folder)
            for data, characters in rows:
                if config.shuffle:
                    _Lengths(name).check(data)
                yield data, characters, True
            notes.add(name, rows.notes)
            continue
        pieces = blocks.file_pieces(source) if isinstance(source, Path) else source
        cleaning, before = Cleaning(pieces, config.encoding, name, in_folder=in_folder), 0
        lengths = _Lengths(name)
        for data in cleaning:
            if config.shuffle:
                lengths.check(data)
            yield data, cleaning.characters - before, False
            before = cleaning.characters
        if cleaning.characters:
            yield b"", 0, True
        notes.add(name, cleaning.notes)


class _Lengths:
    """The lengths of a text's lines, which have to be in memory to be shuffled."""

    def __init__(self, name: str) -> None:
        self._name, self._number, self._size = name, 1, 0

    def check(self, data: bytes) -> None:
        """Take the next bytes. Raises `TextError` for a line that is too long."""
        if self._size + len(data) > LONGEST:
            for line in data.split(b"\n"):
                if self._size + len(line) > LONGEST:
                    raise TextError(
                        f"{shown(self._name)}, line {self._number:,}, is longer than {LONGEST >> 20} MiB, so it cannot "
                        f"be shuffled; break it into lines, or leave out {option('shuffle')}"
                    )
                self._number, self._size = self._number + 1, 0
            self._number -= 1
        else:
            self._number += data.count(b"\n")
        last = data.rfind(b"\n")
        self._size = len(data) - last - 1 if last >= 0 else self._size + len(data)


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

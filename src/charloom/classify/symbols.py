"""Texts as numbers for a classifier: known characters, a boundary at both ends, and unknown characters by block.

    0 … V-1      the characters of the vocabulary
    V            the boundary
    V+1 …        unknown characters, one symbol for each block of 128 code points that has a known character
    last         unknown characters of any other block

An unseen character still reveals its script, because training replaces some known characters by their unknown symbols.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charloom.data.vocabulary import UNSEEN, Vocabulary

BLOCK_BITS = 7
LEAST_COUNT = 2
"""Characters that occur less often in the training texts are unknown."""

Symbols = NDArray[np.int32]


@dataclass(frozen=True)
class SymbolTable:
    """The symbols of a classifier with this vocabulary."""

    vocabulary: Vocabulary

    def __len__(self) -> int:
        """Number of symbols."""
        return len(self.vocabulary) + len(self._blocks) + 1

    @property
    def boundary(self) -> int:
        """The symbol at the start and end of a text."""
        return self.vocabulary.boundary

    @cached_property
    def space(self) -> int | None:
        """The symbol of the space, if the vocabulary has one."""
        place = self.vocabulary.characters.find(" ")
        return place if place >= 0 else None

    @cached_property
    def unknown(self) -> Symbols:
        """For each character the symbol that replaces it when it is unknown; all other symbols map to themselves."""
        table = np.arange(len(self), dtype=np.int32)
        codes = np.array([ord(character) for character in self.vocabulary.characters], np.uint32)
        table[: len(codes)] = self._unknown(codes)
        return table

    def encode(self, text: str) -> Symbols:
        """Symbols (T,) of a text, without boundaries."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        symbols = self.vocabulary.find(codes).astype(np.int32)
        unseen = np.flatnonzero(symbols == UNSEEN)
        symbols[unseen] = self._unknown(codes[unseen])
        return symbols

    def _unknown(self, codes: NDArray[Any]) -> Symbols:
        blocks = codes >> BLOCK_BITS
        places = np.minimum(np.searchsorted(self._blocks, blocks), len(self._blocks) - 1)
        seen = self._blocks[places] == blocks
        return np.where(seen, places, len(self._blocks)).astype(np.int32) + len(self.vocabulary)

    @cached_property
    def _blocks(self) -> NDArray[np.uint32]:
        codes = [ord(character) for character in self.vocabulary.characters]
        return np.unique(np.array(codes, np.uint32) >> BLOCK_BITS)


def vocabulary_of(texts: Iterable[str], weights: Iterable[float] | None = None) -> Vocabulary:
    """The characters that occur at least twice in the texts; if none does, all of them; without any, a space.

    A text of weight w counts as w texts.
    """
    counts: Counter[str] = Counter()
    for text, weight in zip(texts, weights or repeat(1), strict=False):
        counts.update(text if weight == 1 else {symbol: weight * count for symbol, count in Counter(text).items()})
    plain = {character: count for character, count in counts.items() if not "\ud800" <= character <= "\udfff"}
    often = [character for character, count in plain.items() if count >= LEAST_COUNT]
    return Vocabulary("characters", "".join(sorted(often or plain or " ")))


def padded(rows: Sequence[Symbols], boundary: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Symbols (T, B) of texts between boundaries, padded with boundaries, and lengths (B,) with two boundaries each."""
    lengths = np.array([len(row) + 2 for row in rows], np.int64)
    ids = np.full((int(lengths.max()), len(rows)), boundary, np.int64)
    for column, row in enumerate(rows):
        ids[1 : len(row) + 1, column] = row
    return ids, lengths

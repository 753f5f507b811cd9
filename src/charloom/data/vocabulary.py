"""The symbols that a model knows, and the conversion from text to ids and back.

A vocabulary has the characters (Unicode code points) of a text in code point order, or the 256 bytes of UTF-8, followed
by one boundary symbol, which opens and ends a text. A symbol's id is its place in that order; the boundary comes last.
"""

import codecs
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charloom.errors import TextError
from charloom.errors.options import on_this_machine, option
from charloom.settings import VocabularyKind

Ids = NDArray[Any]
"""Symbol ids (T,) in the smallest unsigned integer type that holds the boundary."""

UNSEEN = -1
"""Marks a character that the vocabulary does not have."""


@dataclass(frozen=True)
class Vocabulary:
    """Symbols and their ids. `Vocabulary.of(pieces)` builds one from a text.

    >>> vocabulary = Vocabulary.of(["hello"])
    >>> vocabulary.encode("hole").tolist()
    [1, 3, 2, 0]
    >>> vocabulary.decode([1, 3, 2, 0])
    'hole'
    """

    kind: VocabularyKind
    characters: str = ""
    "The characters in code point order; empty for bytes."

    def __post_init__(self) -> None:
        codes = [ord(character) for character in self.characters]
        if self.kind == "bytes" and codes:
            raise TextError("a vocabulary of bytes lists no characters; leave the list empty")
        if self.kind == "characters" and not codes:
            raise TextError("a vocabulary of characters needs at least one character; give it a text that is not empty")
        if any(later <= earlier for earlier, later in itertools.pairwise(codes)):
            raise TextError("the characters of a vocabulary must be distinct and in code point order; sort them")
        if any(0xD800 <= code < 0xE000 for code in codes):
            raise TextError("a vocabulary cannot hold half of a surrogate pair, which is no character; remove it")

    @classmethod
    def of(cls, pieces: Iterable[str], kind: VocabularyKind = "characters") -> "Vocabulary":
        """The vocabulary of a text given in pieces. Raises `TextError` if it is empty."""
        if kind == "bytes":
            return cls("bytes")
        seen: set[str] = set()
        for piece in pieces:
            seen.update(piece)
        return cls("characters", "".join(sorted(seen)))

    def __len__(self) -> int:
        """Number of symbols, including the boundary."""
        return self.boundary + 1

    @property
    def boundary(self) -> int:
        """Id of the symbol that opens and ends a text."""
        return 256 if self.kind == "bytes" else len(self.characters)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest unsigned integer type that holds every id."""
        return np.min_scalar_type(self.boundary)

    def encode(self, text: str, *, offset: int = 0) -> Ids:
        """Ids (T,) of `text`. An unknown character raises `TextError`, with its position counted from `offset`."""
        if self.kind == "bytes":
            try:
                return np.frombuffer(text.encode(), np.uint8).astype(self.dtype)
            except UnicodeEncodeError as error:
                raise _surrogate(error, offset) from None
        try:
            codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        except UnicodeEncodeError as error:
            raise _surrogate(error, offset) from None
        ids = self.find(codes)
        unseen = np.flatnonzero(ids == UNSEEN)
        if len(unseen):
            place = int(unseen[0])
            learning = on_this_machine(
                f", or train on text that has it (a run that starts from this model, with {option('from')}, learns it)"
            )
            raise TextError(
                f"{_show(text[place])} at character {offset + place} (counted from 0) is not among the "
                f"{len(self.characters)} characters this model knows; replace it{learning}"
            )
        return ids.astype(self.dtype)

    def find(self, codes: Ids) -> Ids:
        """Ids (T,) of code points, `UNSEEN` for those not in the (character) vocabulary."""
        ids: Ids = self._table[np.minimum(codes, len(self._table) - 1)]
        return ids

    def encode_pieces(self, pieces: Iterable[str], size: int) -> Ids:
        """Ids (size,) of a text given in pieces; only one piece is converted at a time."""
        ids = np.empty(size, self.dtype)
        filled, characters = 0, 0
        for piece in pieces:
            part = self.encode(piece, offset=characters)
            ids[filled : filled + len(part)] = part
            filled += len(part)
            characters += len(piece)
        assert filled == size, "the caller knows how many symbols the text has"
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; invalid UTF-8 becomes U+FFFD. Raises `TextError` for the boundary symbol."""
        decoder = self.decoder()
        return "".join([decoder.push(int(symbol)) for symbol in ids]) + decoder.finish()

    def decoder(self) -> "Decoder":
        """A decoder that takes one id at a time and never returns half a character."""
        return Decoder(self)

    def symbol(self, symbol: int) -> str:
        """One symbol as shown to people: the character, a byte as <0a>, the boundary as <end>."""
        if symbol == self.boundary:
            return "<end>"
        return f"<{symbol:02x}>" if self.kind == "bytes" else self.characters[symbol]

    @cached_property
    def _table(self) -> NDArray[np.int32]:
        """Id of each code point up to one past the largest known, which stands for everything above."""
        codes = np.array([ord(character) for character in self.characters])
        table = np.full(codes[-1] + 2, UNSEEN, np.int32)
        table[codes] = np.arange(len(codes))
        return table


class Decoder:
    """Ids in, text out, one symbol at a time; `finish` returns what is left of an incomplete last character."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, symbol: int) -> str:
        """The text that this symbol completes: usually one character; with bytes, perhaps none yet.

        Raises `TextError`.
        """
        if not 0 <= symbol < self._vocabulary.boundary:
            raise TextError(
                f"id {symbol} stands for no character; only ids from 0 to {self._vocabulary.boundary - 1} do"
            )
        if self._vocabulary.kind == "bytes":
            return self._utf8.decode(bytes([symbol]))
        return self._vocabulary.characters[symbol]

    @property
    def pending(self) -> int:
        """Bytes of a character that is not yet complete."""
        return len(self._utf8.getstate()[0])

    def fork(self) -> "Decoder":
        """A copy that has read the same ids."""
        twin = Decoder(self._vocabulary)
        twin._utf8.setstate(self._utf8.getstate())
        return twin

    def finish(self) -> str:
        """What is left of an unfinished character: U+FFFD, or nothing."""
        return self._utf8.decode(b"", final=True)


def _show(character: str) -> str:
    return f"{character!r} (U+{ord(character):04X})"


def _surrogate(error: UnicodeEncodeError, offset: int) -> TextError:
    return TextError(
        f"{_show(error.object[error.start])} at character {offset + error.start} (counted from 0) is half of a "
        "surrogate pair and no character; remove it"
    )

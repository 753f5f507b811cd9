"""A text: UTF-8 in memory, or in its file if it is large, and the ends of the texts that it consists of.

It is decoded a piece at a time: in a `str`, a single character outside the basic plane makes every character take four
bytes.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from charloom.data.blocks import PIECE
from charloom.data.ends import NO_ENDS, Ends, bytes_at, ends_at, ends_within, heads, written
from charloom.data.text_bytes import TextBytes
from charloom.errors import TextError, arguments

_BLOCK = 1 << 12
"""Bytes searched at a time to locate a character."""


@dataclass(frozen=True, eq=False)
class Text:
    """A text as UTF-8, and the ends of the texts it consists of.

    `ends` counts characters from the start. It is empty for a single text, which has no end that a model could learn.
    """

    data: memoryview | TextBytes
    characters: int
    ends: Ends = field(default_factory=lambda: NO_ENDS)

    def __post_init__(self) -> None:
        if not isinstance(self.ends, np.ndarray):  # from Python, any numbers will do
            object.__setattr__(self, "ends", ends_at(self.ends))

    @classmethod
    def of(cls, text: str) -> "Text":
        """The text of a `str`, unchanged. Raises `TextError` for half of a surrogate pair."""
        arguments.text(text)
        try:
            return cls(memoryview(text.encode()), len(text))
        except UnicodeEncodeError as error:
            raise TextError(
                f"character {error.start} (counted from 0) of the text is half of a surrogate pair; remove it"
            ) from None

    def __str__(self) -> str:
        return str(in_memory(self.data), "utf-8")

    @property
    def several(self) -> bool:
        """Whether this consists of texts that end within it or with it."""
        return len(self.ends) > 0

    @property
    def bytes(self) -> int:
        """Length in bytes of UTF-8."""
        return len(self.data)

    def pieces(self, size: int = PIECE) -> Iterator[str]:
        """The text as a sequence of `str`, each decoded from at most `size` >= 4 bytes."""
        start = 0
        while start < len(self.data):
            ahead = in_memory(self.data[start : start + size + 1])
            stop = _character_start(ahead, min(size, len(ahead)))
            yield str(ahead[:stop], "utf-8")
            start += stop

    def byte_pieces(self, size: int = PIECE) -> Iterator[memoryview]:
        """The text as UTF-8, `size` bytes at a time."""
        for start in range(0, len(self.data), size):
            yield in_memory(self.data[start : start + size])

    def slice(self, start: int, stop: int) -> "Text":
        """The characters from `start` to `stop`, without copying; an end at `stop` belongs to this slice."""
        first, last = self.byte_of(start), self.byte_of(stop)
        return Text(self.data[first:last], stop - start, ends_within(self.ends, start, stop))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the UTF-8 bytes; for several texts, also of the positions where they end."""
        if isinstance(self.data, TextBytes) and self.data.whole and np.array_equal(self.ends, self.data.survey.ends):
            return self.data.survey.header.sha256
        digest = hashlib.sha256()
        for piece in self.byte_pieces():
            digest.update(piece)
        if self.several:
            for some in written(self.ends):
                digest.update(some)
        return digest.hexdigest()

    def byte_of(self, character: int) -> int:
        """The byte at which a character begins."""
        return int(self.bytes_of(ends_at([character]))[0])

    def bytes_of(self, characters: Ends) -> Ends:
        """The same of many characters, in ascending order."""
        if len(self.data) == self.characters:
            return characters
        if isinstance(self.data, TextBytes):
            return self.data.bytes_of(characters)

        def heads_of(block: int) -> NDArray[np.bool_]:
            return heads(in_memory(self.data[block * _BLOCK : (block + 1) * _BLOCK]))

        return bytes_at(characters, self._character_counts, _BLOCK, heads_of, len(self.data))

    @cached_property
    def _character_counts(self) -> NDArray[np.int64]:
        """How many characters start before byte 0, _BLOCK, 2 _BLOCK, …"""
        counts = [np.zeros(1, np.int64)]
        many = 256 * _BLOCK
        for start in range(0, len(self.data), many):
            starts = heads(in_memory(self.data[start : start + many]))
            counts.append(np.add.reduceat(starts, np.arange(0, len(starts), _BLOCK), dtype=np.int64))
        return np.cumsum(np.concatenate(counts))


def in_memory(data: memoryview | TextBytes) -> memoryview:
    """The bytes, read from their file if they are in one."""
    return data if isinstance(data, memoryview) else memoryview(bytes(data))


def _character_start(data: memoryview, place: int) -> int:
    """`place`, or up to three bytes before it if it would cut a character."""
    if place == len(data):
        return place
    for back in range(min(4, place)):
        if data[place - back] & 0xC0 != 0x80:
            return place - back
    return place

"""Bytes of a text in a file, and what is known of it: where each character begins, and its characters as numbers.

How that is found and remembered, `charloom.data.text_survey` knows.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charloom.data.ends import Ends, bytes_at, ends_at, heads
from charloom.data.file_bytes import FileBytes, OpenFile


@dataclass(frozen=True)
class Header:
    """The content of an entry's `text.json`."""

    text: str
    "The path of the file."
    sha256: str
    "Of its bytes; for several texts, also of the places where they end."
    bytes: int
    characters: int
    symbols: int
    "How many different characters it has."
    id_bytes: int
    "Bytes of a character in ids.bin; 0 without that file, for an ASCII text."
    ids_sha256: str
    "Of ids.bin; empty without it."
    ids_state: tuple[int, ...]
    "Size, times in nanoseconds and inode of ids.bin as it was written: while they are the same, it is not read again."
    checksum: str
    "SHA-256 of the fields above and of the other files, without ids.bin."
    format: Literal["charloom-text-1"] = "charloom-text-1"


@dataclass(frozen=True, eq=False)
class Survey:
    """What is known of a text in a file."""

    name: Path
    "The entry's place in the cache."
    ends: Ends
    "The characters at which the texts end that it consists of."
    header: Header
    symbols: NDArray[np.uint32]
    "(S,): code points. The number of each in `ids` is its place here."
    first: NDArray[np.int64]
    "(S,): the character at which each occurs first."
    counts: NDArray[np.int64]
    "How many characters begin before each block of the file; empty for an ASCII text."
    ids: OpenFile | None
    "The text as ids; None for an ASCII text."
    block: int
    "Bytes of a block."

    @property
    def ascii(self) -> bool:
        """Whether each byte is a character."""
        return self.header.id_bytes == 0

    def name_of(self, number: int) -> str:
        """The character that a number stands for."""
        return chr(number if self.ascii else self.symbols[number])

    @property
    def dtype(self) -> "np.dtype[Any]":
        """The type of the numbers that stand for characters."""
        return np.dtype(f"<u{self.header.id_bytes or 1}")

    def byte_of(self, file: OpenFile, character: int) -> int:
        """The byte of the file at which a character begins; its end, for the number of all characters."""
        return int(self.bytes_of(file, ends_at([character]))[0])

    def bytes_of(self, file: OpenFile, characters: Ends) -> Ends:
        """The same of many characters, in ascending order."""
        if self.ascii:
            return characters

        def heads_of(block: int) -> NDArray[np.bool_]:
            return heads(file.read(block * self.block, min((block + 1) * self.block, self.header.bytes)))

        return bytes_at(characters, self.counts, self.block, heads_of, self.header.bytes)

    def character_of(self, file: OpenFile, byte: int) -> int:
        """How many characters of the file begin before a byte."""
        if self.ascii:
            return byte
        if byte == self.header.bytes:
            return self.header.characters
        block = byte // self.block
        return int(self.counts[block]) + int(heads(file.read(block * self.block, byte)).sum())


class TextBytes(FileBytes):
    """Bytes of a text in a file, with what is known of the whole file."""

    def __init__(self, file: OpenFile, start: int, stop: int, survey: Survey) -> None:
        super().__init__(file, start, stop)
        self.survey = survey

    @property
    def whole(self) -> bool:
        """Whether these are all bytes of the file."""
        return len(self) == self.file.identity.size

    @cached_property
    def first_character(self) -> int:
        """How many characters of the file begin before these bytes."""
        return self.survey.character_of(self.file, self.start)

    def byte_of(self, character: int) -> int:
        """The byte at which a character begins, both counted from here."""
        return self.survey.byte_of(self.file, self.first_character + character) - self.start

    def bytes_of(self, characters: Ends) -> Ends:
        """The same of many characters, in ascending order."""
        return self.survey.bytes_of(self.file, self.first_character + characters) - self.start

    def _slice(self, start: int, stop: int) -> "TextBytes":
        return TextBytes(self.file, start, stop, self.survey)

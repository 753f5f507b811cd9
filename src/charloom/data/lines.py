"""Lines of a file or of standard input, one at a time: memory holds one line, however long the file is."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from charloom.data.blocks import PIECE, PieceReader, stream_pieces
from charloom.data.compressed import Opened
from charloom.data.file_kinds import advice, is_wide
from charloom.errors import TextError, shown

STANDARD_INPUT = "-"

LONGEST = 1 << 26
"""The most bytes that a line may have."""


class Lines:
    """The lines of UTF-8 text in a file, or in standard input if `place` is "-"; iterate once.

    Compression is undone. A line ends at a newline, which is left out, as is a return before it; an empty line is an
    empty text. With `whole`, lines keep their ends, and the first a byte order mark. Raises
    `TextError`, which names the line that is not UTF-8 or too long.
    """

    def __init__(self, place: str | Path, *, whole: bool = False) -> None:
        self.name = "standard input" if str(place) == STANDARD_INPUT else shown(place)
        self._place, self._whole, self._size, self._file = place, whole, 0, None

    _file: BinaryIO | None

    @property
    def share(self) -> float | None:
        """How much of the file has been read, from 0 to 1; None for a pipe."""
        if not self._size or self._file is None:
            return None
        return 1.0 if self._file.closed else min(1.0, self._file.tell() / self._size)

    def __iter__(self) -> Iterator[str]:
        with self._opened() as source:
            number = 0
            while line := self._read(source, number + 1):
                number += 1
                if self._whole:
                    yield _decoded(line, line, self.name, number)
                elif line != codecs.BOM_UTF8:  # otherwise nothing else is in the file
                    yield line_text(line.removesuffix(b"\n"), self.name, number)

    def _read(self, source: BinaryIO, number: int) -> bytes:
        line = source.readline(LONGEST + 1)
        if len(line) > LONGEST:
            raise TextError(
                f"{self.name}, line {number}, is longer than {LONGEST >> 20} MiB; put a text of its own on each line"
            )
        return line

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The file without its compression. Raises `TextError` for one that cannot be read or is no text."""
        if str(self._place) == STANDARD_INPUT:
            yield self._text(sys.stdin.buffer)
            return
        try:
            file = Path(self._place).open("rb")  # noqa: SIM115
            self._size = os.fstat(file.fileno()).st_size if Path(self._place).is_file() else 0
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from None
        with file:
            self._file = file
            yield self._text(file)

    def _text(self, source: BinaryIO) -> BinaryIO:
        opened = Opened(stream_pieces(source, self.name), self.name)
        if is_wide(opened.beginning):
            raise TextError(f"{self.name} is full of control characters: {advice(opened.beginning, flag=False)}")
        return cast(BinaryIO, io.BufferedReader(PieceReader(opened), PIECE))

    def _unreadable(self, error: Exception) -> TextError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return TextError(f"{self.name} cannot be read: {reason.lower()}; check the path")


def line_text(data: bytes, where: str, number: int) -> str:
    """The text of a line, without the return at its end and, in line 1, the byte order mark. Raises `TextError`."""
    text = data.removesuffix(b"\r")
    return _decoded(text.removeprefix(codecs.BOM_UTF8) if number == 1 else text, data, where, number)


def _decoded(text: bytes, data: bytes, where: str, number: int) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise TextError(
            f"{where}, line {number}, is not UTF-8 (byte {text[error.start]:#04x}); {advice(data, flag=False)}"
        ) from None

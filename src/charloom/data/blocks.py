"""Bytes that come in pieces of any size: in blocks of one size, and with a look at their beginning."""

import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from charloom.errors import TextError, shown

PIECE = 1 << 20
"""Bytes that are read, cleaned and written at a time."""


def blocks(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of `size`; the last may be shorter, and none is empty."""
    waiting, length = list[bytes | memoryview](), 0
    for piece in pieces:
        if len(piece) == size and not waiting:
            yield piece
            continue
        view = memoryview(piece)
        while length + len(view) >= size:
            waiting.append(view[: size - length])
            view = view[size - length :]
            yield b"".join(waiting)
            waiting, length = [], 0
        if view:
            waiting.append(view)
            length += len(view)
    if waiting:
        yield b"".join(waiting)


def peeked(pieces: Iterable[bytes], size: int) -> tuple[bytes, Iterator[bytes]]:
    """The first `size` bytes, or all if there are fewer, and all pieces."""
    rest, first, length = iter(pieces), list[bytes](), 0
    for piece in rest:
        first.append(piece)
        length += len(piece)
        if length >= size:
            break
    return b"".join(first)[:size], itertools.chain(first, rest)


def file_pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time. Raises `TextError`."""
    try:
        with path.open("rb") as file:
            yield from iter(lambda: file.read(PIECE), b"")
    except OSError as error:
        raise unreadable(path, error) from None


def stream_pieces(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """The bytes of a stream, a piece at a time. Raises `TextError`."""
    try:
        yield from iter(lambda: stream.read(PIECE), b"")
    except OSError as error:
        raise unreadable(name, error) from None


def unreadable(path: object, error: OSError) -> TextError:
    """The sentence about what the system refused to read."""
    return TextError(f"{shown(path)} cannot be read: {(error.strerror or str(error)).lower()}; check the path")


class PieceReader(io.RawIOBase):
    """Bytes that come in pieces, as a file that can be read once from its beginning."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Read some bytes into `target`; gives how many, 0 at the end. Raises what the pieces raise."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

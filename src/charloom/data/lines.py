"""Lines of a file or of standard input, one at a time: memory holds one line, however long the file is."""

import bz2
import codecs
import gzip
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from charloom.data.file_kinds import COMPRESSED, SAMPLE, advice, decompressed, is_wide
from charloom.errors import TextError, shown

STANDARD_INPUT = "-"

LONGEST = 1 << 26
"""The most bytes that a line may have."""

_OPENED: dict[str, Callable[..., Any]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}


class Lines:
    """The lines of UTF-8 text in a file, or in standard input if `place` is "-"; iterate once.

    Compression with gzip, bzip2 or xz is undone. A line ends at a newline, which is left out, as is a return before it;
    an empty line is an empty text. With `whole`, lines keep their ends, and the first a byte order mark. Raises
    `TextError`, which names the line that is not UTF-8 or too long.
    """

    def __init__(self, place: str | Path, *, whole: bool = False) -> None:
        self.name = "standard input" if str(place) == STANDARD_INPUT else shown(place)
        self._place, self._whole, self._size, self._file = place, whole, 0, None

    _file: IO[bytes] | None

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

    def _read(self, source: IO[bytes], number: int) -> bytes:
        try:
            line = source.readline(LONGEST + 1)
        except (EOFError, ValueError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
            raise TextError(f"{self.name} is compressed, but damaged or truncated; get it again") from None
        except OSError as error:
            raise self._unreadable(error) from None
        if len(line) > LONGEST:
            raise TextError(
                f"{self.name}, line {number}, is longer than {LONGEST >> 20} MiB; put a text of its own on each line"
            )
        return line

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
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

    def _text(self, source: IO[bytes]) -> IO[bytes]:
        try:
            head = source.read(SAMPLE)
            whole: IO[bytes] = io.BufferedReader(_Continued(head, source))
            for kind, (begin, _) in COMPRESSED.items():
                if begin.match(head):
                    whole = _OPENED[kind](whole)
                    head = whole.read(SAMPLE)
                    whole = io.BufferedReader(_Continued(head, whole))
        except (EOFError, ValueError, zlib.error, lzma.LZMAError, gzip.BadGzipFile):
            raise TextError(f"{self.name} is compressed, but damaged or truncated; get it again") from None
        except OSError as error:
            raise self._unreadable(error) from None
        decompressed(head, self.name)  # refuses pictures, archives and the like
        if is_wide(head):
            raise TextError(f"{self.name} is full of control characters: {advice(head, flag=False)}")
        return whole

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


class _Continued(io.RawIOBase):
    """The bytes that were read of a stream, and then the rest of it."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = len(memoryview(buffer))
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._rest.read(size)
        memoryview(buffer)[: len(data)] = data
        return len(data)

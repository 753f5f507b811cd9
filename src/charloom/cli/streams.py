"""The standard streams as the command line uses them: output either arrives, or the command says that it did not.

Standard output carries results. If it cannot be written (a full disk, a closed descriptor), the writer raises
`OutputError`, an error like any other: one sentence, exit code 2. If the reader of a pipe has gone, it raises
`ReaderGone`, which is not an error. Standard error carries progress and messages: if it cannot be written they are
lost, and the work continues. After the first failure a stream swallows the rest, so that nothing fails again while the
process exits.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from charloom.errors import StorageError


class OutputError(StorageError):
    """Standard output could not be written."""


class ReaderGone(Exception):
    """Nobody reads standard output any more. Not a `BrokenPipeError`: some printing libraries treat those specially."""


def open_streams() -> None:
    """Replace `sys.stdout` and `sys.stderr` with streams that behave as described above, in UTF-8.

    A closed descriptor is occupied first; otherwise the next file opened would get it, and output meant for the screen
    would go into that file. Streams that something else has replaced, and that have no descriptor, are left alone.
    """
    if _occupy(0, os.O_RDONLY):
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    _occupy(1, os.O_RDONLY)  # a write fails, as it would on a closed descriptor
    _occupy(2, os.O_WRONLY)
    sys.stdout = _guarded(sys.stdout, 1, _Results)
    sys.stderr = _guarded(sys.stderr, 2, _Messages)


def settle() -> None:
    """Flush standard output; a failure now is not worth a second message."""
    with suppress(OutputError, ReaderGone):
        sys.stdout.flush()


class _Results(io.RawIOBase):
    """Standard output below its buffer."""

    def __init__(self, stream: Any) -> None:
        buffer = getattr(stream, "buffer", stream)
        self._stream, self._below = stream, getattr(buffer, "raw", buffer)  # an unreferenced stream closes itself
        self._failed = False

    def write(self, data: Any, /) -> int | None:
        if not self._failed:
            try:
                written: int | None = self._below.write(data)
                return written
            except OSError as error:
                self._failed = True
                self._lost(error)
        return memoryview(data).nbytes

    def _lost(self, error: OSError) -> None:
        if error.errno in (errno.EPIPE, errno.ESHUTDOWN) or (os.name == "nt" and error.errno == errno.EINVAL):
            raise ReaderGone from None  # Windows reports EINVAL
        if error.errno == errno.EBADF:
            raise OutputError("standard output is closed; redirect it to a file or a pipe") from None
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"standard output cannot be written: {reason}; redirect it elsewhere") from None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._below.fileno())

    def isatty(self) -> bool:
        return bool(self._below.isatty())


class _Messages(_Results):
    """Standard error below its buffer."""

    def _lost(self, error: OSError) -> None:
        pass


def _guarded(stream: TextIO | None, number: int, kind: type[_Results]) -> TextIO:
    if stream is None:
        return _text(io.FileIO(number, "w", closefd=False), kind, line_buffering=False, write_through=False)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return _text(stream, kind, line_buffering=stream.line_buffering, write_through=stream.write_through)


def _text(stream: Any, kind: type[_Results], *, line_buffering: bool, write_through: bool) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(kind(stream)),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=line_buffering,
        write_through=write_through,
    )


def _occupy(number: int, flags: int) -> bool:
    """Whether a standard descriptor was closed; if so, it now leads nowhere."""
    try:
        os.fstat(number)
        return False
    except OSError:
        pass
    file = os.open(os.devnull, flags)
    if file != number:
        os.dup2(file, number)
        os.close(file)
    os.set_inheritable(number, True)
    return True

"""Bytes of a file that is read only where it is needed: a text of any length takes no memory.

The file is never mapped: where a mapped file is cut short, the system kills the process, and mapped pages count as its
memory. A file that changes while it is used is noticed at the next reading.
"""

import os
import threading
import weakref
from pathlib import Path
from typing import NamedTuple, TypeVar

from charloom.errors import TextError, shown

LARGE = 16 << 20
"""Bytes from which on a text stays in its file; a shorter one is read into memory."""


class Identity(NamedTuple):
    """What tells that a file is still the one that was read."""

    size: int
    modified: int
    "Nanoseconds."
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Identity":
        """The identity of a file with this status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


class OpenFile:
    """A file open for reading at any place, by several threads."""

    def __init__(self, path: Path) -> None:
        """Raises `TextError`."""
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise _unreadable(path, error) from None
        weakref.finalize(self, os.close, self._descriptor)
        status = os.fstat(self._descriptor)
        self.path, self.identity = path, Identity.of(status)
        self.changed = status.st_ctime_ns
        "When its content or any property of it changed last, in nanoseconds; no program can set it."
        self._lock = threading.Lock()

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`. Raises `TextError` if the file is not what it was when it was opened."""
        parts, place = list[bytes](), start
        while place < stop:
            try:
                part = self._some(place, stop - place)
            except OSError as error:
                raise _unreadable(self.path, error) from None
            if not part:
                raise self._changed()
            parts.append(part)
            place += len(part)
        self.check()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def check(self) -> None:
        """Raise `TextError` if the file is not what it was when it was opened."""
        if Identity.of(os.fstat(self._descriptor)) != self.identity:
            raise self._changed()

    def _some(self, place: int, most: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, most, place)
        with self._lock:  # Windows reads from the place that the descriptor is at
            os.lseek(self._descriptor, place, os.SEEK_SET)
            return os.read(self._descriptor, most)

    def _changed(self) -> TextError:
        return TextError(
            f"{shown(self.path)} was changed while it was in use; restore it and go on from the last checkpoint, or "
            "start again with the new text"
        )


Bytes = TypeVar("Bytes", bound="FileBytes")


class FileBytes:
    """Some of the bytes of a file. A slice of it is another one; `bytes()` reads them."""

    def __init__(self, file: OpenFile, start: int, stop: int) -> None:
        self.file, self.start, self.stop = file, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self: Bytes, part: slice) -> Bytes:
        first, last, step = part.indices(len(self))
        assert step == 1, "bytes of a file are read in order"
        return self._slice(self.start + first, self.start + max(first, last))

    def __bytes__(self) -> bytes:
        return self.file.read(self.start, self.stop)

    def _slice(self: Bytes, start: int, stop: int) -> Bytes:
        return type(self)(self.file, start, stop)


def _unreadable(path: Path, error: OSError) -> TextError:
    return TextError(f"{shown(path)} cannot be read: {(error.strerror or str(error)).lower()}; check the path")

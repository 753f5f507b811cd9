"""A file of lines that grows at its end, and is continued where it ended: what is complete there stays.

A process that is killed while it writes leaves at most a torn last line. The next one reads the complete lines, says
which of them to keep (`keep`), and appends; the first `append` cuts what follows them.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from charloom.storage.atomic_files import Disk, storage_errors

FORCED_SECONDS = 1.0
"""At most this many seconds of work are lost in a power cut."""


class LineFile:
    """A file of lines at `path`, opened or created by the first `append`."""

    def __init__(self, path: Path, disk: Disk | None = None) -> None:
        self.path, self._disk = path, disk or Disk()
        self._kept, self._read = 0, 0
        self._file: int | None = None
        self._forced = time.monotonic()

    def lines(self) -> Iterator[bytes]:
        """The complete lines that are there, without their ends. Raises `StorageError`."""
        if not self.path.exists():
            return
        with storage_errors(self.path), self.path.open("rb") as source:
            for line in source:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield line[:-1]

    def keep(self) -> None:
        """Keep the lines that have been read so far; unless this is called, none are kept."""
        self._kept = self._read

    def append(self, data: bytes) -> None:
        """Write at the end. Raises `StorageError`."""
        with storage_errors(self.path):
            if not data and self.path.exists() and self.path.stat().st_size == self._kept:
                return  # nothing to write and nothing to cut
            if self._file is None:
                self._file = self._disk.open(self.path, os.O_WRONLY | os.O_CREAT)
                self._disk.truncate(self._file, self._kept)
                os.lseek(self._file, self._kept, os.SEEK_SET)
            rest = memoryview(data)
            while rest:
                rest = rest[self._disk.write(self._file, rest) :]
            if time.monotonic() - self._forced > FORCED_SECONDS:
                self._disk.force(self._file)
                self._forced = time.monotonic()

    def close(self) -> None:
        """Force everything to the disk. Raises `StorageError`."""
        if self._file is None:
            return
        file, self._file = self._file, None
        with storage_errors(self.path):
            try:
                self._disk.force(file)
            finally:
                self._disk.close(file)

    def __enter__(self) -> "LineFile":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

"""A file of lines that is written next to its place, and is there under its own name only when it is complete.

The lines of OUTPUT go into OUTPUT.partial, which is locked while it is written. OUTPUT.partial.json next to it, its
mark, says what they were made of. A process that is killed leaves both, with at most a torn last line; the next one
with an equal mark reads the complete lines, says which of them to keep (`keep`), and appends. An OUTPUT that exists
is not touched, unless it is to be replaced.
"""

import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from charloom.errors import FolderError, StorageError
from charloom.errors.options import option
from charloom.storage import strict_json
from charloom.storage.atomic_files import Disk, discard, replace, storage_errors

FORCED_SECONDS = 1.0
"""At most this many seconds of work are lost in a power cut."""

PARTIAL = ".partial"
"""Suffix of a file of lines that is not complete."""

MARK = ".json"
"""Suffix of its mark."""


@dataclass(frozen=True)
class Mark:
    """What decides about the lines of a file: lines may be added only if all of it is the same."""

    verb: str
    model: str
    "A hash of its files."
    input: str
    "A hash that another or a changed input does not have; empty for one that cannot be recognized, as a pipe's."
    settings: dict[str, str]
    "By the names of their options."
    format: Literal["charloom-partial-1"] = "charloom-partial-1"

    def differences(self, other: "Mark") -> list[str]:
        """The names of what is not the same."""
        own = (each.name for each in fields(self) if each.name != "settings")
        names = [f"the {name}" for name in own if getattr(self, name) != getattr(other, name)]
        every = sorted({*self.settings, *other.settings})
        return names + [name for name in every if self.settings.get(name) != other.settings.get(name)]


class LineFile:
    """A file of lines at `path`, which is complete when the `with` block ends without an error.

    Entering raises `StorageError` if `path` exists, unless it is to be replaced (`force`), if another process writes
    it, and if what there is of it has another mark and is not to be overwritten.
    """

    def __init__(self, path: Path, mark: Mark, *, force: bool = False, disk: Disk | None = None) -> None:
        self.path, self.partial = path, path.with_name(path.name + PARTIAL)
        self._mark, self._mark_path = mark, path.with_name(path.name + PARTIAL + MARK)
        self._force, self._disk = force, disk or Disk()
        self._kept, self._read, self._cut = 0, 0, False
        self._file: int | None = None
        self._forced = time.monotonic()

    def lines(self) -> Iterator[bytes]:
        """The complete lines that are there, without their ends. Raises `StorageError`."""
        with storage_errors(self.partial), self.partial.open("rb") as source:
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
        assert self._file is not None
        with storage_errors(self.partial):
            if not self._cut:
                self._disk.truncate(self._file, self._kept)
                os.lseek(self._file, self._kept, os.SEEK_SET)
                self._cut = True
            rest = memoryview(data)
            while rest:
                rest = rest[self._disk.write(self._file, rest) :]
            if time.monotonic() - self._forced > FORCED_SECONDS:
                self._disk.force(self._file)
                self._forced = time.monotonic()

    def __enter__(self) -> "LineFile":
        with storage_errors(self.partial):
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            self._file = self._disk.open(self.partial, flags)
        try:
            self._take(self._file)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: object, *raised: object) -> None:
        file = self._file
        assert file is not None
        try:
            if kind is None:
                self.append(b"")
            with storage_errors(self.partial):
                self._disk.force(file)
                empty = os.fstat(file).st_size == 0
            if kind is None:
                self._complete()
            elif empty:
                discard(self._disk, self._mark_path)
                discard(self._disk, self.partial)
        finally:
            self._close()

    def _take(self, file: int) -> None:
        """Lock the file, and find out whether it may be continued."""
        with storage_errors(self.partial):
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise StorageError(f"{self.partial} is not a file; remove it, or choose another {option('output')}")
            if not (_locked(file) and _is_at(file, self.partial)):
                raise StorageError(
                    f"{self.path} is being written by another call; wait for it, or choose another {option('output')}"
                )
            size = os.fstat(file).st_size
        try:
            self._check_output()
        except StorageError:
            if not size and not self._mark_path.exists():
                discard(self._disk, self.partial)
            raise
        try:
            there = self._there()
        except FolderError:
            there = None
        lost = bool(size) or (there is None and self._mark_path.exists())
        if self._mark.input and there == self._mark:
            return
        if lost and not self._force:
            raise StorageError(f"{self._belongs(there)}; remove it, or start again with {option('force')}")
        with storage_errors(self.partial):
            self._disk.truncate(file, 0)
        replace(self._disk, self._mark_path, strict_json.dump(self._mark))

    def _check_output(self) -> None:
        if self.path.exists() and not self._force:
            raise StorageError(
                f"{self.path} exists; overwrite it with {option('force')}, or choose another {option('output')}"
            )

    def _there(self) -> Mark | None:
        """The mark that is there. Raises `FolderError` for something else."""
        where = str(self._mark_path)
        with storage_errors(self._mark_path):
            if not self._mark_path.exists():
                return None
            if not self._mark_path.is_file():
                raise FolderError(f"{where} is not a file")
            with self._mark_path.open("rb") as source:
                data = source.read(strict_json.LARGEST_JSON + 1)
        return strict_json.load(Mark, strict_json.parse(data, where), where)

    def _belongs(self, there: Mark | None) -> str:
        if there is None:
            return f"{self.partial} has no mark of ours"
        if names := self._mark.differences(there):
            *others, last = names
            listed = f"{', '.join(others)} and {last}" if others else last
            return f"{self.partial} was begun by a call that differs in {listed}"
        return f"{self.partial} was begun from standard input, which cannot be recognized"

    def _complete(self) -> None:
        self._check_output()
        with storage_errors(self.path):
            if self.path.exists():
                self.partial.chmod(self.path.stat().st_mode & 0o777)
            if sys.platform == "win32":  # which does not rename an open file
                self._close()
            self._disk.rename(self.partial, self.path)
            self._disk.remove(self._mark_path)
            self._disk.force_folder(self.path.parent)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                self._disk.close(file)


def _is_at(file: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`: its last owner may have renamed it."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _locked(file: int) -> bool:
        """Lock a byte that no file has, because Windows forbids others to read what is locked."""
        os.lseek(file, (1 << 31) - 2, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import errno
    import fcntl

    def _locked(file: int) -> bool:
        """Lock the file until it is closed; True too on file systems without locks."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
        return True

"""The one way in which persistent files are written to the disk.

A file is replaced as a whole: its bytes are written to a temporary file next to it, forced to the disk, and renamed
over it, and the folder is forced too. After a crash at any moment, either the old file or the new one is there, never a
part. Logs are appended to; the reader knows how long they were at the last commit (`charloom.training.checkpoints`).

The operations are methods of an object, so that a test can make each of them fail. A failed fsync is never retried on
the same file: the kernel may already have dropped the pages (Rebello et al., ATC '20).
"""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from charloom.errors import StorageError

TEMPORARY = ".tmp"
"""Suffix of a file that is being written; any that remain were left by a crash."""

_REASONS = {
    errno.ENOSPC: "no space is left on the disk; free some",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EACCES: "permission is denied; change the permissions or choose another folder",
    errno.EPERM: "permission is denied; change the permissions or choose another folder",
    errno.EROFS: "the disk is read-only; choose another folder",
    errno.EIO: "the disk reports an input/output error; choose another disk",
}


class Disk:
    """The disk operations that training and saving need; each may raise `OSError`."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file; gives its descriptor."""
        return os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)

    def write(self, file: int, data: memoryview) -> int:
        """Write; gives how many bytes were written."""
        return os.write(file, data)

    def force(self, file: int) -> None:
        """Wait until what was written has reached the disk."""
        os.fsync(file)

    def truncate(self, file: int, size: int) -> None:
        """Cut a file to `size` bytes."""
        os.ftruncate(file, size)

    def close(self, file: int) -> None:
        """Close a descriptor."""
        os.close(file)

    def rename(self, source: Path, target: Path) -> None:
        """Replace `target` by `source`, atomically."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def make_folder(self, path: Path) -> None:
        """Make a folder."""
        path.mkdir()

    def remove_folder(self, path: Path) -> None:
        """Remove an empty folder."""
        path.rmdir()

    def force_folder(self, path: Path) -> None:
        """Wait until the names in a folder have reached the disk."""
        if os.name != "posix":  # Windows cannot open a folder, and journals the rename
            return
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` in the block into a `StorageError` that names `path`, the reason and the remedy."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, f"{(error.strerror or str(error)).lower()}; fix that")
        raise StorageError(f"{path} cannot be written: {reason}, then try again") from error


def write_new(disk: Disk, path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Create `path` with `data`, which may come in pieces, and force it to the disk; the caller forces the folder."""
    with storage_errors(path):
        file = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            for piece in (data,) if isinstance(data, bytes) else data:
                _write_all(disk, file, piece)
            disk.force(file)
        finally:
            disk.close(file)


def write_with_folders(disk: Disk, path: Path, data: bytes | Iterable[bytes]) -> None:
    """The same, after the folders above `path` have been made."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_new(disk, path, data)


def replace(disk: Disk, path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Replace the content of `path` with `data`, which may come in pieces, completely or not at all."""
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        write_new(disk, temporary, data)
        with storage_errors(path):
            disk.rename(temporary, path)
            disk.force_folder(path.parent)
    except StorageError:
        discard(disk, temporary)
        raise


def append(disk: Disk, path: Path, data: bytes, *, at: int) -> None:
    """Write `data` into `path` at byte `at`, truncate the file after it, and force it to the disk."""
    with storage_errors(path):
        new = not path.exists()
        file = disk.open(path, os.O_WRONLY | os.O_CREAT)
        try:
            disk.truncate(file, at)
            os.lseek(file, at, os.SEEK_SET)
            _write_all(disk, file, data)
            disk.force(file)
        finally:
            disk.close(file)
        if new:
            disk.force_folder(path.parent)


def make_folder(disk: Disk, path: Path) -> None:
    """Create the folder `path` and force its parent. `FileExistsError` passes through."""
    try:
        with storage_errors(path):
            disk.make_folder(path)
            disk.force_folder(path.parent)
    except StorageError as error:
        if isinstance(error.__cause__, FileExistsError):
            raise error.__cause__ from None
        raise


def remove_tree(disk: Disk, folder: Path) -> None:
    """Remove a folder of plain files and folders; links are removed, never followed."""
    with storage_errors(folder):
        for entry in sorted(folder.iterdir()):
            if stat.S_ISDIR(entry.lstat().st_mode):
                remove_tree(disk, entry)
            else:
                disk.remove(entry)
        disk.remove_folder(folder)


def discard(disk: Disk, path: Path) -> None:
    """Remove what a failed write left behind, if the disk still allows it; the failure itself is reported."""
    try:
        if path.is_dir():
            remove_tree(disk, path)
        elif path.exists():
            disk.remove(path)
    except (OSError, StorageError):
        pass


def _write_all(disk: Disk, file: int, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[disk.write(file, rest) :]

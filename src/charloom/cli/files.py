"""Files that a verb reads and writes, with one sentence for what goes wrong."""

from pathlib import Path

from charloom.errors import StorageError, TextError


def read(file: Path) -> bytes:
    """What a file holds. Raises `TextError`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise TextError(f"{file} cannot be read: {(error.strerror or str(error)).lower()}; check the path") from None


def refuse_existing(target: Path, force: bool) -> None:
    """Raise `StorageError` for a file that would be lost."""
    if target.exists() and not force:
        raise StorageError(f"{target} exists; write over it with --force, or choose another --output")


def write(target: Path, data: bytes) -> None:
    """Make `data` the content of a file, whole or not at all. Raises `StorageError`."""
    from charloom import disk as disks

    disks.replace(disks.Disk(), target, data)

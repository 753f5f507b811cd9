"""Files that a verb reads and writes, with one sentence for each error."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from charloom.cli.sources import HYPHEN
from charloom.data.compressed import decompressed
from charloom.data.file_kinds import advice
from charloom.errors import CharloomError, SettingsError, StorageError, TextError
from charloom.storage.atomic_files import storage_errors


def read(file: Path) -> bytes:
    """The bytes of a file, or of standard input. Raises `TextError`."""
    if str(file) == HYPHEN:
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from None


def read_text(file: Path) -> str:
    """The text of a file, or of standard input, with newlines as line ends. Raises `TextError`."""
    name = "standard input" if str(file) == HYPHEN else str(file)
    data, _ = decompressed(read(file), name)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise TextError(f"{name} is not UTF-8: byte at offset {error.start:,}; {advice(data, flag=False)}") from None


@contextmanager
def pieces(file: Path, size: int = 1 << 16) -> Iterator[Iterator[bytes]]:
    """The bytes of a file, or of standard input, a piece at a time. Raises `TextError`."""
    try:
        with nullcontext(sys.stdin.buffer) if str(file) == HYPHEN else file.open("rb") as source:
            yield iter(lambda: source.read(size), b"")
    except (OSError, ValueError) as error:
        raise error if isinstance(error, CharloomError) else _unreadable(file, error) from None


def target(path: Path, *, force: bool, otherwise: str = "choose another --output") -> Path:
    """Where `path` leads, if a file may be written there; without `force`, only if none exists. Raises `StorageError`.

    `otherwise`: what else the user can do about an existing file.
    """
    if str(path) == HYPHEN:
        raise SettingsError("this cannot be written to standard output; name a file")
    try:
        resolved = path.resolve()
        if resolved.exists() and not resolved.is_file():
            raise StorageError(f"{path} is not a file; choose another name")
        if resolved.exists() and not force:
            raise StorageError(f"{path} exists; overwrite it with --force, or {otherwise}")
        if not resolved.parent.is_dir():
            raise StorageError(f"{path} cannot be written: there is no folder {resolved.parent}; create it first")
    except (OSError, ValueError) as error:
        raise (error if isinstance(error, StorageError) else _unwritable(path, error)) from None
    return resolved


def new_folder(wanted: Path | None, default: Path) -> Path:
    """A folder that does not exist or is empty: `wanted`, else `default`, `default`-2, -3, ...; it is not created yet.

    Raises `StorageError` if `wanted` is not empty.
    """
    names = [wanted] if wanted else [default, *(default.with_name(f"{default.name}-{n}") for n in range(2, 10_000))]
    try:
        for path in names:
            if not path.exists() or (path.is_dir() and not any(path.iterdir())):
                return path
    except (OSError, ValueError) as error:
        raise _unwritable(names[0], error) from None
    raise StorageError(f"{names[0]} exists and is not empty; choose another --output")


def write(path: Path, data: bytes | Iterable[bytes]) -> int:
    """Replace the content of a file with `data`, completely or not at all, touching nothing else; returns its bytes.

    `data` may come in pieces; whatever is raised while they are produced leaves everything as it was. Raises
    `StorageError`.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".charloom-")
        with os.fdopen(handle, "wb") as file:
            size = sum(file.write(piece) for piece in ((data,) if isinstance(data, bytes) else data))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise _unwritable(path, error) from None
    return size


def write_output(pieces: Iterable[bytes]) -> int:
    """Write `pieces` to standard output, all or nothing: errors in producing them come first. Returns the bytes."""
    with tempfile.TemporaryFile() as waiting:
        with storage_errors(Path(tempfile.gettempdir())):
            size = sum(waiting.write(piece) for piece in pieces)
            waiting.seek(0)
        sys.stdout.flush()
        shutil.copyfileobj(waiting, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return size


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unreadable(file: Path, error: Exception) -> TextError:
    return TextError(f"{file} cannot be read: {_reason(error)}; check the path")


def _unwritable(path: Path, error: Exception) -> StorageError:
    return StorageError(f"{path} cannot be written: {_reason(error)}; choose another name")


def _reason(error: Exception) -> str:
    return str((error.strerror if isinstance(error, OSError) else None) or error).lower()

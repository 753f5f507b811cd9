"""Many files compressed."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from charloom.compress.codec import Codec, Compressed
from charloom.machine.workers import check
from charloom.many.folders import unreadable
from charloom.many.groups import Group, answered, groups
from charloom.many.model_place import lasting_place
from charloom.models.model_folder import ModelPlace


def compress(
    model: ModelPlace,
    files: Iterable[bytes | str | PathLike[str]],
    *,
    adaptive: bool = False,
    workers: int | None = None,
) -> Iterator[Compressed]:
    """Each file compressed and checked, in order, as an iterator; a file is a path, or its bytes.

    Nothing is written: `Compressed.data` is what belongs into a `.cl` file. With `workers` of 2 or more that many
    processes share the files. Raises `TextError` for a file that cannot be read, `FolderError`, `SettingsError`,
    `MissingExtraError` without the extra `compress`.
    """
    check(workers)
    prepare = Archiver(lasting_place(model), adaptive)
    asked = groups((each if isinstance(each, bytes) else Path(each) for each in files), together=1)
    return (archive.compressed for _, some in answered(prepare, asked, workers=workers) for archive in some)


@dataclass(frozen=True)
class Archive:
    """A compressed file, and the seconds for coding and for checking it."""

    compressed: Compressed
    seconds: float
    check_seconds: float


@dataclass(frozen=True)
class Archiver:
    """Prepares a model that compresses files."""

    model: ModelPlace
    adaptive: bool = False

    def __call__(self) -> Callable[[Group[bytes | Path]], list[Archive]]:
        codec = Codec(self.model)
        return lambda group: [self._archive(codec, file) for file in group.rows]

    def _archive(self, codec: Codec, file: bytes | Path) -> Archive:
        began = time.monotonic()
        compressed = codec.encode(_pieces(file), adaptive=self.adaptive)
        coded = time.monotonic()
        codec.check(compressed)
        return Archive(compressed, coded - began, time.monotonic() - coded)


def _pieces(file: bytes | Path, size: int = 1 << 16) -> Iterator[bytes]:
    if isinstance(file, bytes):
        yield file
        return
    try:
        with file.open("rb") as source:
            yield from iter(lambda: source.read(size), b"")
    except OSError as error:
        raise unreadable(file, error) from None

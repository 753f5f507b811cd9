"""A file of counted words: the tables of `PrunedCounts` as safetensors, compressed with xz.

Numbers are stored byte plane by byte plane, and ranks within a context as differences, which xz packs to about a third.
"""

import itertools
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import safetensors.numpy

from charloom.complete.next_words import Places
from charloom.complete.pruned_counts import PrunedCounts, Tables
from charloom.errors import FolderError
from charloom.models.model_folder import ModelPlace, model_folder
from charloom.places.ready_made import WORDS
from charloom.storage.atomic_files import Disk, replace
from charloom.storage.tensor_files import Array, pack_arrays

LARGEST_FILE, LARGEST_TABLES, LARGEST_MEMORY = 16 << 20, 32 << 20, 64 << 20
"""Most bytes of a file, of its tables, and of what unpacking it may take."""

_NUMBERS = ("counts", "before", "around", "followers", "second_counts", "pair_followers", "totals", "third_counts")

Read = TypeVar("Read")


def words_file(place: ModelPlace) -> Path | None:
    """The file of counted words in a model folder, or in that of a ready-made model by name; None if it has none.

    Raises `FolderError` if there is no model.
    """
    path = model_folder(place) / WORDS
    return path if path.is_file() else None


def counted_words(place: ModelPlace) -> PrunedCounts | None:
    """The words that come with a model, as a `MixedCompleter` counts them; None for a model without any.

    `place`: a model folder, or the name of a ready-made model such as "english". Raises `FolderError`.
    """
    path = words_file(place)
    return None if path is None else read_counts(path)


def read_counts(path: Path) -> PrunedCounts:
    """The counts in a file. Raises `FolderError`."""
    return _checked(path, lambda arrays: PrunedCounts(_tables(arrays)))


def read_word_counts(path: Path) -> dict[str, int]:
    """The words and marks in a file, and how often each occurs. Raises `FolderError`."""

    def words(arrays: dict[str, Array]) -> dict[str, int]:
        return dict(zip(_words(arrays), _whole(arrays["counts"]).tolist(), strict=True))

    return _checked(path, words)


def write_counts(path: Path, counts: PrunedCounts) -> None:
    """Write the counts to a file; equal counts give equal bytes. Raises `StorageError`."""
    tables = counts.tables
    arrays = {name: _planes(getattr(tables, name)) for name in _NUMBERS}
    arrays["second"] = _planes(_differences(tables.second, tables.followers))
    arrays["third"] = _planes(_differences(tables.third, tables.pair_followers))
    arrays["words"] = np.frombuffer("\n".join(tables.words).encode(), np.uint8)
    replace(Disk(), path, lzma.compress(pack_arrays(arrays), preset=6 | lzma.PRESET_EXTREME))


def _checked(path: Path, take: Callable[[dict[str, Array]], Read]) -> Read:
    """What `take` makes of the arrays of a file, each of which is checked. Raises `FolderError`."""
    try:
        with path.open("rb") as file:
            packed = file.read(LARGEST_FILE + 1)
        unpacker = lzma.LZMADecompressor(memlimit=LARGEST_MEMORY)
        data = unpacker.decompress(packed, LARGEST_TABLES)
        if len(packed) > LARGEST_FILE or not unpacker.eof:
            raise ValueError("cut off or too large")
        arrays = safetensors.numpy.load(data)
        if any(array.dtype != np.uint8 for array in arrays.values()):
            raise ValueError("bytes")
        return take(arrays)
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror}; check its permissions") from None
    except (lzma.LZMAError, safetensors.SafetensorError, ValueError, KeyError, EOFError, OverflowError):
        raise FolderError(f"{path} is damaged; install charloom again, or restore the file from a copy") from None


def _tables(arrays: dict[str, Array]) -> Tables:
    numbers = {name: _whole(arrays[name]) for name in _NUMBERS}
    second = _summed(_whole(arrays["second"]), numbers["followers"])
    third = _summed(_whole(arrays["third"]), numbers["pair_followers"])
    return Tables(words=_words(arrays), second=second, third=third, **numbers)


def _words(arrays: dict[str, Array]) -> list[str]:
    """Raises `ValueError` unless the words are sorted and differ."""
    words = arrays["words"].tobytes().decode().split("\n")
    if "" in words or any(one >= other for one, other in itertools.pairwise(words)):
        raise ValueError("words in order")
    return words


def _planes(numbers: Places) -> Array:
    """Numbers (N,) as bytes (B, N): the least significant ones first, as few as the largest number needs."""
    size = next(size for size in (1, 2, 4) if numbers.max(initial=0) < 1 << 8 * size)
    return numbers.astype(f"<u{size}").view(np.uint8).reshape(-1, size).T


def _whole(planes: Array) -> Places:
    """The numbers (N,) of which these are the bytes (B, N)."""
    if planes.ndim != 2 or len(planes) not in (1, 2, 4):
        raise ValueError("bytes of numbers")
    return np.ascontiguousarray(planes.T).view(f"<u{len(planes)}")[:, 0].astype(np.int64)


def _differences(ranks: Places, sizes: Places) -> Places:
    """Ranks that grow within groups of these sizes: the first of each, then how many are left out before the next."""
    steps = np.diff(ranks, prepend=0) - 1
    first = np.cumsum(sizes)[sizes > 0] - sizes[sizes > 0]
    steps[first] = ranks[first]
    return steps


def _summed(steps: Places, sizes: Places) -> Places:
    """The inverse of `_differences`. Raises `ValueError` if the groups have another length in all."""
    if sizes.sum() != len(steps):
        raise ValueError("groups")
    sums = np.cumsum(steps + 1)
    before = np.concatenate(([0], sums))[np.cumsum(sizes) - sizes]
    ranks: Places = sums - np.repeat(before, sizes) - 1
    return ranks

"""Where texts end that were joined to one: places in characters, in an array that nobody can change."""

import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Ends = NDArray[np.int64]
"""(N,): how many characters come before the end of each text, ascending."""

_WRITTEN = 1 << 14
"""Ends written at a time."""


def ends_at(places: Iterable[int]) -> Ends:
    """Ends at these places."""
    return unchangeable(np.fromiter(places, np.int64))


def unchangeable(ends: Ends) -> Ends:
    """The same ends, in an array that cannot be written."""
    ends = ends.view()
    ends.flags.writeable = False
    return ends


NO_ENDS = ends_at(())
"""A single text, which has no end."""


def ends_within(ends: Ends, start: int, stop: int) -> Ends:
    """The ends after `start` and up to `stop`, counted from `start`; no copy if that is 0."""
    low, high = np.searchsorted(ends, (start, stop), side="right")
    return unchangeable(ends[low:high] - start if start else ends[low:high])


def written(ends: Ends) -> Iterator[bytes]:
    """The ends as Python writes a tuple of whole numbers, in pieces: part of the SHA-256 of several texts."""
    yield b"("
    for first in range(0, len(ends), _WRITTEN):
        yield (", " * bool(first) + ", ".join(map(str, ends[first : first + _WRITTEN].tolist()))).encode()
    yield b",)" if len(ends) == 1 else b")"


def heads(data: "bytes | memoryview") -> NDArray[np.bool_]:
    """A mask of the bytes of UTF-8 that begin a character."""
    found: NDArray[np.bool_] = np.frombuffer(data, np.int8) >= -0x40
    return found


def bytes_at(
    places: Ends, counts: NDArray[np.int64], block: int, heads_of: Callable[[int], NDArray[np.bool_]], size: int
) -> Ends:
    """The bytes at which characters begin, of a text of `size` bytes.

    `places` are ascending numbers of characters; `counts` how many characters begin before each block of `block`
    bytes, and at last how many there are; `heads_of` gives a mask of the bytes of a block that begin a character.
    """
    found = np.full(len(places), size, np.int64)
    owners = np.searchsorted(counts, places, side="right") - 1
    numbers, firsts = np.unique(owners, return_index=True)
    for number, (first, last) in zip(numbers.tolist(), itertools.pairwise([*firsts, len(places)]), strict=True):
        if number < len(counts) - 1:
            begins = np.flatnonzero(heads_of(number))
            found[first:last] = number * block + begins[places[first:last] - counts[number]]
    return found

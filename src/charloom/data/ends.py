"""Where texts end that were joined to one: places in characters, in an array that nobody can change."""

from collections.abc import Iterable, Iterator

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

"""The text as a sequence of batches: batch k is a pure function of the ids, the sizes and k.

Nothing here has a state, so a run that goes on from step k reads just what an unbroken one would have read.
Axes: T time, B streams (or documents) side by side.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

Ids = NDArray[Any]
"""Symbol ids (T,), in any integer type."""

IGNORED = -100
"""Target of a place that holds no symbol: it counts neither in the loss nor in a score."""


@dataclass(frozen=True)
class Batch:
    """Symbols to read and symbols to predict."""

    inputs: torch.Tensor
    "(T, B) int64"
    targets: torch.Tensor
    "(T, B) int64; `IGNORED` where there is nothing to predict."
    begins: bool
    "Whether the rows begin here, with a zero state; else the state of the batch before is carried on."
    symbols: int
    "Targets that count."


class Batches(Protocol):
    """Batches of an epoch after another, without end."""

    @property
    def streams(self) -> int:
        """B"""

    def __len__(self) -> int:
        """Batches in an epoch."""

    def __getitem__(self, k: int) -> Batch:
        """Batch k >= 0; epoch after epoch."""


class Streams:
    """A text folded into B columns, which are read side by side from top to bottom (truncated backpropagation).

    An epoch holds each symbol once as a target. Columns differ by one symbol at most, batches too, and none is longer
    than `sequence_length`. The state is carried from batch to batch and is zero at the beginning of an epoch. A text too
    short for B columns of one sequence gets fewer columns.

        position(t, b) = start_b + t        input = ids[position - 1], the boundary before the first
                                            target = ids[position]
    """

    def __init__(self, ids: Ids, *, boundary: int, batch_size: int, sequence_length: int) -> None:
        self._ids, self._boundary = ids, boundary
        self.streams = max(1, min(batch_size, len(ids) // sequence_length))
        short, longer = divmod(len(ids), self.streams)
        column = np.arange(self.streams)
        self._starts = column * short + np.minimum(column, longer)
        self._lengths = short + (column < longer)
        self._times = short + (longer > 0)
        self._batches = -(-self._times // sequence_length)

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, k: int) -> Batch:
        slot = k % self._batches
        first, last = (place * self._times // self._batches for place in (slot, slot + 1))
        return rows(self._ids, self._starts, self._lengths, first, last, boundary=self._boundary)


class Documents:
    """Many short texts, a text a row; the state is zero where each begins, and padding counts nowhere.

    Texts are grouped with others of about their length, anew in each epoch, drawn by PCG64([seed, epoch]). A text longer
    than `sequence_length` goes on in the next batch, with its state.
    """

    _WINDOW = 16  # groups among which texts are sorted by length: larger pads less, smaller mixes more

    def __init__(self, ids: Ids, *, boundary: int, batch_size: int, sequence_length: int, seed: int) -> None:
        self._ids, self._boundary, self._length, self._seed = ids, boundary, sequence_length, seed
        self._starts, self._lengths = spans(ids, boundary)
        self.streams = min(batch_size, len(self._starts))
        parts = -(-self._lengths // sequence_length)
        self._by_parts = np.argsort(parts, kind="stable")
        self._parts = parts[self._by_parts]
        self._group_starts = np.arange(0, len(parts), self.streams)
        self._group_parts = np.maximum.reduceat(self._parts, self._group_starts)
        self._order: tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return int(self._group_parts.sum())

    def __getitem__(self, k: int) -> Batch:
        epoch, slot = divmod(k, len(self))
        texts, groups, ends = self._epoch(epoch)
        place = int(np.searchsorted(ends, slot, side="right"))
        group = groups[place]
        part = slot - int(ends[place] - self._group_parts[group])
        start = self._group_starts[group]
        chosen = texts[start : start + self.streams]
        starts, lengths = self._starts[chosen], self._lengths[chosen]
        first = part * self._length
        last = min(first + self._length, int(lengths.max()))
        return rows(self._ids, starts, lengths, first, last, boundary=self._boundary)

    def _epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The order of the texts, the order of their groups, and the number of batches up to each group's end."""
        if self._order is None or self._order[0] != epoch:
            draw = np.random.Generator(np.random.PCG64([self._seed, epoch]))
            texts = self._by_parts[np.lexsort((draw.random(len(self._parts)), self._parts))]
            window = np.arange(len(texts)) // (self.streams * self._WINDOW)
            texts = texts[np.lexsort((self._lengths[texts], window, self._parts))]
            groups = draw.permutation(len(self._group_starts))
            self._order = epoch, texts, groups, np.cumsum(self._group_parts[groups])
        return self._order[1:]


def spans(ids: Ids, boundary: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and lengths of the texts in `ids`, each with the boundary that closes it; the last may be open."""
    stops = np.flatnonzero(ids == boundary) + 1
    if len(ids) and (len(stops) == 0 or stops[-1] != len(ids)):
        stops = np.append(stops, len(ids))
    starts = np.concatenate(([0], stops))[: len(stops)].astype(np.int64)
    return starts, stops - starts


def rows(
    ids: Ids, starts: NDArray[np.int64], lengths: NDArray[np.int64], first: int, last: int, *, boundary: int
) -> Batch:
    """Symbols `first` to `last` of the rows that begin at `starts`, side by side; what lies beyond a row's length is ignored.

    The input of a row's first symbol is the symbol before it in `ids`, or the boundary where there is none.
    """
    time = np.arange(first - 1, last)[:, None]
    places = starts + time
    symbols = ids[np.clip(places, 0, len(ids) - 1)].astype(np.int64)
    symbols[places < 0] = boundary
    inputs, targets = symbols[:-1], symbols[1:].copy()
    outside = time[1:] >= lengths
    targets[outside] = IGNORED
    symbols_to_predict = targets.size - int(np.count_nonzero(outside))
    return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), first == 0, symbols_to_predict)

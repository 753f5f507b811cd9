"""A text as a sequence of batches: batch k is a pure function of the ids, the sizes and k.

Nothing here has state, so a run resumed at step k reads exactly what an uninterrupted run would have read.
Axes: T time, B streams (or documents) side by side.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.data.stored_ids import AnyIds

Ids = NDArray[Any]
"""Symbol ids (T,), in any integer type."""

Integers = NDArray[np.int64]

IGNORED = -100
"""Target of a position without a symbol: it counts in neither the loss nor the score."""


Piece = tuple[torch.Tensor, torch.Tensor]
"""Inputs and targets, both (T, B) int64."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Symbols to read and symbols to predict; in several pieces if rows end at different times."""

    pieces: tuple[Piece, ...]
    "Consecutive in time; each continues the first rows of the previous piece."
    lengths: Integers
    "(B,): how many targets of each row count, from its start."
    carried: torch.Tensor
    "int64: the rows that continue from the previous batch, in the order given there; the others start at zero."
    going_on: torch.Tensor
    "int64: the rows that continue in the next batch."
    weight: float = 1.0
    "Its number of targets, divided by the mean over the epoch's batches: the weight of its mean loss."
    in_place: bool = False
    "Whether a row that continues is the same row of the next batch."

    @property
    def inputs(self) -> torch.Tensor:
        """Symbols to read (T, B) int64; 0 after the end of a row."""
        return _side_by_side([inputs for inputs, _ in self.pieces], 0)

    @property
    def targets(self) -> torch.Tensor:
        """Symbols to predict (T, B) int64; `IGNORED` if there is nothing to predict."""
        return _side_by_side([targets for _, targets in self.pieces], IGNORED)

    @property
    def begins(self) -> bool:
        """Whether every row starts here, with a zero state."""
        return len(self.carried) == 0

    @property
    def symbols(self) -> int:
        """Number of targets that count."""
        return int(self.lengths.sum())


class Batches(Protocol):
    """An endless sequence of batches, epoch after epoch."""

    @property
    def streams(self) -> int:
        """B"""

    def __len__(self) -> int:
        """Number of batches in an epoch."""

    def __getitem__(self, k: int) -> Batch:
        """Batch k >= 0, counted across epochs."""


class Streams:
    """A text folded into B columns, which are read side by side from top to bottom (truncated backpropagation).

    In an epoch, each symbol is a target once. The lengths of columns differ by at most one symbol, those of batches
    too, and no batch is longer than `sequence_length`. The state is carried from batch to batch and is zero at the
    start of an epoch. A text too short for B columns of one sequence each gets fewer columns.

        position(t, b) = start_b + t        input = ids[position - 1], or the boundary for the first
                                            target = ids[position]
    """

    def __init__(self, ids: AnyIds, *, boundary: int, batch_size: int, sequence_length: int) -> None:
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
        batch = rows(self._ids, self._starts, self._lengths, first, last, boundary=self._boundary)
        return replace(batch, weight=batch.symbols * self._batches / max(1, len(self._ids)))


def spans(ids: Ids, boundary: int) -> tuple[Integers, Integers]:
    """Starts and lengths of the texts in `ids`, each including its closing boundary; the last may lack one."""
    stops = np.flatnonzero(ids == boundary) + 1
    if len(ids) and (len(stops) == 0 or stops[-1] != len(ids)):
        stops = np.append(stops, len(ids))
    starts = np.concatenate(([0], stops))[: len(stops)].astype(np.int64)
    return starts, stops - starts


def folded(starts: Integers, lengths: Integers, rows: int) -> tuple[Integers, Integers]:
    """Starts and lengths of the texts, where those longer than a `rows`-th of them all are cut into equal pieces."""
    longest = max(1, -(-int(lengths.sum()) // rows))
    counts = -(-lengths // longest)
    owner, number = pieces(counts)
    begins, ends = (place * lengths[owner] // counts[owner] for place in (number, number + 1))
    return starts[owner] + begins, ends - begins


def pieces(counts: Integers) -> tuple[Integers, Integers]:
    """For texts cut into `counts` pieces each: which text each piece belongs to, and its number there, from 0."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]


def rows(ids: AnyIds, starts: Integers, lengths: Integers, first: int, last: int, *, boundary: int) -> Batch:
    """Symbols `first` to `last` of the rows that begin at `starts`, side by side; ignored beyond a row's length."""
    everyone = torch.arange(len(starts))
    return Batch(
        (piece(ids, starts, lengths, first, last, boundary=boundary),),
        lengths=np.clip(lengths - first, 0, last - first),
        carried=everyone[torch.from_numpy(lengths > first) if first else slice(0)],
        going_on=everyone[torch.from_numpy(lengths > last)],
        in_place=True,
    )


def piece(ids: AnyIds, starts: Integers, lengths: Integers, first: int, last: int, *, boundary: int) -> Piece:
    """Inputs and targets of `rows`.

    The input of a row's first symbol is the symbol before it in `ids`, or the boundary at the start of `ids`.
    """
    time = np.arange(first - 1, last)[:, None]
    places = starts + time
    symbols = ids[np.clip(places, 0, len(ids) - 1)].astype(np.int64)
    symbols[places < 0] = boundary
    inputs, targets = symbols[:-1], symbols[1:].copy()
    targets[time[1:] >= lengths] = IGNORED
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def _side_by_side(parts: list[torch.Tensor], empty: int) -> torch.Tensor:
    """Parts (T, B) stacked along time, padded with `empty` where a part has fewer rows than the first."""
    if len(parts) == 1:
        return parts[0]
    width = parts[0].shape[1]
    return torch.cat([torch.nn.functional.pad(part, (0, width - part.shape[1]), value=empty) for part in parts])

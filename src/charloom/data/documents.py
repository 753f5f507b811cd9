"""Several texts as batches: every step sees a random mix of them, with hardly any padding.

Texts of equal length in a step would need no padding, but such a step teaches lengths that the text does not have: a
step of empty lines says that every line is empty. So texts are drawn regardless of length, the rows of a step are
sorted by length, and the network reads them as a staircase: rows that have ended are left out of the rest.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.data.batches import Batch, Ids, Integers, folded, piece, spans

CALL = 128
"""The cost of one more call of the network, in symbols: measured with layers of 256 and 512 units on one core."""

LEAST = 32
"""A row counts as at least this many symbols when the size of a step is chosen: steps of a few names would be slow."""


@dataclass(frozen=True, eq=False)
class _Epoch:
    """Which part of which text is read at which step; sorted by step."""

    number: int
    texts: Integers
    parts: Integers
    ends: Integers
    "(K,): how many parts have been read by the end of each step."


class Documents:
    """Texts that each begin with a zero state, one per row, in a new order for each epoch, drawn by PCG64([seed,
    epoch]); `seed` may be several numbers. `before` is the symbol before the first, a boundary if none is given.

    In an epoch, each symbol is a target once. A text longer than `sequence_length` continues in the next batch, with
    its state. Batches hold roughly equal numbers of symbols: `batch_size` rows of the length of the text in which an
    average symbol lies (at most `sequence_length`, at least `LEAST`). They hold fewer only if the whole text has fewer,
    or if one text is so long that it takes more steps. With `fold`, none is: a text longer than a column of `Streams`
    is cut into pieces, which begin as columns do, with a zero state and the symbol before them.
    """

    def __init__(
        self,
        ids: Ids,
        *,
        boundary: int,
        batch_size: int,
        sequence_length: int,
        seed: int | tuple[int, ...],
        fold: bool = False,
        before: int | None = None,
    ) -> None:
        self._ids, self._length = ids, sequence_length
        self._before = boundary if before is None else before
        self._seed = (seed,) if isinstance(seed, int) else seed
        self._starts, self._lengths = spans(ids, boundary)
        if fold:
            columns = max(1, min(batch_size, len(ids) // sequence_length))
            self._starts, self._lengths = folded(self._starts, self._lengths, columns)
        self._parts = -(-self._lengths // sequence_length)
        rows = np.minimum(self._lengths, sequence_length)
        typical = max(float(rows @ self._lengths) / len(ids), min(LEAST, sequence_length))
        step = max(round(batch_size * typical), int(rows.max()))  # at least as long as a row, so that no step is empty
        self._batches = max(int(self._parts.max()), len(ids) // step)
        self.streams = max(1, min(batch_size, round(len(ids) / self._batches / typical)))
        self._last: _Epoch | None = None

    def __len__(self) -> int:
        return self._batches

    def __getitem__(self, k: int) -> Batch:
        number, slot = divmod(k, self._batches)
        if self._last is None or self._last.number != number:
            self._last = self._epoch(number)
        epoch = self._last
        here = slice(epoch.ends[slot - 1] if slot else 0, epoch.ends[slot])
        texts, begun = epoch.texts[here], epoch.parts[here] * self._length
        left = self._lengths[texts] - begun
        order = np.lexsort((texts, -np.minimum(left, self._length)))
        texts, begun, left = texts[order], begun[order], left[order]
        starts, lengths = self._starts[texts] + begun, np.minimum(left, self._length)
        return Batch(
            tuple(
                piece(self._ids, starts[:rows], lengths[:rows], first, last, boundary=self._before)
                for first, last, rows in stairs(lengths)
            ),
            lengths=lengths,
            carried=_chosen(begun > 0, texts),
            going_on=_chosen(left > self._length, texts),
            weight=int(lengths.sum()) * self._batches / len(self._ids),
        )

    def _epoch(self, number: int) -> _Epoch:
        draw = np.random.Generator(np.random.PCG64([*self._seed, number]))
        shuffled = draw.permutation(len(self._parts))
        long, short = (shuffled[chosen] for chosen in (self._parts[shuffled] > 1, self._parts[shuffled] == 1))
        many = self._parts[long]
        texts = np.repeat(long, many)
        parts = np.arange(len(texts)) - np.repeat(np.cumsum(many) - many, many)
        steps = np.repeat(_columns(many, self._batches, draw), many) + parts
        symbols = np.minimum(self._length, self._lengths[texts] - parts * self._length)
        loads = np.bincount(steps, symbols, self._batches).astype(np.float64)
        steps = np.concatenate((steps, _filled(self._lengths[short], loads)))
        order = np.argsort(steps, kind="stable")
        texts = np.concatenate((texts, short))[order]
        parts = np.concatenate((parts, np.zeros_like(short)))[order]
        return _Epoch(number, texts, parts, np.cumsum(np.bincount(steps, minlength=self._batches)))


def stairs(lengths: Integers) -> list[tuple[int, int, int]]:
    """First time, last time and number of rows of the pieces in which rows of these descending lengths are read.

    The pieces cover every symbol that counts at the least total cost; each piece costs `CALL` plus its size.
    """
    times = np.concatenate(([0], np.unique(lengths)))
    rows_beyond = len(lengths) - np.searchsorted(lengths[::-1], times, side="right")
    best, previous = np.zeros(len(times)), np.zeros(len(times), np.int64)
    for end in range(1, len(times)):
        costs = best[:end] + CALL + (times[end] - times[:end]) * rows_beyond[:end]
        previous[end] = np.argmin(costs)
        best[end] = costs[previous[end]]
    pieces, end = [], len(times) - 1
    while end:
        start = previous[end]
        pieces.append((int(times[start]), int(times[end]), int(rows_beyond[start])))
        end = start
    return pieces[::-1]


def _chosen(rows: NDArray[np.bool_], texts: Integers) -> torch.Tensor:
    """The chosen rows, in the order of their texts, which is the same in both batches."""
    places = np.flatnonzero(rows)
    return torch.from_numpy(places[np.argsort(texts[places])])


def _columns(parts: Integers, steps: int, draw: np.random.Generator) -> Integers:
    """The step at which each text begins, given the steps it takes; texts are stacked in columns of `steps` steps.

    The first column begins with the epoch and the second ends with it, so with two columns no step is empty; later
    columns start up to one text later, so that texts of equal length do not all end in the same step.
    """
    ends = np.concatenate(([0], np.cumsum(parts)))
    begins = np.zeros(len(parts), np.int64)
    column = first = 0
    while first < len(parts):
        late = 0 if column < 2 else int(draw.integers(min(parts[first], steps - parts[first] + 1)))
        beyond = int(np.searchsorted(ends, ends[first] + steps - late, side="right")) - 1
        if column == 1:
            late = steps - int(ends[beyond] - ends[first])
        begins[first:beyond] = ends[first:beyond] - ends[first] + late
        first, column = beyond, column + 1
    return begins


def _filled(symbols: Integers, loads: NDArray[np.float64]) -> Integers:
    """The step of each text, in order, so that all steps hold equally many symbols, `loads` included."""
    low = np.sort(loads)
    levels = (symbols.sum() + np.cumsum(low)) / np.arange(1, len(low) + 1)
    level = levels[np.count_nonzero(levels >= low) - 1]
    room = np.cumsum(np.maximum(level - loads, 0))
    middles = np.cumsum(symbols) - symbols / 2
    return np.minimum(np.searchsorted(room, middles, side="right"), len(loads) - 1).astype(np.int64)

"""An n-gram model for each class, all in one table.

    p_k(w | h, class) = max(a(hw) - D_k(a(hw)), 0) / a(h)  +  gamma(h) p_{k-1}(w | h', class),        p_0 = 1 / V

a counts the sequences in the texts of the class; below the highest order it counts the symbols seen before them. This
is Kneser-Ney smoothing with three discounts per order (Chen and Goodman 1998, section 3), as in
`charloom.evaluation.baselines`, but a sequence is looked up once for all classes. Each class that has seen it stores
two numbers: the share of its context's mass that the sequence keeps, and the mass gamma that the context passes down.
Such models identify languages (Dunning 1994) and classify texts (Peng, Schuurmans and Wang 2004).

A boundary is read as a space if the vocabulary has one, so that a single word looks like a word in a text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.classify.symbols import Symbols, SymbolTable

Places = NDArray[np.int64]
Floats = NDArray[np.float64]

TOGETHER = 1 << 20
"""The most probabilities in memory at a time: one for each symbol and class."""

COUNTED = 1 << 25
"""The most symbols that are counted, divided equally among the classes; further texts of a class are left out."""

MOST_CLASSES = 1 << 16
"""A class is stored in 16 bits."""

GIVEN = 0.999
"""The largest share of a count that is discounted; only fractional counts reach it."""


@dataclass(frozen=True, eq=False)
class Sparse:
    """Sparse rows of numbers: those of row r are at `starts[r]` up to `starts[r + 1]`."""

    starts: NDArray[np.uint32]
    columns: NDArray[np.uint16]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, rows: Places, columns: Places, values: Floats, *, count: int) -> "Sparse":
        """Build `count` rows from numbers sorted by row."""
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
        return cls(starts.astype(np.uint32), columns.astype(np.uint16), values.astype(np.float32))

    def put(self, target: NDArray[np.float32], rows: Places) -> None:
        """Write row `rows[t]` into `target[t]`, in place; negative rows are skipped."""
        there = np.flatnonzero(rows >= 0)
        first = self.starts[rows[there]].astype(np.int64)
        counts = self.starts[rows[there] + 1] - first
        ends = np.cumsum(counts)
        places = np.arange(counts.sum()) + np.repeat(first - (ends - counts), counts)
        target[np.repeat(there, counts), self.columns[places]] = self.values[places]


@dataclass(frozen=True, eq=False)
class Order:
    """The sequences of one length."""

    codes: Places
    "Sorted; each is the index of the sequence without its last symbol, one order below, times V, plus that symbol."
    shares: Sparse
    "A row for each sequence: the share of its context's mass that it keeps in each class."
    passed: Sparse
    "A row for each context: the mass gamma that it passes to the order below in each class."


@dataclass(frozen=True, eq=False)
class NGrams:
    """log P(text | class) from counts."""

    table: SymbolTable
    classes: int
    orders: tuple[Order, ...]

    @classmethod
    def count(
        cls,
        texts: Sequence[Symbols],
        labels: NDArray[np.int64],
        table: SymbolTable,
        *,
        classes: int,
        longest: int,
        weights: Floats | None = None,
    ) -> "NGrams":
        """Count sequences of up to `longest` symbols in texts (without boundaries) of the classes `labels` (N,).

        A text of weight w counts like w texts; `weights` (N,) need not be whole numbers.
        """
        texts = _counted(texts, labels, COUNTED // classes)
        ids, owners, depths = _line(texts, table)
        mine, base = labels[owners], len(table)
        amounts = None if weights is None else weights[owners]
        context: Places = np.zeros(len(ids), np.int64)
        levels: list[_Level] = []
        for length in range(1, min(longest, int(depths.max()) + 1) + 1):
            inside = depths >= length - 1
            codes, indices = np.unique(context[inside] * base + ids[inside], return_inverse=True)
            places: Places = np.full(len(ids), -1)
            places[inside] = indices
            levels.append(_Level.of(codes, places, mine, np.flatnonzero(inside & (depths > 0)), classes, amounts))
            context = np.concatenate([[-1], places[:-1]])
        return cls(table, classes, tuple(_smoothed(levels, mine, depths, amounts, base=base, classes=classes)))

    def nats(self, texts: Sequence[Symbols]) -> Floats:
        """log P(text | class) (N, C) of encoded texts, without boundaries; symbols never counted are ignored."""
        nats = [self._together(part) for part in _parts(texts, TOGETHER // self.classes)]
        return np.concatenate(nats) if nats else np.zeros((0, self.classes))

    def _together(self, texts: Sequence[Symbols]) -> Floats:
        ids, _, depths = _line(texts, self.table)
        base = len(self.table)
        probability = np.full((len(ids), self.classes), 1 / base, np.float32)
        context: Places = np.zeros(len(ids), np.int64)
        silent = depths == 0
        for length, order in enumerate(self.orders, 1):
            context[depths < length - 1] = -1
            wanted = context * base + ids
            places = np.minimum(np.searchsorted(order.codes, wanted), len(order.codes) - 1)
            places[(context < 0) | (order.codes[places] != wanted)] = -1
            passed, share = np.ones_like(probability), np.zeros_like(probability)
            order.passed.put(passed, context)
            order.shares.put(share, places)
            probability = share + passed * probability
            context = np.concatenate([[-1], places[:-1]])
            if length == 1:
                silent |= places < 0
        logs = np.log(probability, dtype=np.float64)
        logs[silent] = 0
        return np.add.reduceat(logs, np.flatnonzero(depths == 0))


@dataclass(frozen=True, eq=False)
class _Level:
    """The sequences of one length in order of occurrence, and their counts in each class."""

    codes: Places
    places: Places
    "(T,) Index in `codes` of the sequence that ends here; -1 if none of this length does."
    keys: Places
    "Sequence and class of each pair that occurs, as one number; sorted."
    counts: Places | Floats
    first: Places
    "Where each pair first ends in the line."

    @classmethod
    def of(
        cls, codes: Places, places: Places, mine: Places, where: Places, classes: int, amounts: Floats | None
    ) -> "_Level":
        pairs = places[where] * classes + mine[where]
        if amounts is None:
            keys, first, counts = np.unique(pairs, return_index=True, return_counts=True)
            return cls(codes, places, keys, counts.astype(np.int64), where[first])
        keys, first, indices = np.unique(pairs, return_index=True, return_inverse=True)
        return cls(codes, places, keys, np.bincount(indices, amounts[where]), where[first])


def _smoothed(
    levels: list[_Level], mine: Places, depths: Places, amounts: Floats | None, *, base: int, classes: int
) -> Iterator[Order]:
    for number, level in enumerate(levels):
        counts, grams, owners = level.counts, level.keys // classes, level.keys % classes
        if number + 1 < len(levels):
            # distinct preceding symbols; the opening of a text, which has none, counts as it is
            opening = np.flatnonzero((depths == number) & (depths > 0))
            ends = np.concatenate([levels[number + 1].first, opening])
            ones = np.ones(len(levels[number + 1].first))
            each = None if amounts is None else np.concatenate([ones, amounts[opening]])
            counts = np.bincount(
                np.searchsorted(level.keys, level.places[ends] * classes + mine[ends]), each, minlength=len(counts)
            )
        # a fractional count is discounted like the next whole one, as far as it suffices
        whole = np.ceil(counts - 1e-9).astype(np.int64)
        discount = np.minimum(_discounts(whole, owners, classes)[np.minimum(whole, 3), owners], GIVEN * counts)
        contexts, where = np.unique(level.codes[grams] // base * classes + owners, return_inverse=True)
        totals = np.bincount(where, counts)
        shares = Sparse.of(grams, owners, (counts - discount) / totals[where], count=len(level.codes))
        passed = np.bincount(where, discount) / totals
        below = len(levels[number - 1].codes) if number else 1
        yield Order(level.codes, shares, Sparse.of(contexts // classes, contexts % classes, passed, count=below))


def _discounts(counts: Places, owners: Places, classes: int) -> Floats:
    """(4, C) Discounts of counts 0, 1, 2, and 3 or more, estimated from how many counts are 1, 2, 3 and 4."""
    n1, n2, n3, n4 = (
        np.maximum(np.bincount(owners[counts == number], minlength=classes), 1) for number in (1, 2, 3, 4)
    )
    y = n1 / (n1 + 2 * n2)
    estimates = np.stack([1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return np.concatenate([np.zeros((1, classes)), np.clip(estimates, 0.05, np.array([[0.99], [1.99], [2.99]]))])


def _line(texts: Sequence[Symbols], table: SymbolTable) -> tuple[Places, Places, Places]:
    """All texts in one line, each between boundaries: the symbols (T,), their texts, and their places in them."""
    lengths = np.array([len(text) + 2 for text in texts], np.int64)
    ends = np.cumsum(lengths)
    owners = np.repeat(np.arange(len(texts)), lengths)
    depths = np.arange(len(owners)) - np.repeat(ends - lengths, lengths)
    ids: Places = np.full(len(owners), table.boundary if table.space is None else table.space)
    ids[(depths > 0) & (depths < lengths[owners] - 1)] = np.concatenate(list(texts))
    return ids, owners, depths


def _counted(texts: Sequence[Symbols], labels: NDArray[np.int64], most: int) -> list[Symbols]:
    """The texts, cut to `most` symbols per class."""
    left = np.full(int(labels.max()) + 1, most)
    kept = []
    for text, label in zip(texts, labels.tolist(), strict=True):
        kept.append(text[: left[label]])
        left[label] -= len(kept[-1])
    return kept


def _parts(texts: Sequence[Symbols], most: int) -> Iterator[Sequence[Symbols]]:
    """Consecutive texts in groups of about `most` symbols."""
    part: list[Symbols] = []
    symbols = 0
    for text in texts:
        if part and symbols + len(text) + 2 > most:
            yield part
            part, symbols = [], 0
        part.append(text)
        symbols += len(text) + 2
    if part:
        yield part

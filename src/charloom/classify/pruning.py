"""Smaller n-grams: what changes decisions least is dropped, and its mass flows to the shorter sequences.

A share is dropped alone, so a sequence may stay in some classes and leave others. Its context passes the share down
with the rest of what it passes in that class, so probabilities still add up to 1:

    p(w | h) = share + passed p(w | h')        becomes        p(w | h) = (passed + share) p(w | h')

A share matters little if these two are nearly equal, or if the sequence is rare. So its weight is the absolute
logarithm of their ratio times the probability of the whole sequence, averaged over the classes, because a text of any
class may contain it. Entropy pruning (Stolcke 1998, arXiv cs/0006025) takes the class's own probability instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.classify.n_grams import Floats, NGrams, Order, Places, Sparse

LEAST = 2.0**-24
"""The least that a context passes down: about the precision of shares."""


def pruned(n_grams: NGrams, *, shares: int, weights: Sequence[Floats] | None = None) -> NGrams:
    """The n-grams with all shares of single symbols and the `shares` of longer sequences that matter most.

    `weights` are those of `telling`, if they are known already. A few more may stay: shares of equal weight
    stay or go together, and a length keeps at least one if a longer one does.
    """
    weights = telling(n_grams) if weights is None else weights
    longer = np.concatenate([np.zeros(0), *weights[1:]])
    least = -np.inf if shares >= len(longer) else np.partition(longer, -shares)[-shares] if shares > 0 else np.inf
    kept = [np.ones(len(weights[0]), bool)]
    for place, each in enumerate(weights[1:], 2):
        below = any((more >= least).any() for more in weights[place:])
        kept.append(each >= (min(least, each.max()) if below else least))
    return _only(n_grams, kept)


def telling(n_grams: NGrams) -> list[Floats]:
    """How much each share of the sequences of 1, 2, … symbols affects decisions: for each length, its weights."""
    weights = list[Floats]()
    nothing = np.zeros(1, np.int64)
    endings = [nothing]
    joint = _Pairs(np.arange(n_grams.classes), np.ones(n_grams.classes), n_grams.classes)
    shares = [_Pairs.of(order.shares, n_grams.classes) for order in n_grams.orders]
    passed = [_Pairs.of(order.passed, n_grams.classes) for order in n_grams.orders]
    for length, order in enumerate(n_grams.orders, 1):
        context, contexts = order.codes // len(n_grams.table), endings
        endings = _endings(n_grams, contexts, order)
        rows, owners = shares[length - 1].rows, shares[length - 1].owners
        probability = without = np.full(len(rows), 1 / len(n_grams.table))
        for shorter in range(length):
            share = shares[shorter].at(endings[shorter + 1][rows], owners, missing=0.0)
            mass = passed[shorter].at(contexts[shorter][context[rows]], owners, missing=1.0)
            without, probability = (mass + share) * probability, share + mass * probability
        joint = _Pairs(
            shares[length - 1].keys, joint.at(context[rows], owners, missing=0.0) * probability, n_grams.classes
        )
        often = np.bincount(rows, joint.values, minlength=len(order.codes)) / n_grams.classes
        weights.append(often[rows] * np.abs(np.log(probability / without)))
    return weights


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Numbers of pairs of a sequence and a class, in order."""

    keys: Places
    "Row of the sequence times the number of classes, plus the class; sorted."
    values: Floats
    classes: int

    @classmethod
    def of(cls, sparse: Sparse, classes: int) -> "_Pairs":
        return cls(rows_of(sparse) * classes + sparse.columns, sparse.values.astype(np.float64), classes)

    @property
    def rows(self) -> Places:
        return self.keys // self.classes

    @property
    def owners(self) -> Places:
        return self.keys % self.classes

    def at(self, rows: Places, owners: Places, *, missing: float) -> Floats:
        """The number of each pair; `missing` for one that has none, or of a negative row."""
        places = _find(self.keys, np.where(rows < 0, -1, rows * self.classes + owners))
        return np.where(places < 0, missing, self.values[places])


def _endings(n_grams: NGrams, contexts: list[Places], order: Order) -> list[Places]:
    """Where the last 0, 1, 2, … symbols of each sequence are among those of their length; -1 for nowhere.

    `contexts` says the same of the sequences one shorter.
    """
    base = len(n_grams.table)
    context, last = order.codes // base, order.codes % base
    found: list[Places] = [np.zeros(len(order.codes), np.int64)]
    for before, shorter in zip(contexts, n_grams.orders, strict=False):
        found.append(_find(shorter.codes, np.where(before[context] < 0, -1, before[context] * base + last)))
    return found


def _only(n_grams: NGrams, kept: Sequence[NDArray[np.bool_]]) -> NGrams:
    """The n-grams with some of their shares, and the sequences that those and their contexts need."""
    base, classes = len(n_grams.table), n_grams.classes
    needed = [np.zeros(len(order.codes), bool) for order in n_grams.orders]
    for place in reversed(range(len(needed))):
        order = n_grams.orders[place]
        needed[place][rows_of(order.shares)[kept[place]]] = True
        if place:
            needed[place - 1][order.codes[needed[place]] // base] = True
    orders, above = list[Order](), np.zeros(1, np.int64)
    for order, mine, shares in zip(n_grams.orders, needed, kept, strict=True):
        if not mine.any():
            break
        below = int(above.max()) + 1
        codes = above[order.codes[mine] // base] * base + order.codes[mine] % base
        above = np.where(mine, np.cumsum(mine) - 1, -1)
        rows, owners = above[rows_of(order.shares)[shares]], order.shares.columns[shares].astype(np.int64)
        parts = Sparse.of(rows, owners, order.shares.values[shares].astype(np.float64), count=len(codes))
        orders.append(Order(codes, parts, passed_down(codes // base, parts, classes=classes, contexts=below)))
    return NGrams(n_grams.table, classes, tuple(orders))


def passed_down(context: Places, shares: Sparse, *, classes: int, contexts: int) -> Sparse:
    """What each of `contexts` contexts passes down in each class: all that the shares of its sequences leave.

    `context` (S,) is the context of each sequence. Raises `ValueError` if the shares of a context exceed 1.
    """
    keys, places = np.unique(context[rows_of(shares)] * classes + shares.columns, return_inverse=True)
    left = 1 - np.bincount(places, shares.values.astype(np.float64))
    if not (left > -LEAST).all():
        raise ValueError("the shares of a context exceed 1")
    return Sparse.of(keys // classes, keys % classes, np.maximum(left, LEAST), count=contexts)


def rows_of(sparse: Sparse) -> Places:
    """The row of each number (N,)."""
    counts = counts_of(sparse)
    return np.repeat(np.arange(len(counts)), counts)


def counts_of(sparse: Sparse) -> Places:
    """How many numbers each row has."""
    starts = sparse.starts.astype(np.int64)
    return starts[1:] - starts[:-1]


def _find(keys: Places, wanted: Places) -> Places:
    """Where each number is among sorted keys, which are not negative; -1 for nowhere."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)

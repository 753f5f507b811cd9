"""Weights of rows: a row of weight 2 counts as if it stood there twice, in whatever is counted and in whatever is read.

Weights need not be whole numbers. What cannot be weighted, because it takes rows one by one, reads each of them as often as
`times` says: systematic sampling (Madow and Madow 1944), so that a row of weight w comes floor(w) or ceil(w) times, w times on
average over the offsets, and all of them together always equally often.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.errors import TextError

Amounts = NDArray[np.float64]

OFFSETS = 1 << 20
LEAST = 1e-9
"""Share of the largest weight below which a weight counts as 0."""

MOST = 100.0
"""Mean weight above which weights are no numbers of rows: training would take so many times as long."""


def checked(weights: object, count: int) -> Amounts | None:
    """Weights (N,) of `count` rows that are trained on, as numbers; None for none. Raises `TextError`.

    Weights whose mean over the rows that have any is below 1 say how much a row is worth beside the others: they are scaled
    to a mean of 1.
    """
    found = numbers(weights, count)
    if found is None:
        return None
    some = found[found > 0]
    mean = some.sum() / len(some)
    if mean > MOST:
        raise TextError(
            f"sample_weight has a mean of {mean:,.0f}, and a text of weight 2 counts as two; divide the weights by their mean"
        )
    return found if mean >= 1 else found / mean


def numbers(weights: object, count: int) -> Amounts | None:
    """Weights (N,) of `count` rows as numbers, some above 0; None for none. Raises `TextError`."""
    if weights is None:
        return None
    try:
        found = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise TextError("sample_weight is not made of numbers; give one for each text") from None
    if found.ndim == 0:
        found = np.full(count, found)
    if found.shape != (count,):
        raise TextError(f"sample_weight.shape == {found.shape}, expected {(count,)}: it takes one number for each text")
    if not np.isfinite(found).all() or (found < 0).any():
        raise TextError("sample_weight has a number that is negative or not finite; weights are at least 0")
    found = np.where(found < LEAST * found.max(initial=0), 0, found)
    if not found.any():
        raise TextError("sample_weight is zero for every text, so none would count; give some a weight above 0")
    return found


def times(weights: Amounts, offset: int = OFFSETS // 2) -> NDArray[np.int64]:
    """How often (N,) each row of weight > 0 is read; whole weights as often as they say. 0 <= `offset` < `OFFSETS`."""
    ends = np.cumsum(weights)
    ends *= total(weights) / ends[-1]
    ends[-1] = total(weights)
    return np.diff(np.floor(ends + offset / OFFSETS), prepend=0).astype(np.int64)


def total(weights: Sequence[float] | Amounts) -> int:
    """How many rows they are together."""
    return max(1, round(float(np.sum(weights))))

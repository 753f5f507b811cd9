"""Weights of rows: a row of weight 2 counts like two rows, wherever rows are counted or read.

Weights need not be whole numbers. Where rows are read one by one, `times` says how often to read each: systematic
sampling (Madow and Madow 1944), so that a row of weight w is read floor(w) or ceil(w) times, w times on average over
the offsets, and the total is always the same.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.errors import TextError

Amounts = NDArray[np.float64]

OFFSETS = 1 << 20
LEAST = 1e-9
"""A weight below this share of the largest counts as 0."""

MOST = 100.0
"""The largest mean weight that is accepted; it multiplies the length of training."""


def checked(weights: object, count: int) -> Amounts | None:
    """Weights (N,) of `count` rows to train on, as numbers; None without weights. Raises `TextError`.

    If the mean of the weights above 0 is below 1, they are relative, and scaled to a mean of 1.
    """
    amounts = numbers(weights, count)
    if amounts is None:
        return None
    positive = amounts[amounts > 0]
    mean = positive.sum() / len(positive)
    if mean > MOST:
        raise TextError(
            f"sample_weight has a mean of {mean:,.0f}, but a text of weight 2 counts like two; divide the weights by "
            "their mean"
        )
    return amounts if mean >= 1 else amounts / mean


def numbers(weights: object, count: int) -> Amounts | None:
    """Weights (N,) of `count` rows as numbers, some above 0; None without weights. Raises `TextError`."""
    if weights is None:
        return None
    try:
        amounts = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise TextError("sample_weight is not numeric; give one number for each text") from None
    if amounts.ndim == 0:
        amounts = np.full(count, amounts)
    if amounts.shape != (count,):
        raise TextError(f"sample_weight.shape == {amounts.shape}, expected {(count,)}: give one number for each text")
    if not np.isfinite(amounts).all() or (amounts < 0).any():
        raise TextError("sample_weight has a number that is negative or not finite; weights must be at least 0")
    amounts = np.where(amounts < LEAST * amounts.max(initial=0), 0, amounts)
    if not amounts.any():
        raise TextError("sample_weight is zero for every text, so none would count; give some a weight above 0")
    return amounts


def times(weights: Amounts, offset: int = OFFSETS // 2) -> NDArray[np.int64]:
    """How often (N,) to read each row of weight > 0; exactly its weight if all are whole. 0 <= `offset` < `OFFSETS`."""
    ends = np.cumsum(weights)
    ends *= total(weights) / ends[-1]
    ends[-1] = total(weights)
    return np.diff(np.floor(ends + offset / OFFSETS), prepend=0).astype(np.int64)


def total(weights: Sequence[float] | Amounts) -> int:
    """The number of rows that weights add up to, at least 1."""
    return max(1, round(float(np.sum(weights))))

"""From logits to a distribution to a symbol: pure functions in double precision.

The drawing rule: one uniform number u in [0, 1) a symbol; the symbol is the first one, in the order of the ids, at which
the cumulative probability exceeds u. Whoever follows it with the same numbers writes the same text.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.errors import NotFiniteError
from charloom.settings import SamplingConfig

Logits = NDArray[np.floating]
Probabilities = NDArray[np.float64]

REPETITION_WINDOW = 64
"""Symbols back to which the repetition penalty looks."""


def distribution(logits: Logits, config: SamplingConfig, recent: Sequence[int] = ()) -> Probabilities:
    """Probabilities (V,) that add up to 1, from logits (V,): penalty, temperature, top-k, top-p, min-p, in this order.

    `recent` are the last symbols of the text, for the repetition penalty. Ties in top-k and top-p go to the smaller id.
    Top-p: Holtzman et al. 2020 (arXiv 1904.09751); min-p: Nguyen et al. 2024 (arXiv 2407.01082).
    """
    scores = np.asarray(logits, np.float64)
    if not np.isfinite(scores).all():
        raise NotFiniteError
    if config.repetition_penalty != 1 and recent:
        scores = _penalized(scores, config.repetition_penalty, recent)
    if config.greedy:
        certain = np.zeros(len(scores))
        certain[int(scores.argmax())] = 1
        return certain
    with np.errstate(under="ignore", over="ignore"):
        weights = np.exp((scores - scores.max()) / config.temperature)
    probabilities: Probabilities = weights / weights.sum()
    if 0 < config.top_k < len(probabilities):
        order = np.argsort(-probabilities, kind="stable")
        probabilities[order[config.top_k :]] = 0
        probabilities /= probabilities.sum()
    if config.top_p < 1:
        order = np.argsort(-probabilities, kind="stable")
        held = np.cumsum(probabilities[order])
        count = int(np.searchsorted(held, config.top_p, side="left")) + 1
        probabilities[order[count:]] = 0
        probabilities /= probabilities.sum()
    if config.min_p > 0:
        probabilities[probabilities < config.min_p * probabilities.max()] = 0
        probabilities /= probabilities.sum()
    return probabilities


def draw(probabilities: Probabilities, uniform: float) -> int:
    """The first symbol at which the cumulative probability exceeds `uniform`, which lies in [0, 1)."""
    cumulative = np.cumsum(probabilities)
    symbol = int(np.searchsorted(cumulative, uniform, side="right"))
    if symbol < len(probabilities):
        return symbol
    return int(np.flatnonzero(probabilities)[-1])  # the sum was rounded to just below `uniform`


def _penalized(scores: Probabilities, penalty: float, recent: Sequence[int]) -> Probabilities:
    """Scores with those of recent symbols divided by the penalty where positive, multiplied where negative.

    Keskar et al. 2019 (arXiv 1909.05858), section 4.1. The scores are log-probabilities, so that adding a constant to
    all logits changes nothing.
    """
    scores = scores - scores.max()
    scores = scores - np.log(np.exp(scores).sum())
    symbols = np.unique(np.asarray(recent[-REPETITION_WINDOW:]))
    scores[symbols] = np.where(scores[symbols] > 0, scores[symbols] / penalty, scores[symbols] * penalty)
    return scores

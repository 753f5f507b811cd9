"""From logits to a distribution to a symbol: pure functions in double precision, for one text or many.

The drawing rule: one uniform number u in [0, 1) for each symbol, which is the first one, in the order of ids, whose
cumulative probability exceeds u. Any implementation that follows this rule with the same numbers writes the same text.
"""

import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from charloom.errors import NotFiniteError
from charloom.settings import SamplingConfig

Logits = NDArray[np.floating]
Probabilities = NDArray[np.float64]
Symbols = NDArray[np.integer]
Kept = NDArray[np.bool_]

REPETITION_WINDOW = 64
"""How many of the last symbols the repetition penalty considers."""


class SamplingKeywords(TypedDict, total=False):
    """The fields of `SamplingConfig`, as keyword arguments of the functions that write."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repetition_penalty: float
    greedy: bool


Function = TypeVar("Function", bound=Callable[..., object])


def with_sampling_keywords(function: Function) -> Function:
    """Show the fields of `SamplingConfig`, with their defaults, in place of `**sampling` in a function's signature."""
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    fields = [each.replace(kind=each.KEYWORD_ONLY) for each in inspect.signature(SamplingConfig).parameters.values()]
    function.__signature__ = signature.replace(parameters=[*own, *fields])  # type: ignore[attr-defined]
    return function


def distribution(logits: Logits, config: SamplingConfig, recent: Collection[int] = ()) -> Probabilities:
    """Probabilities (V,) from logits (V,), after penalty, temperature, top-k, top-p and min-p, in this order.

    `recent`: the last symbols of the text, for the repetition penalty. Ties in top-k and top-p go to the smaller id.
    Top-p: Holtzman et al. 2020 (arXiv 1904.09751); min-p: Nguyen et al. 2024 (arXiv 2407.01082).
    """
    probabilities: Probabilities = distributions(np.asarray(logits)[None], config, [recent])[0]
    return probabilities


def distributions(logits: Logits, config: SamplingConfig, recent: Sequence[Collection[int]] = ()) -> Probabilities:
    """Like `distribution`, for each row of logits (B, V); `recent`: the last symbols of each text, needed for the
    penalty only.

    Raises `NotFiniteError`.
    """
    scores = _checked(logits)
    if config.repetition_penalty != 1:
        scores = _penalized(scores, config.repetition_penalty, recent)
    if config.greedy:
        certain = np.zeros_like(scores)
        certain[np.arange(len(scores)), scores.argmax(1)] = 1
        return certain
    scores -= scores.max(1, keepdims=True)
    if config.temperature != 1:
        with np.errstate(over="ignore"):
            scores /= config.temperature
    probabilities: Probabilities = np.exp(scores, out=scores)
    _normalize(probabilities)
    if 0 < config.top_k < probabilities.shape[1]:
        kth = np.partition(probabilities, -config.top_k, 1)[:, -config.top_k, None]
        _drop(probabilities, ~_largest(probabilities, kth, np.array(config.top_k)))
    if config.top_p < 1:
        ordered = np.sort(probabilities, 1)[:, ::-1]
        count = (ordered.cumsum(1) < config.top_p).sum(1, keepdims=True) + 1
        count = np.minimum(count, ordered.shape[1])
        least = np.take_along_axis(ordered, count - 1, 1)
        _drop(probabilities, ~_largest(probabilities, least, count))
    if config.min_p > 0:
        _drop(probabilities, probabilities < config.min_p * probabilities.max(1, keepdims=True))
    return probabilities


def log_probabilities(logits: Logits) -> Probabilities:
    """log p (B, V) of all symbols, with no sampling settings applied. Raises `NotFiniteError`."""
    return _log_softmax(_checked(logits))


def most_probable(logs: Probabilities, count: int) -> tuple[Symbols, Probabilities]:
    """The `count` (at most V) most probable symbols (B, count) of logs (B, V), the most probable first, and their logs.

    Of equal ones the smaller id comes first.
    """
    rows, symbols = logs.shape
    least = np.partition(logs, symbols - count, 1)[:, symbols - count, None]
    kept = _largest(logs, least, np.array(count))
    ids, values = np.nonzero(kept)[1].reshape(rows, count), logs[kept].reshape(rows, count)
    order = np.argsort(-values, 1, kind="stable")
    return np.take_along_axis(ids, order, 1), np.take_along_axis(values, order, 1)


def draw(probabilities: Probabilities, uniform: float) -> int:
    """The first symbol whose cumulative probability exceeds `uniform`, a number in [0, 1)."""
    symbol = int(probabilities.cumsum().searchsorted(uniform, side="right"))
    if symbol < len(probabilities):
        return symbol
    return int(np.flatnonzero(probabilities)[-1])  # the sum was rounded to just below `uniform`


def draws(probabilities: Probabilities, uniforms: NDArray[np.float64]) -> Symbols:
    """Like `draw`, for each row of probabilities (B, V) with its own number (B,)."""
    exceeded = probabilities.cumsum(1) > uniforms[:, None]
    symbols: Symbols = exceeded.argmax(1)
    for row in np.flatnonzero(~exceeded[:, -1]):
        symbols[row] = np.flatnonzero(probabilities[row])[-1]
    return symbols


def _checked(logits: Logits) -> Probabilities:
    """A copy of the logits in double precision. Raises `NotFiniteError`."""
    scores: Probabilities = logits.astype(np.float64)
    if not np.isfinite(scores).all():
        raise NotFiniteError
    return scores


def _log_softmax(scores: Probabilities) -> Probabilities:
    shifted: Probabilities = scores - scores.max(1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(1, keepdims=True))
    return shifted


def _normalize(probabilities: Probabilities) -> None:
    probabilities /= probabilities.sum(1, keepdims=True)


def _drop(probabilities: Probabilities, dropped: Kept) -> None:
    probabilities[dropped] = 0
    _normalize(probabilities)


def _largest(probabilities: Probabilities, least: Probabilities, count: NDArray[Any]) -> Kept:
    """Where the `count` largest of each row are (`least`: the smallest of them); of equal ones the first."""
    above, equal = probabilities > least, probabilities == least
    kept: Kept = above | (equal & (equal.cumsum(1) <= count - above.sum(1, keepdims=True)))
    return kept


def _penalized(scores: Probabilities, penalty: float, recent: Sequence[Collection[int]]) -> Probabilities:
    """Scores in which those of recent symbols are divided by the penalty if positive and multiplied if negative.

    Keskar et al. 2019 (arXiv 1909.05858), section 4.1. The scores are log-probabilities, so
    adding a constant to all logits changes nothing.
    """
    scores = _log_softmax(scores)
    for row, symbols in enumerate(recent):
        seen = np.unique(np.array(list(symbols)[-REPETITION_WINDOW:], np.int64))
        scores[row, seen] = np.where(scores[row, seen] > 0, scores[row, seen] / penalty, scores[row, seen] * penalty)
    return scores

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
        scores = _penalized(scores, np.full(len(scores), config.repetition_penalty), recent)
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
        _keep_top_p(probabilities, config.top_p)
    if config.min_p > 0:
        _keep_min_p(probabilities, config.min_p)
    return probabilities


class Settings:
    """Sampling settings of several texts, one for each."""

    def __init__(self, configs: Sequence[SamplingConfig]) -> None:
        self.configs = list(configs)
        self.common = configs[0] if all(config == configs[0] for config in configs) else None
        "The settings, if all texts have the same."
        self.temperature = np.array([[config.temperature] for config in configs], np.float64)
        self.top_k = np.array([[config.top_k] for config in configs], np.int64)
        self.top_p = np.array([[config.top_p] for config in configs], np.float64)
        self.min_p = np.array([[config.min_p] for config in configs], np.float64)
        self.penalty = np.array([[config.repetition_penalty] for config in configs], np.float64)
        self.greedy = np.flatnonzero([config.greedy for config in configs])


def mixed_distributions(logits: Logits, settings: Settings, recent: Sequence[Collection[int]]) -> Probabilities:
    """Like `distributions`, with settings of its own for each row, whose bits do not depend on the other rows.

    Raises `NotFiniteError`.
    """
    if settings.common is not None:
        return distributions(logits, settings.common, recent)
    scores = _checked(logits)
    chosen = _rows(settings.penalty != 1)
    if len(chosen):
        scores[chosen] = _penalized(scores[chosen], settings.penalty[chosen], [recent[row] for row in chosen])
    best = scores.argmax(1)[settings.greedy]
    scores -= scores.max(1, keepdims=True)
    with np.errstate(over="ignore"):
        scores /= settings.temperature
    probabilities: Probabilities = np.exp(scores, out=scores)
    _normalize(probabilities)
    chosen = _rows((settings.top_k > 0) & (settings.top_k < probabilities.shape[1]))
    if len(chosen):
        part, count = probabilities[chosen], settings.top_k[chosen]
        kth = np.take_along_axis(np.sort(part, 1), part.shape[1] - count, 1)
        _drop(part, ~_largest(part, kth, count))
        probabilities[chosen] = part
    chosen = _rows(settings.top_p < 1)
    if len(chosen):
        part = probabilities[chosen]
        _keep_top_p(part, settings.top_p[chosen])
        probabilities[chosen] = part
    chosen = _rows(settings.min_p > 0)
    if len(chosen):
        part = probabilities[chosen]
        _keep_min_p(part, settings.min_p[chosen])
        probabilities[chosen] = part
    probabilities[settings.greedy] = 0
    probabilities[settings.greedy, best] = 1
    return probabilities


def _rows(where: Kept) -> NDArray[np.intp]:
    """The rows of a column (B, 1) that are true."""
    return np.flatnonzero(where[:, 0])


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


def _keep_top_p(probabilities: Probabilities, top_p: float | Probabilities) -> None:
    ordered = np.sort(probabilities, 1)[:, ::-1]
    count = (ordered.cumsum(1) < top_p).sum(1, keepdims=True) + 1
    count = np.minimum(count, ordered.shape[1])
    least = np.take_along_axis(ordered, count - 1, 1)
    _drop(probabilities, ~_largest(probabilities, least, count))


def _keep_min_p(probabilities: Probabilities, min_p: float | Probabilities) -> None:
    _drop(probabilities, probabilities < min_p * probabilities.max(1, keepdims=True))


def _largest(probabilities: Probabilities, least: Probabilities, count: NDArray[Any]) -> Kept:
    """Where the `count` largest of each row are (`least`: the smallest of them); of equal ones the first."""
    above, equal = probabilities > least, probabilities == least
    kept: Kept = above | (equal & (equal.cumsum(1) <= count - above.sum(1, keepdims=True)))
    return kept


def _penalized(scores: Probabilities, penalties: Probabilities, recent: Sequence[Collection[int]]) -> Probabilities:
    """Scores in which those of recent symbols are divided by the row's penalty if positive and multiplied if negative.

    Keskar et al. 2019 (arXiv 1909.05858), section 4.1. The scores are log-probabilities, so
    adding a constant to all logits changes nothing.
    """
    scores = _log_softmax(scores)
    for row, (penalty, symbols) in enumerate(zip(penalties.flat, recent, strict=False)):
        seen = np.unique(np.array(list(symbols)[-REPETITION_WINDOW:], np.int64))
        scores[row, seen] = np.where(scores[row, seen] > 0, scores[row, seen] / penalty, scores[row, seen] * penalty)
    return scores

"""Drawing a symbol from logits, compiled by numba: what `charloom.generation.sampling` does, within loops.

Loops instead of numpy's operations on whole arrays, and a sort of its own: numba needs several seconds to compile
those, most of them for what they say about shapes that do not fit together.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit


class Sampling(NamedTuple):
    """`SamplingConfig` in types that never change: another type would trigger a new compilation."""

    repetition_penalty: float
    temperature: float
    top_p: float
    min_p: float
    top_k: int
    greedy: bool


@njit(error_model="numpy")
def draw_symbol(scratch: Any, never: Any, ring: Any, sampling: Any, uniform: float) -> int:
    """The symbol that `charloom.generation.sampling` draws from the logits with this number; -1 where they are not
    finite."""
    logits, ordered, penalty, top_k = scratch.logits, scratch.ordered, sampling.repetition_penalty, sampling.top_k
    symbols = len(logits)
    for symbol in never:
        logits[symbol] = -1e30
    total = 0.0
    for logit in logits:
        total += logit
    if not np.isfinite(total):
        return -1
    if penalty != 1.0:
        subtract(logits, highest(logits))
        subtract(logits, log_of_sum(logits))
        for place in range(len(ring)):
            symbol = ring[place]
            if symbol < 0 or _is_among(symbol, ring, place):
                continue
            logits[symbol] = logits[symbol] / penalty if logits[symbol] > 0 else logits[symbol] * penalty
    if sampling.greedy:
        return _place_of_highest(logits)
    largest, total = highest(logits), 0.0
    for symbol in range(symbols):
        logits[symbol] = np.exp((logits[symbol] - largest) / sampling.temperature)
        total += logits[symbol]
    probabilities = logits
    _divide(probabilities, total)
    if 0 < top_k < symbols:
        _sort(probabilities, ordered)
        _keep(probabilities, ordered[symbols - top_k], top_k)
    if sampling.top_p < 1:
        _sort(probabilities, ordered)
        held, count = 0.0, 0
        while count < symbols and held < sampling.top_p:
            count += 1
            held += ordered[symbols - count]
        _keep(probabilities, ordered[symbols - count], count)
    if sampling.min_p > 0:
        least = sampling.min_p * highest(probabilities)
        for symbol in range(symbols):
            if probabilities[symbol] < least:
                probabilities[symbol] = 0
        _divide_by_sum(probabilities)
    cumulative, last = 0.0, 0
    for symbol in range(symbols):
        if probabilities[symbol] > 0:
            cumulative += probabilities[symbol]
            last = symbol
            if cumulative > uniform:
                break
    return last


@njit(error_model="numpy")
def _is_among(symbol: Any, ring: Any, count: int) -> bool:
    """Whether it is among the first `count`."""
    found = False
    for place in range(count):
        found = found or ring[place] == symbol
    return found


@njit(error_model="numpy")
def _place_of_highest(values: Any) -> int:
    """Of equal ones the first."""
    found = 0
    for place in range(len(values)):
        if values[place] > values[found]:
            found = place
    return found


@njit(error_model="numpy")
def _sort(values: Any, out: Any) -> None:
    """Copy in rising order: a Shell sort, whose gaps shrink by 2.2 (Gonnet and Baeza-Yates 1991)."""
    copy(values, out)
    gap = len(out)
    while gap > 1:
        gap = max(1, 5 * gap // 11)
        for place in range(gap, len(out)):
            value, hole = out[place], place
            while hole >= gap and out[hole - gap] > value:
                out[hole] = out[hole - gap]
                hole -= gap
            out[hole] = value


@njit(error_model="numpy")
def subtract(values: Any, amount: float) -> None:
    """Subtract a number from each, in place."""
    for place in range(len(values)):
        values[place] -= amount


@njit(error_model="numpy")
def _divide(values: Any, divisor: float) -> None:
    for place in range(len(values)):
        values[place] /= divisor


@njit(error_model="numpy")
def _divide_by_sum(values: Any) -> None:
    total = 0.0
    for value in values:
        total += value
    _divide(values, total)


@njit(error_model="numpy")
def _keep(probabilities: Any, least: float, count: int) -> None:
    """Keep the `count` largest (`least`: the smallest of them); of equal ones the first."""
    equal = count
    for probability in probabilities:
        if probability > least:
            equal -= 1
    for symbol in range(len(probabilities)):
        if probabilities[symbol] == least and equal > 0:
            equal -= 1
        elif probabilities[symbol] <= least:
            probabilities[symbol] = 0
    _divide_by_sum(probabilities)


@njit(error_model="numpy")
def copy(values: Any, out: Any) -> None:
    """Copy into an array of the same length."""
    for place in range(len(out)):
        out[place] = values[place]


@njit(error_model="numpy")
def log_of_sum(logits: Any) -> float:
    """log(sum(exp(logits)))"""
    largest, total = highest(logits), 0.0
    for logit in logits:
        total += np.exp(logit - largest)
    return float(largest + np.log(total))


@njit(error_model="numpy")
def highest(values: Any) -> float:
    """The largest of some numbers."""
    found = values[0]
    for value in values:
        found = max(found, value)
    return float(found)

"""From logits to symbols and their log-probabilities, compiled by numba: for many texts, each with its own settings.

It follows `charloom.generation.sampling`. Every row is computed by itself, so its bits do not depend on the others.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from charloom.generation.numba_cache import compiled
from charloom.generation.numba_sampling import Sampling, copy, draw_symbol, highest, log_of_sum, subtract
from charloom.generation.sampling import REPETITION_WINDOW
from charloom.models.step_weights import Floats
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

Tops = list[tuple[tuple[int, float], ...]]
Reports = tuple[list[float], Tops, list[int]]


class Space(NamedTuple):
    """Space for the logits of one text, and for probabilities in order."""

    logits: Array
    ordered: Array


class CompiledDraws:
    """Draws and reports for rows of logits (B, V)."""

    def __init__(self, outputs: int, never: Sequence[int]) -> None:
        """`outputs`: V; `never`: symbols that are never drawn."""
        self._never = np.array(never, np.int64)
        self._space = Space(np.empty(outputs), np.empty(outputs))
        self._configs: list[SamplingConfig] = []
        self._settings = np.empty((0, 6))

    def symbols(
        self,
        logits: Floats,
        configs: list[SamplingConfig],
        recent: Sequence[Collection[int]],
        uniforms: Sequence[float],
    ) -> list[int]:
        """The next symbol of each row, drawn with its settings and its number; -1 where the logits are not finite.

        `recent`: the last symbols of each text, needed for the repetition penalty only.
        """
        if configs != self._configs:
            self._configs, self._settings = configs, numbers(configs)
        ring = np.full((len(configs), REPETITION_WINDOW), -1, np.int64)
        for row, symbols in enumerate(recent):
            if symbols:
                ring[row, : len(symbols)] = list(symbols)
        drawn = np.empty(len(configs), np.int64)
        _draw_rows(logits, self._never, self._settings, ring, np.array(uniforms), self._space, drawn)
        symbols_drawn: list[int] = drawn.tolist()
        return symbols_drawn

    def reports(self, logits: Floats, symbols: Sequence[int], counts: Sequence[int]) -> Reports:
        """The log-probability of a symbol in each row, without sampling settings; the row's most probable symbols; the
        rank of the symbol.

        There are `counts` of the most probable, at most V, of equal ones the smaller id first. The rank is 1 if no
        symbol is more probable.
        """
        rows, most = len(symbols), max(counts)
        own, ids, logs = np.empty(rows), np.empty((rows, most), np.int64), np.empty((rows, most))
        ranks = np.ones(rows, np.int64)
        _report_rows(logits, np.array(symbols), np.array(counts), self._space.logits, own, ranks, ids, logs)
        each = zip(ids.tolist(), logs.tolist(), counts, strict=True)
        tops = [tuple(zip(places[:count], values[:count], strict=True)) for places, values, count in each]
        return own.tolist(), tops, ranks.tolist()


def numbers(configs: Sequence[SamplingConfig]) -> Array:
    """Sampling settings as numbers (B, 6)."""
    names = "repetition_penalty", "temperature", "top_p", "min_p", "top_k", "greedy"
    return np.array([[float(getattr(config, name)) for name in names] for config in configs])


@njit(error_model="numpy", nogil=True)
def draw_row(logits: Any, never: Any, settings: Any, recent: Any, uniform: float, space: Any) -> int:
    """The symbol that follows the logits (V,) of one text; -1 where they are not finite."""
    penalty, temperature, top_p, min_p, top_k, greedy = settings
    sampling = Sampling(penalty, temperature, top_p, min_p, int(top_k), greedy != 0)
    copy(logits, space.logits)
    return draw_symbol(space, never, recent, sampling, uniform)


@compiled(error_model="numpy", nogil=True)
def _draw_rows(logits: Any, never: Any, settings: Any, recent: Any, uniforms: Any, space: Any, drawn: Any) -> None:
    for row in range(len(drawn)):
        drawn[row] = draw_row(logits[row], never, settings[row], recent[row], uniforms[row], space)


@compiled(error_model="numpy", nogil=True)
def _report_rows(
    logits: Any, symbols: Any, counts: Any, scores: Any, own: Any, ranks: Any, ids: Any, logs: Any
) -> None:
    for row in range(len(symbols)):
        copy(logits[row], scores)
        subtract(scores, highest(scores))
        subtract(scores, log_of_sum(scores))
        own[row] = scores[symbols[row]]
        found, count = 0, counts[row]
        for symbol in range(len(scores)):
            score = scores[symbol]
            ranks[row] += score > own[row]
            if found == count and (count == 0 or score <= logs[row, count - 1]):
                continue
            place = found if found < count else count - 1
            while place > 0 and logs[row, place - 1] < score:
                logs[row, place], ids[row, place] = logs[row, place - 1], ids[row, place - 1]
                place -= 1
            logs[row, place], ids[row, place] = score, symbol
            found = min(found + 1, count)

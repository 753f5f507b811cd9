"""Drawing and reporting for many texts at once: compiled where numba is installed, by numpy elsewhere."""

from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np

from charloom.generation.sampling import distributions, draws, log_probabilities, most_probable
from charloom.generation.writer import NEVER, Writer
from charloom.models.step_weights import Floats
from charloom.settings import SamplingConfig

Tops = list[tuple[tuple[int, float], ...]]
"""The most probable symbols of each text, with their log-probabilities."""

Reports = tuple[list[float], Tops, list[int]]


class Draws(Protocol):
    """What follows the logits (B, V), each row by itself."""

    def symbols(
        self,
        logits: Floats,
        configs: list[SamplingConfig],
        recent: Sequence[Collection[int]],
        uniforms: Sequence[float],
    ) -> list[int]:
        """The next symbol of each row, drawn with its settings and its number; `logits` may be overwritten.

        `recent`: the last symbols of each text, needed for the repetition penalty only.
        """
        ...

    def reports(self, logits: Floats, symbols: Sequence[int], counts: Sequence[int]) -> Reports:
        """The log-probability of a symbol in each row, without sampling settings; the row's most probable symbols; the
        rank of the symbol.

        There are `counts` of the most probable, at most V, of equal ones the smaller id first. The rank is 1 if no
        symbol is more probable.
        """
        ...


class NumpyDraws:
    """`Draws` with one call for all texts that have the same settings."""

    def __init__(self, never: Sequence[int]) -> None:
        """`never`: symbols that are never drawn."""
        self._never = list(never)

    def symbols(
        self,
        logits: Floats,
        configs: list[SamplingConfig],
        recent: Sequence[Collection[int]],
        uniforms: Sequence[float],
    ) -> list[int]:
        """The next symbols."""
        logits[:, self._never] = NEVER
        drawn = np.empty(len(configs), np.int64)
        for config in dict.fromkeys(configs):
            rows = [row for row, other in enumerate(configs) if other == config]
            probabilities = distributions(logits[rows], config, [recent[row] for row in rows])
            drawn[rows] = draws(probabilities, np.array([uniforms[row] for row in rows]))
        symbols: list[int] = drawn.tolist()
        return symbols

    def reports(self, logits: Floats, symbols: Sequence[int], counts: Sequence[int]) -> Reports:
        """Log-probabilities, alternatives and ranks."""
        logs = log_probabilities(logits)
        chosen = logs[np.arange(len(symbols)), symbols]
        own: list[float] = chosen.tolist()
        ranks: list[int] = (1 + (logs > chosen[:, None]).sum(1)).tolist()
        if not any(counts):
            return own, [()] * len(own), ranks
        ids, values = most_probable(logs, max(counts))
        rows = zip(ids.tolist(), values.tolist(), counts, strict=True)
        return own, [tuple(zip(each[:count], theirs[:count], strict=True)) for each, theirs, count in rows], ranks


def make_draws(writer: Writer) -> Draws:
    """The fastest that is available, tried once."""
    try:
        from charloom.generation.numba_draws import CompiledDraws

        compiled = CompiledDraws(writer.stepper.outputs, writer.never)
        logits = np.zeros((1, writer.stepper.outputs), np.float32)
        compiled.reports(logits, compiled.symbols(logits, [SamplingConfig()], [()], [0.5]), [1])
    except Exception:  # numba is missing, finds no folder for its cache, or an old cache that it cannot read
        return NumpyDraws(writer.never)
    return compiled

"""Log-probabilities in the shape of OpenAI's legacy completions, written straight as JSON.

A scoring client compares a token's figure with the largest among its alternatives as floating-point numbers, so both
are the same number here, and the most probable symbol is always among the alternatives asked for.
"""

import json
import math
from functools import lru_cache

from charloom.server.batching.jobs import Symbol
from charloom.server.routes.symbols import Symbols

LEAST = -9999.0
"""What stands for the logarithm of 0, which JSON lacks."""


class LogProbabilities:
    """Four lists that grow: `tokens`, `token_logprobs`, `top_logprobs`, `text_offset`."""

    def __init__(self, symbols: Symbols) -> None:
        self._symbols, self._names = symbols, _quoted(symbols)
        self._columns: tuple[list[str], list[str], list[str], list[str]] = ([], [], [], [])

    def __len__(self) -> int:
        return len(self._columns[0])

    def add(self, symbol: Symbol, offset: int) -> None:
        """A symbol whose text begins at character `offset`; without alternatives and a number: nothing is known."""
        known = not math.isnan(symbol.log_probability)
        tokens, figures, tops, offsets = self._columns
        tokens.append(self._names[symbol.id])
        figures.append(_number(symbol.log_probability) if known else "null")
        tops.append(self._top(symbol) if known else "null")
        offsets.append(str(offset))

    def _top(self, symbol: Symbol) -> str:
        pairs = [f"{self._names[other]}:{_number(figure)}" for other, figure in symbol.alternatives]
        if all(other != symbol.id for other, _ in symbol.alternatives):
            pairs.append(f"{self._names[symbol.id]}:{_number(symbol.log_probability)}")
        return "{" + ",".join(pairs) + "}"

    def json(self) -> str:
        """The four lists, of which nothing is kept."""
        names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
        lists = [f'"{name}":[{",".join(column)}]' for name, column in zip(names, self._columns, strict=True)]
        for column in self._columns:
            column.clear()
        return "{" + ",".join(lists) + "}"


def _number(value: float) -> str:
    return float.__repr__(max(float(value), LEAST))


@lru_cache(maxsize=64)
def _quoted(symbols: Symbols) -> list[str]:
    return [json.dumps(name) for name in symbols.names]

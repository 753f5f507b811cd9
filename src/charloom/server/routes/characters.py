"""What was expected at each character of a text, from what was expected at each symbol."""

import json
import math
from collections.abc import Iterable

from charloom.server.batching.jobs import Symbol
from charloom.server.routes.symbols import Reader, Symbols


class Characters:
    """Symbols in, characters out, as JSON objects; the bytes of a character are put together.

    The surprisal of a character is the sum over its bytes, its rank the worst of theirs, and its alternatives are those
    of its first byte.
    """

    def __init__(self, symbols: Symbols) -> None:
        self._names = symbols.names
        self._reader = Reader(symbols)
        self._nats, self._rank = 0.0, 0
        self._top: tuple[tuple[int, float], ...] | None = None
        self.nats, self.count = 0.0, 0

    def add(self, symbols: Iterable[Symbol]) -> list[str]:
        """The characters that these symbols complete."""
        return [character for symbol in symbols for character in self._add(symbol)]

    def _add(self, symbol: Symbol) -> list[str]:
        known = not math.isnan(symbol.log_probability)
        self._nats -= symbol.log_probability if known else 0.0
        self._rank = max(self._rank, symbol.rank)
        if self._top is None:
            self._top = symbol.alternatives
        text = self._reader.push(symbol.id)
        if not text:
            return []
        top = [(self._names[other], math.exp(figure)) for other, figure in self._top]
        self.nats, self.count = self.nats + self._nats, self.count + len(text)
        record = {"text": text, "nats": self._nats, "rank": self._rank or None, "top": top}
        self._nats, self._rank, self._top = 0.0, 0, None
        return [json.dumps(record)]

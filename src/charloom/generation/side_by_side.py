"""Surprisals of several continuations, read side by side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.generation.numpy_steps import StepRows
from charloom.generation.sampling import log_probabilities
from charloom.generation.writer import Writer


def surprisals(
    writer: Writer, rows: StepRows, texts: Sequence[NDArray[np.int64]], ends: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Nats (B,) of texts as symbols, text b after row b; with `ends` (V,), including that one of these symbols follows.

    The rows themselves do not change. The longest texts come first, so each step reads only texts that have not ended.
    """
    nats, going = np.zeros(len(texts)), sorted(range(len(texts)), key=lambda place: -len(texts[place]))
    if going:
        rows = rows.keep(np.array(going))
    for time in range(len(texts[going[0]]) + (ends is not None) if going else 0):
        logs = log_probabilities(writer.logits(rows))
        staying = [place for place in going if time < len(texts[place])]
        symbols = np.array([texts[place][time] for place in staying], np.int64)
        nats[staying] -= logs[np.arange(len(staying)), symbols]
        if ends is not None:
            for row in range(len(staying), len(going)):
                nats[going[row]] -= np.logaddexp.reduce(logs[row, ends])
        if not staying:
            break
        rows = rows if len(staying) == len(rows) else rows.keep(np.arange(len(staying)))
        rows.advance(symbols)
        going = staying
    return nats

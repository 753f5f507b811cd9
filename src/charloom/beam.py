"""Beam search: the most probable ways to go on, not a random one.

Of all beginnings only the `width` most probable are followed, so the result is exact where the width covers all of them,
and else a good guess. The probability of a continuation is the product over its symbols, the end of the text or the stop
string among them where that is what ended it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom.errors import NotFiniteError, SettingsError
from charloom.generation import check
from charloom.stopping import StopReason
from charloom.vocabulary import Vocabulary
from charloom.writer import Model, Writer


@dataclass(frozen=True)
class Continuation:
    """A way to go on."""

    text: str
    nats: float
    "The surprisal of it all, ending included; smaller is more probable."
    stop_reason: StopReason

    @property
    def probability(self) -> float:
        """Probability that the model gives to it."""
        return math.exp(-self.nats)


@dataclass(frozen=True)
class _Beginning:
    symbols: tuple[int, ...]
    nats: float


def beam_search(
    model: Model,
    prompt: str = "",
    *,
    length: int = 50,
    width: int = 16,
    stop: Sequence[str] = (),
    state: Sequence[Any] | None = None,
) -> list[Continuation]:
    """The most probable continuations of `prompt`, at most `width`, the most probable first.

    Each has `length` characters, or fewer where a stop string (not part of the text) or the end of the text comes first.
    Raises `SettingsError` for a setting outside its range, `TextError` for a prompt with an unseen character.
    """
    check(length, stop, [])
    if width < 1:
        raise SettingsError(f"width is {width}; it must be at least 1")
    writer = Writer.of(model)
    rows = writer.begin(writer.prompts([prompt], state), state)
    boundary = writer.vocabulary.boundary
    alive = [_Beginning((), 0.0)] if length else []
    done = [] if length else [Continuation("", 0.0, "length")]
    while alive and not (len(done) >= width and done[width - 1].nats <= alive[0].nats):
        nats = np.array([beginning.nats for beginning in alive])[:, None] - _log_softmax(writer.logits(rows))
        best = np.argsort(nats, axis=None, kind="stable")[:width]
        parents, following = [], []
        for parent, symbol in zip(*(part.tolist() for part in np.unravel_index(best, nats.shape)), strict=True):
            beginning = _Beginning((*alive[parent].symbols, symbol), float(nats[parent, symbol]))
            ended = _ended(writer.vocabulary, beginning, length, stop, boundary)
            if ended is None:
                parents.append(parent)
                following.append(beginning)
            else:
                done.append(ended)
        done.sort(key=lambda continuation: continuation.nats)
        alive = following
        if alive:
            rows = rows.keep(np.array(parents, np.int64))
            rows.advance(np.array([beginning.symbols[-1] for beginning in alive], np.int64))
    return done[:width]


def _ended(
    vocabulary: Vocabulary, beginning: _Beginning, length: int, stop: Sequence[str], boundary: int
) -> Continuation | None:
    """The continuation, if the beginning is one."""
    *before, last = beginning.symbols
    if last == boundary:
        return Continuation(vocabulary.decode(before), beginning.nats, "end")
    decoder = vocabulary.decoder()
    text = "".join([decoder.push(symbol) for symbol in beginning.symbols])
    found = [word for word in stop if text.endswith(word)]
    if found:
        return Continuation(text[: -max(map(len, found))], beginning.nats, "stop")
    return Continuation(text, beginning.nats, "length") if len(text) >= length else None


def _log_softmax(logits: Any) -> Any:
    """Logarithms of the probabilities (B, V), in double precision."""
    scores = logits.astype(np.float64)
    if not np.isfinite(scores.sum()):
        raise NotFiniteError
    scores -= scores.max(1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(1, keepdims=True))

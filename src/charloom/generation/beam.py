"""Beam search: the most probable continuations instead of a random one.

Only the `width` most probable beginnings are followed, so the result is exact if the width covers all of them and a
good guess otherwise. The probability of a continuation is the product over its symbols, including the end of the text
or the stop string that ended it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom.errors import SettingsError, arguments
from charloom.generation.generate import check
from charloom.generation.sampling import log_probabilities
from charloom.generation.stopping import Outlet, StopReason
from charloom.generation.writer import NEVER, Model, Writer


@dataclass(frozen=True)
class Continuation:
    """A way to continue a prompt."""

    text: str
    nats: float
    "Surprisal of the whole continuation, its ending included; smaller is more probable."
    stop_reason: StopReason

    @property
    def probability(self) -> float:
        """The model's probability of this continuation."""
        return math.exp(-self.nats)


@dataclass(frozen=True)
class _Beginning:
    """A beginning that is being followed, or has just ended."""

    text: str
    outlet: Outlet
    nats: float
    last: int
    stop_reason: StopReason | None = None

    def with_symbol(self, symbol: int, nats: float) -> "_Beginning":
        outlet = self.outlet.fork()
        text, reason = outlet.push(symbol)
        return _Beginning(self.text + text, outlet, nats, symbol, reason)


def beam_search(
    model: Model,
    prompt: str = "",
    *,
    length: int = 50,
    width: int = 16,
    stop: Sequence[str] = (),
    state: Sequence[Any] | None = None,
) -> list[Continuation]:
    """Return the most probable continuations of `prompt`, at most `width` of them, the most probable first.

    Each has `length` characters, or fewer if a stop string (which is left out) or the end of the text comes first.
    Raises `SettingsError` for a setting outside its range, `TextError` for a prompt with an unseen character.
    """
    if length is None:
        raise SettingsError("a continuation that never ends has no probability; give a length")
    check(length, stop, [])
    arguments.whole("width", width)
    if width < 1:
        raise SettingsError(f"width is {width}; it must be at least 1")
    if length == 0:
        return [Continuation("", 0.0, "length")]
    writer = Writer.of(model)
    rows = writer.begin(writer.prompts([prompt], state), state)
    alive, done = [_Beginning("", Outlet(writer.vocabulary, length, stop), 0.0, -1)], list[_Beginning]()
    while alive and not (len(done) >= width and done[width - 1].nats <= alive[0].nats):
        nats = np.array([beginning.nats for beginning in alive])[:, None] - log_probabilities(writer.logits(rows))
        parents, following = [], []
        for place in np.argsort(nats, axis=None, kind="stable")[:width].tolist():
            parent, symbol = divmod(place, nats.shape[1])
            if nats[parent, symbol] >= -NEVER / 2:
                break  # neither this symbol nor those after it can occur in a text
            beginning = alive[parent].with_symbol(symbol, float(nats[parent, symbol]))
            if beginning.stop_reason is None:
                parents.append(parent)
                following.append(beginning)
            else:
                done.append(beginning)
        done.sort(key=lambda beginning: beginning.nats)
        alive = following
        if alive:
            rows = rows.keep(np.array(parents, np.int64))
            rows.advance(np.array([beginning.last for beginning in alive], np.int64))
    return _merged(done[:width])


def _merged(done: list[_Beginning]) -> list[Continuation]:
    """One continuation for each text and reason: invalid UTF-8 or two stop strings can lead to the same text."""
    together: dict[tuple[str, StopReason], float] = {}
    for beginning in done:
        assert beginning.stop_reason is not None
        key = beginning.text, beginning.stop_reason
        together[key] = -float(np.logaddexp(-together.get(key, np.inf), -beginning.nats))
    continuations = [Continuation(text, nats, reason) for (text, reason), nats in together.items()]
    return sorted(continuations, key=lambda continuation: continuation.nats)

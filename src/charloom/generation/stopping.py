"""When a text ends: at a length, before a stop string, or where the model ends it."""

import copy
from collections.abc import Sequence
from typing import Literal

from charloom.data.vocabulary import Vocabulary

StopReason = Literal["length", "stop", "end"]


class Outlet:
    """Symbols in, text out, until the length is reached, a stop string comes, or the model ends the text.

    The length counts characters; exactly that many come out unless something stops the text first. Without a length the
    text never ends: where the model ends it, a newline is written and a new text begins.
    """

    def __init__(self, vocabulary: Vocabulary, length: int | None, stop: Sequence[str]) -> None:
        self._boundary, self._length = vocabulary.boundary, length
        self._decoder, self._gate, self._written = vocabulary.decoder(), StopGate(stop), 0

    def push(self, symbol: int) -> tuple[str, StopReason | None]:
        """The text that is now certain, and the reason if it is the last."""
        text = self._decoder.finish() if symbol == self._boundary else self._decoder.push(symbol)
        if self._length is None:
            if symbol == self._boundary:
                text += "\n"
        else:
            text = text[: self._length - self._written]
            self._written += len(text)
        text, stopped = self._gate.push(text)
        if stopped:
            return text, "stop"
        if self._length is not None:
            if self._written == self._length:
                return text + self._gate.finish(), "length"
            if symbol == self._boundary:
                return text + self._gate.finish(), "end"
        return text, None

    def fork(self) -> "Outlet":
        """A copy that has received the same symbols."""
        twin = copy.copy(self)
        twin._decoder, twin._gate = self._decoder.fork(), copy.copy(self._gate)
        return twin

    @property
    def missing(self) -> int:
        """How many characters can still come; 1 if the text never ends."""
        return 1 if self._length is None else self._length - self._written


class StopGate:
    """Holds back what may be the beginning of a stop string, and lets the rest through.

    It reads one character at a time and remembers the longest tail of the text that begins a stop string, so `aab` is
    found in `aaab`.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """The text that may be output now, without any part of a stop string, and whether a stop string is complete."""
        if not self._stop:
            return text, False
        out = []
        for character in text:
            self._held += character
            complete = [stop for stop in self._stop if self._held.endswith(stop)]
            if complete:
                out.append(self._held[: -max(map(len, complete))])
                self._held = ""
                return "".join(out), True
            keep = self._beginning()
            out.append(self._held[: len(self._held) - keep])
            self._held = self._held[len(self._held) - keep :]
        return "".join(out), False

    def finish(self) -> str:
        """What was held back, now that no stop string can follow."""
        held, self._held = self._held, ""
        return held

    def _beginning(self) -> int:
        """Length of the longest tail of the held text that begins a stop string."""
        longest = min(len(self._held), max(map(len, self._stop), default=0))
        for size in range(longest, 0, -1):
            tail = self._held[-size:]
            if any(stop.startswith(tail) for stop in self._stop):
                return size
        return 0

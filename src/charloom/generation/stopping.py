"""When a text ends: at a length, before a stop string, or where the model ends it."""

import copy
from collections.abc import Sequence
from typing import Literal

from charloom.data.vocabulary import Vocabulary

StopReason = Literal["length", "stop", "end"]


class Outlet:
    """Symbols in, text out, until a text is as long as it may be, a stop string comes, or the model ends it.

    The length counts characters, and exactly that many come out unless something stops the text first. Without a length the text
    never ends: where the model ends it, a newline stands and another begins.
    """

    def __init__(self, vocabulary: Vocabulary, length: int | None, stop: Sequence[str]) -> None:
        self._boundary, self._length = vocabulary.boundary, length
        self._decoder, self._gate, self._written = vocabulary.decoder(), StopGate(stop), 0

    def push(self, symbol: int) -> tuple[str, StopReason | None]:
        """The text that is certain now, and why it is the last, if it is."""
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
        """Another one that has been given the same symbols."""
        twin = copy.copy(self)
        twin._decoder, twin._gate = self._decoder.fork(), copy.copy(self._gate)
        return twin

    @property
    def missing(self) -> int:
        """Characters that are still to come at most; where the text never ends, one."""
        return 1 if self._length is None else self._length - self._written


class StopGate:
    """Holds back what may be the beginning of a stop string, and lets through what is not.

    It reads a character at a time and remembers the longest tail of the text that begins a stop string, so that `aab` is
    found in `aaab`.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """What may be given out now, and whether a stop string is complete; it is not part of what is given out."""
        if not self._stop:
            return text, False
        out = []
        for character in text:
            self._held += character
            found = [stop for stop in self._stop if self._held.endswith(stop)]
            if found:
                out.append(self._held[: -max(map(len, found))])
                self._held = ""
                return "".join(out), True
            keep = self._beginning()
            out.append(self._held[: len(self._held) - keep])
            self._held = self._held[len(self._held) - keep :]
        return "".join(out), False

    def finish(self) -> str:
        """What was held back and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held

    def _beginning(self) -> int:
        """Length of the longest tail of what is held that begins a stop string."""
        longest = min(len(self._held), max(map(len, self._stop), default=0))
        for size in range(longest, 0, -1):
            tail = self._held[-size:]
            if any(stop.startswith(tail) for stop in self._stop):
                return size
        return 0

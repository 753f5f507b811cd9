"""One text that an engine reads and writes: which symbol comes next, and what is reported of it."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from charloom.data.text_ids import remembered
from charloom.data.vocabulary import Vocabulary
from charloom.errors import NotFiniteError
from charloom.generation.sampling import REPETITION_WINDOW
from charloom.generation.stopping import Outlet, StopReason
from charloom.server.batching.jobs import Job, Symbol

_NUMBERS = 64
"""Random numbers that are drawn at a time."""


class News(NamedTuple):
    """What a step brought of a text."""

    read: Symbol | None = None
    text: str = ""
    written: tuple[Symbol, ...] = ()
    stop_reason: StopReason | None = None


class Text:
    """A job in its row."""

    def __init__(self, job: Job, vocabulary: Vocabulary) -> None:
        self.job = job
        self.ids: list[int] = job.ids.tolist()
        self.draws = job.draws
        self._boundary = vocabulary.boundary
        self._place, self._drawn, self._writing = 0, vocabulary.boundary, False
        self._outlet = Outlet(vocabulary, job.length, job.stop)
        self._symbols = None if job.written_alternatives is None else Alignment(vocabulary)
        self.recent: deque[int] | None = None
        "The last symbols, if the repetition penalty needs them."
        if job.sampling.repetition_penalty != 1:
            text = remembered(job.ids, vocabulary.boundary, begun=True)
            self.recent = deque(text[text != vocabulary.boundary].tolist(), REPETITION_WINDOW)
        bits = np.random.PCG64(job.seed)
        bits.advance(job.draws)
        self._uniform, self._numbers = np.random.Generator(bits), list[float]()

    @property
    def unread(self) -> int:
        """Symbols of the prompt that can be read before anyone wants to know what is predicted; 0 if that is now."""
        return 0 if self.job.read_alternatives is not None else len(self.ids) - self._place

    def upcoming(self, count: int) -> list[int]:
        """The next symbols to read, which are then taken as read; more than one only within the prompt."""
        first = self._place
        if first == len(self.ids):
            return [self._drawn]
        self._place += count
        return self.ids[first : first + count]

    @property
    def asks(self) -> bool:
        """Whether the prediction of the next symbol is wanted."""
        return self.writes or self.job.read_alternatives is not None

    @property
    def alternatives(self) -> int | None:
        """How many alternatives the next symbol is reported with; None if it is not reported."""
        return self.job.written_alternatives if self.writes else self.job.read_alternatives

    @property
    def writes(self) -> bool:
        """Whether the next symbol is drawn."""
        return self._place == len(self.ids)

    @property
    def following(self) -> int:
        """The symbol of the prompt that comes next."""
        return self.ids[self._place]

    @property
    def goes_on(self) -> bool:
        """Whether nothing but symbols is wanted from now on, each drawn without regard to those before."""
        return self._writing and self.recent is None and self.job.written_alternatives is None

    @property
    def last(self) -> int:
        """The symbol that was drawn last."""
        return self._drawn

    @property
    def missing(self) -> int:
        """How many characters can still come."""
        return self._outlet.missing

    def numbers(self, count: int) -> list[float]:
        """The next random numbers; each symbol that is written uses up one."""
        while len(self._numbers) < count:
            self._numbers += self._uniform.random(_NUMBERS).tolist()
        return self._numbers[:count]

    def read(self, symbol: Symbol) -> News:
        """What is reported of a symbol of the prompt."""
        last = self.job.length == 0 and self._place == len(self.ids) - 1
        return News(symbol, stop_reason="length" if last else None)

    def write(self, drawn: int, symbol: Symbol | None) -> News:
        """What is certain now that a symbol has been drawn; `symbol`: what is reported of it."""
        self._drawn, self._writing = drawn, True
        del self._numbers[0]
        self.draws += 1
        if self.recent is not None and drawn != self._boundary:
            self.recent.append(drawn)
        text, reason = self._outlet.push(drawn)
        written: tuple[Symbol, ...] = ()
        if self._symbols is not None:
            self._symbols.push(drawn, symbol)
            written = self._symbols.take(len(text))
        return News(None, text, written, reason)

    def write_all(self, drawn: Sequence[int]) -> News | NotFiniteError:
        """The same for several symbols; those after the end of the text were drawn in vain."""
        pieces: list[str] = []
        for symbol in drawn:
            if symbol < 0:
                return NotFiniteError()
            news = self.write(symbol, None)
            pieces.append(news.text)
            if news.stop_reason is not None:
                return News(None, "".join(pieces), (), news.stop_reason)
        return News(None, "".join(pieces))


class Alignment:
    """Which symbols a piece of text consists of."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._boundary = vocabulary.boundary
        self._decoder = vocabulary.decoder() if vocabulary.kind == "bytes" else None
        self._open: list[Symbol] = []
        "Bytes of a character that is not yet complete."
        self._waiting: deque[tuple[Symbol, ...]] = deque()
        "The symbols of each character that has not been given out."

    def push(self, drawn: int, symbol: Symbol | None) -> None:
        """Take in a symbol; the boundary completes what is open, and is itself no part of a text."""
        if symbol is None or drawn == self._boundary:
            if self._open:
                self._waiting.append(tuple(self._open))
                self._open = []
        elif self._decoder is None:
            self._waiting.append((symbol,))
        else:
            self._open.append(symbol)
            characters = len(self._decoder.push(drawn))
            unfinished = self._decoder.pending
            complete = len(self._open) - unfinished
            for left in range(characters, 0, -1):  # bytes that are no character: the first of several takes them all
                size = complete - (left - 1) if left == characters else 1
                self._waiting.append(tuple(self._open[:size]))
                self._open = self._open[size:]

    def take(self, characters: int) -> tuple[Symbol, ...]:
        """The symbols of the next characters that are given out."""
        out: list[Symbol] = []
        for _ in range(characters):
            out.extend(self._waiting.popleft())
        return tuple(out)

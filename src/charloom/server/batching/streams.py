"""The way of a text from the thread that writes it to the event loop that wants it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable

from charloom.errors import CharloomError
from charloom.generation.stopping import StopReason
from charloom.server.batching.jobs import Piece, Symbol
from charloom.server.batching.texts import News, Text

MOST_HELD = 32_768
"""Characters, symbols and alternatives that nobody has taken, at which a text rests."""

PATIENCE = 60.0
"""Seconds for which a text rests before it is given up."""


class PieceStream:
    """Pieces of one text; what comes while nobody takes it is joined to one piece.

    `put`, `end`, `rests` and `cancel` may be called in any thread.
    """

    def __init__(self, text: Text, cancel: Callable[["PieceStream"], None], go_on: Callable[[], None]) -> None:
        """`cancel` gives up a stream; `go_on` is called when a text that rested has been taken."""
        self.text, self.loop, self._go_on = text, asyncio.get_running_loop(), go_on
        self.begun = self.over = False
        "Whether anything was put, and whether nothing more will be."
        self._give_up, self._come = cancel, asyncio.Event()
        self._lock = threading.Lock()
        self._read: list[Symbol] = []
        self._pieces: list[str] = []
        self._written: list[Symbol] = []
        self._held, self._since = 0, 0.0
        "How much nobody has taken, and since when it is too much."
        self._draws = text.draws
        self._reason: StopReason | None = None
        self._error: CharloomError | None = None

    def __aiter__(self) -> "PieceStream":
        return self

    async def __anext__(self) -> Piece:
        while True:
            with self._lock:
                piece, rested = self._take(), self._held >= MOST_HELD
                if piece is not None:
                    self._held = 0
                elif self.over:
                    if self._error is not None:
                        raise self._error
                    raise StopAsyncIteration
                else:
                    self._come.clear()
            if rested:
                self._go_on()
            if piece is not None:
                return piece
            await self._come.wait()

    def _take(self) -> Piece | None:
        if not (self._read or self._pieces or self._reason):
            return None
        piece = Piece(tuple(self._read), "".join(self._pieces), tuple(self._written), self._draws, self._reason)
        self._read, self._pieces, self._written, self._reason = [], [], [], None
        return piece

    def cancel(self) -> None:
        """Give up the text."""
        self._give_up(self)

    def put(self, news: News) -> bool:
        """Add what a step brought; whether it should be taken at once: it is the first, or the last."""
        with self._lock:
            if self.over:
                return False
            self._draws = self.text.draws
            if news.read is not None:
                self._read.append(news.read)
            if news.text:
                self._pieces.append(news.text)
                self._written.extend(news.written)
            self._reason = news.stop_reason
            full = self._hold(news)
            urgent = (bool(news.text) and not self.begun) or news.stop_reason is not None or full
            self.begun |= bool(news.text)
            self.over |= news.stop_reason is not None
        return urgent

    def _hold(self, news: News) -> bool:
        """Count what nobody has taken yet; whether it has become too much."""
        before = self._held
        symbols = news.written if news.read is None else (news.read, *news.written)
        self._held += len(news.text) + sum(1 + len(symbol.alternatives) for symbol in symbols)
        full = before < MOST_HELD <= self._held
        if full:
            self._since = time.monotonic()
        return full

    def rests(self, now: float) -> bool:
        """Whether nothing more should be put before something has been taken; after `PATIENCE` the text ends."""
        if self.over or self._held < MOST_HELD:
            return False
        if now - self._since > PATIENCE:
            self.end(CharloomError(f"the text was given up, because nobody has read it for {PATIENCE:.0f} seconds"))
        return True

    def end(self, error: CharloomError | None = None) -> None:
        """Let nothing more come; `error` is raised after what came before."""
        with self._lock:
            if not self.over:
                self.over, self._error = True, error

    def wake(self) -> None:
        """In the event loop: there is something to take."""
        self._come.set()


def wake(streams: Iterable[PieceStream]) -> None:
    """From any thread: let those who wait for these streams look, with one call for each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[PieceStream]] = {}
    for stream in streams:
        loops.setdefault(stream.loop, []).append(stream)
    for loop, theirs in loops.items():
        try:
            loop.call_soon_threadsafe(_wake, theirs)
        except RuntimeError:  # the loop is closed: nobody will ever take what comes
            for stream in theirs:
                stream.end()


def _wake(streams: list[PieceStream]) -> None:
    for stream in streams:
        stream.wake()

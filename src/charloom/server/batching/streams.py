"""The way of a text from the thread that writes it to the event loop that wants it."""

import asyncio
import threading
from collections.abc import Callable, Iterable

from charloom.errors import CharloomError
from charloom.generation.stopping import StopReason
from charloom.server.batching.jobs import Piece, Symbol
from charloom.server.batching.texts import News, Text


class PieceStream:
    """Pieces of one text; what comes while nobody takes it is joined to one piece.

    `put`, `end` and `cancel` may be called in any thread.
    """

    def __init__(self, text: Text, cancel: Callable[["PieceStream"], None]) -> None:
        self.text, self.loop = text, asyncio.get_running_loop()
        self.begun = self.over = False
        "Whether anything was put, and whether nothing more will be."
        self._give_up, self._come = cancel, asyncio.Event()
        self._lock = threading.Lock()
        self._read: list[Symbol] = []
        self._pieces: list[str] = []
        self._written: list[Symbol] = []
        self._draws = text.draws
        self._reason: StopReason | None = None
        self._error: CharloomError | None = None

    def __aiter__(self) -> "PieceStream":
        return self

    async def __anext__(self) -> Piece:
        while True:
            with self._lock:
                if self._read or self._pieces or self._reason:
                    return self._take()
                if self.over:
                    if self._error is not None:
                        raise self._error
                    raise StopAsyncIteration
                self._come.clear()
            await self._come.wait()

    def _take(self) -> Piece:
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
            urgent = (bool(news.text) and not self.begun) or news.stop_reason is not None
            self.begun |= bool(news.text)
            self.over |= news.stop_reason is not None
        return urgent

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

"""One model that serves many texts at once: a text joins the others at the next symbol and leaves when it ends.

A prompt is read in the same steps in which others are written, so no text waits for another one's prompt. Every row of
a step computes what it would compute alone (`rows`), its random numbers are its own, and everything after the logits
works row by row: so a text depends on its job alone, never on its neighbours.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from charloom.errors import CharloomError, NotFiniteError, SettingsError, TextError, arguments
from charloom.generation.generate import check
from charloom.generation.writer import Model, Writer
from charloom.server.batching.draws import make_draws
from charloom.server.batching.jobs import Job, ServerBusy
from charloom.server.batching.rows import Rows, make_rows
from charloom.server.batching.steps import MOST_AT_A_TIME, Steps
from charloom.server.batching.streams import PieceStream, wake
from charloom.server.batching.texts import News, Text

LOG = logging.getLogger("charloom.server")

_PACE = 0.01
"""Seconds between two pieces of a text: each piece costs its reader more than a symbol costs the writer."""

_STRETCH = 0.005
"""Seconds for which texts are read or written before another one can join."""

_LAST_STEP = 1.0
"""Seconds for which a closing engine waits for the step that it is in."""

_LOOK = 0.01
"""Seconds between two looks at what is still running, when the engine closes."""

_LOOK_AT_RESTING = 0.5
"""Seconds between two looks at texts that rest, when no other text is running."""


class ServerClosed(ServerBusy):
    """The server is being shut down, or has been."""

    def __str__(self) -> str:
        return "the server is shutting down; try again when it is back"


class ModelEngine:
    """An `Engine`: it begins to prepare itself at once, in a thread of its own, and takes jobs meanwhile."""

    def __init__(
        self, model: Model, *, rows: int = 64, queue: int = 256, tell: Callable[[str], None] = LOG.info
    ) -> None:
        """`rows`: texts side by side; `queue`: jobs that may wait; `tell` gets a line about preparations that take
        long."""
        self.writer = Writer.of(model)
        self._capacity, self._places, self._tell = rows, queue, tell
        self._running: list[PieceStream] = []
        "One for each row that is taken, in order."
        self._queue: deque[PieceStream] = deque()
        self._change = threading.Condition()
        "Guards all of this."
        self._closing = self._stopped = self._ready = False
        self._failure: CharloomError | None = None
        self._thread = threading.Thread(target=self._live, name="charloom-engine", daemon=True)
        self._thread.start()

    @property
    def running(self) -> int:
        """Rows that are taken."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Jobs that have no row yet."""
        return len(self._queue)

    def busy(self) -> ServerBusy | None:
        """What `submit` would raise now because there is no place; None if there is one."""
        running, waiting = len(self._running), len(self._queue)
        if running + waiting < self._capacity + self._places:
            return None
        return ServerBusy(f"{running} texts are being written and {waiting} wait; try again later")

    def ready(self) -> bool:
        """Whether the model has made a step with a finite outcome."""
        return self._ready

    def submit(self, job: Job) -> PieceStream:
        """Queue a job, from within an event loop.

        Raises `ServerBusy` at once if there is no place, `SettingsError` or `TextError` for a job that cannot be done.
        """
        self._check(job)
        stream = PieceStream(Text(job, self.writer.vocabulary), self._cancel, self._go_on)
        with self._change:
            if self._failure is not None:
                raise self._failure
            if self._closing:
                raise ServerClosed
            if _needs_no_step(job):
                stream.put(News(stop_reason="length"))
            elif (busy := self.busy()) is not None:
                raise busy
            else:
                self._queue.append(stream)
                self._change.notify()
        return stream

    async def close(self, *, grace: float) -> None:
        """Take no more jobs, let those that are here end for up to `grace` seconds, then stop."""
        with self._change:
            self._closing = True
        deadline = time.monotonic() + grace
        while (self._running or self._queue) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK)
        self._end_all(ServerClosed())
        await asyncio.to_thread(self._thread.join, _LAST_STEP)

    def _check(self, job: Job) -> None:
        """Raise `SettingsError` or `TextError` for a job that cannot be done."""
        check(job.length, job.stop, [job.seed])
        for name, value in (
            ("draws", job.draws),
            ("read_alternatives", job.read_alternatives),
            ("written_alternatives", job.written_alternatives),
        ):
            if value is None:
                continue
            arguments.whole(name, value)
            if value < 0:
                raise SettingsError(f"{name} is {value}; it must be at least 0")
        vocabulary, ids = self.writer.vocabulary, job.ids
        if ids.ndim != 1 or len(ids) == 0:
            raise TextError("there is no symbol to read; a text begins with the boundary")
        if ids.min() < 0 or ids.max() > vocabulary.boundary:
            wrong = ids[(ids < 0) | (ids > vocabulary.boundary)][0]
            raise TextError(f"id {wrong} stands for no symbol; only ids from 0 to {vocabulary.boundary} do")

    def _cancel(self, stream: PieceStream) -> None:
        with self._change:
            if stream in self._queue:
                self._queue.remove(stream)
            stream.end()
        wake([stream])

    def _go_on(self) -> None:
        """A text that rested has been read."""
        with self._change:
            self._change.notify()

    def _live(self) -> None:
        """The engine's thread."""
        try:
            steps = Steps(make_rows(self.writer, self._capacity, self._tell), make_draws(self.writer))
            self._ready = self._is_finite(steps.rows)
        except Exception as error:
            LOG.exception("the model could not be prepared")
            self._failure = CharloomError(f"the model could not be prepared: {error}")
            self._end_all(self._failure)
            return
        pace = _Pace()
        while active := self._admit(steps.rows):
            self._advance(steps, self._running[:active], pace)

    def _is_finite(self, rows: Rows) -> bool:
        rows.advance(np.array([[self.writer.vocabulary.boundary]]))
        return bool(np.isfinite(rows.logits(np.array([0]))).all())

    def _admit(self, rows: Rows) -> int:
        """Take out what is over and take in what waits, as soon as there is anything to do; how many of the first rows
        go on, 0 if the engine has been stopped."""
        with self._change:
            while not self._stopped:
                for row in reversed(range(len(self._running))):
                    if self._running[row].over:
                        self._take_out(row, rows)
                while self._queue and len(self._running) < self._capacity:
                    stream = self._queue.popleft()
                    if not stream.over:
                        rows.clear(len(self._running))
                        self._running.append(stream)
                if active := self._put_last_those_that_rest(rows):
                    return active
                self._change.wait(_LOOK_AT_RESTING if self._running else None)
            self._running.clear()
            return 0

    def _take_out(self, row: int, rows: Rows) -> None:
        """Give the row of a text that is over to the last one."""
        self._swap(row, len(self._running) - 1, rows)
        self._running.pop()

    def _put_last_those_that_rest(self, rows: Rows) -> int:
        """Texts that are not read rest in the last rows, behind those that take part; how many do."""
        active, now = len(self._running), time.monotonic()
        for row in reversed(range(active)):
            if self._running[row].rests(now):
                active -= 1
                self._swap(row, active, rows)
        return active

    def _swap(self, one: int, other: int, rows: Rows) -> None:
        if one != other:
            rows.swap(one, other)
            self._running[one], self._running[other] = self._running[other], self._running[one]

    def _advance(self, steps: Steps, streams: list[PieceStream], pace: "_Pace") -> None:
        """One step of these streams, which have the first rows."""
        began = time.monotonic()
        try:
            count, news = steps.step([stream.text for stream in streams], pace.symbols)
        except Exception as error:
            LOG.exception("a step failed")
            for stream in streams:
                stream.end(CharloomError(f"the text could not be continued: {error}"))
            wake(streams)
            return
        pace.learn((time.monotonic() - began) / count)
        urgent = list[PieceStream]()
        for number, new in news.items():
            if isinstance(new, NotFiniteError):
                streams[number].end(new)
                urgent.append(streams[number])
            elif streams[number].put(new):
                urgent.append(streams[number])
        wake(pace.due((streams[number] for number in news), urgent))

    def _end_all(self, error: CharloomError) -> None:
        with self._change:
            self._closing = self._stopped = True
            streams = [*self._running, *self._queue]
            self._queue.clear()
            for stream in streams:
                stream.end(error)
            self._change.notify()
        wake(streams)


class _Pace:
    """How often readers are woken, and how many symbols are read or written at a time."""

    def __init__(self) -> None:
        self.symbols = 1
        self._woken = 0.0
        self._waiting: dict[PieceStream, None] = {}

    def learn(self, seconds: float) -> None:
        """A symbol of all texts took so long."""
        self.symbols = max(1, min(MOST_AT_A_TIME, 2 * self.symbols, int(_STRETCH / max(seconds, 1e-9))))

    def due(self, streams: Iterable[PieceStream], urgent: list[PieceStream]) -> list[PieceStream]:
        """Those to wake now, after a step that brought something to these streams and something urgent to some."""
        now = time.monotonic()
        self._waiting.update(dict.fromkeys(streams))
        if now - self._woken < _PACE:
            for stream in urgent:
                del self._waiting[stream]
            return urgent
        self._woken, waiting = now, list(self._waiting)
        self._waiting = {}
        return waiting


def _needs_no_step(job: Job) -> bool:
    return job.length == 0 and (job.read_alternatives is None or len(job.ids) == 1)

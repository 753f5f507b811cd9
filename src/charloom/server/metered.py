"""An engine that is watched: how much it reads and writes, and how long its texts wait."""

import time
from collections.abc import AsyncIterator

from charloom.server.batching.jobs import Engine, Job, Piece, ServerBusy, Stream
from charloom.server.metrics import ModelMetrics


class MeteredEngine:
    """Another engine, whose work is counted."""

    def __init__(self, engine: Engine, metrics: ModelMetrics) -> None:
        self.engine, self._metrics = engine, metrics

    @property
    def running(self) -> int:
        """Rows that are taken."""
        return self.engine.running

    @property
    def waiting(self) -> int:
        """Jobs that have no row yet."""
        return self.engine.waiting

    def busy(self) -> ServerBusy | None:
        """What `submit` would raise now because there is no place; None if there is one."""
        return self.engine.busy()

    def submit(self, job: Job) -> Stream:
        """Queue a job, from within an event loop. Raises `ServerBusy` at once if there is no place."""
        try:
            stream = self.engine.submit(job)
        except ServerBusy:
            self._metrics.rejected += 1
            raise
        self._metrics.characters_read += len(job.ids)
        return _MeteredStream(stream, self._metrics)

    async def close(self, *, grace: float) -> None:
        """Take no more jobs, let those that are here end for up to `grace` seconds, then stop."""
        await self.engine.close(grace=grace)


class _MeteredStream:
    def __init__(self, stream: Stream, metrics: ModelMetrics) -> None:
        self._stream, self._metrics = stream, metrics
        self._ended = self._left = False

    async def __aiter__(self) -> AsyncIterator[Piece]:
        last, waits = time.perf_counter(), self._metrics.first
        try:
            async for piece in self._stream:
                if piece.text:
                    now = time.perf_counter()
                    waits.observe(now - last)
                    last, waits = now, self._metrics.between
                    self._metrics.characters_written += len(piece.text)
                self._ended = piece.stop_reason is not None
                yield piece
        except Exception:
            self._ended = True
            raise

    def cancel(self) -> None:
        """Give up the text."""
        if not (self._ended or self._left):
            self._left = True
            self._metrics.cancelled += 1
        self._stream.cancel()

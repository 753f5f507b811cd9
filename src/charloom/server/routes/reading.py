"""A text of one model as a chain of jobs: one for each text between two boundaries, the last of which writes."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np

from charloom.data.vocabulary import Ids
from charloom.server.batching.jobs import Engine, Job, Piece, ServerBusy, Stream, Symbol
from charloom.server.routes.prompts import parts

_AGAIN = 0.02
"""Seconds after which a text that has begun asks again for a row."""


class Reading:
    """A `Stream` for a job whose symbols may have boundaries among them: the state is zero after each.

    Where nothing is reported of what is read, only the last text counts. Raises `ServerBusy` when it is created.
    """

    def __init__(self, engine: Engine, job: Job, *, boundary: int, predicts_end: bool) -> None:
        self._engine, self._boundary, self._predicts_end = engine, boundary, predicts_end
        texts = parts(job.ids, boundary)
        if job.read_alternatives is None:
            texts = texts[-1:]
        self._jobs = [self._only_read(job, text) for text in texts[:-1]] + [replace(job, ids=texts[-1])]
        self._stream: Stream = engine.submit(self._jobs[0])

    def _only_read(self, job: Job, text: Ids) -> Job:
        ids = np.concatenate((text, [self._boundary])) if self._predicts_end else text
        return Job(ids, 0, read_alternatives=job.read_alternatives)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        for number, job in enumerate(self._jobs):
            if number:
                self._stream = await self._submitted(job)
            last = number == len(self._jobs) - 1
            async for piece in self._stream:
                yield piece if last else Piece(read=piece.read)
            if not last and not self._predicts_end:
                yield Piece(read=(Symbol(self._boundary, math.nan, ()),))  # nothing is known of its probability

    async def _submitted(self, job: Job) -> Stream:
        while True:
            with contextlib.suppress(ServerBusy):
                return self._engine.submit(job)
            await asyncio.sleep(_AGAIN)

    def cancel(self) -> None:
        """Give up the text."""
        self._stream.cancel()

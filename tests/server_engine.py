"""A stand-in for the engine of a server: every job is a task of its own, with a row of its own."""

import asyncio
import math
from collections.abc import AsyncIterator

import numpy as np

from charloom.generation.numpy_steps import StepRows
from charloom.generation.sampling import distributions, draw, log_probabilities
from charloom.generation.stopping import Outlet
from charloom.generation.writer import Writer
from charloom.server.batching.jobs import Job, Piece, ServerBusy, Symbol


class PlainEngine:
    """The protocol of `charloom.server.batching.jobs.Engine`, as plainly as it can be written."""

    def __init__(self, writer: Writer, *, rows: int = 64, waiting: int = 64, pause: float = 0.0) -> None:
        """`pause`: seconds that each symbol takes at least."""
        self.writer, self.pause, self._most = writer, pause, rows + waiting
        self._free = asyncio.Semaphore(rows)
        self.running = self.waiting = self.read = 0
        self.failure: Exception | None = None
        "What the next step raises."

    def busy(self) -> ServerBusy | None:
        if self.running + self.waiting < self._most:
            return None
        return ServerBusy("all rows are taken and the queue is full; try again in a second")

    def submit(self, job: Job) -> "PlainStream":
        if (busy := self.busy()) is not None:
            raise busy
        return PlainStream(self, job)

    async def close(self, *, grace: float) -> None:
        await asyncio.sleep(0)


class PlainStream:
    def __init__(self, engine: PlainEngine, job: Job) -> None:
        self._engine, self._job = engine, job
        self._new, self._pieces = asyncio.Event(), list[Piece | Exception]()
        engine.waiting += 1
        self._state = "waiting"
        self._task = asyncio.create_task(self._run())

    def cancel(self) -> None:
        self._task.cancel()
        self._leave()

    def _leave(self) -> None:
        if self._state != "gone":
            setattr(self._engine, self._state, getattr(self._engine, self._state) - 1)
            self._state = "gone"

    async def __aiter__(self) -> AsyncIterator[Piece]:
        while True:
            await self._new.wait()
            self._new.clear()
            pieces, self._pieces = self._pieces, []
            merged = Piece()
            for piece in pieces:
                if isinstance(piece, Exception):
                    raise piece
                merged = Piece(
                    merged.read + piece.read,
                    merged.text + piece.text,
                    merged.written + piece.written,
                    piece.draws,
                    piece.stop_reason,
                )
            yield merged
            if merged.stop_reason:
                return

    def _put(self, piece: Piece | Exception) -> None:
        self._pieces.append(piece)
        self._new.set()

    async def _run(self) -> None:
        async with self._engine._free:
            self._leave()
            self._state = "running"
            self._engine.running += 1
            try:
                await self._steps()
            except Exception as error:
                self._put(error)
            finally:
                self._leave()

    async def _steps(self) -> None:
        job, writer, engine = self._job, self._engine.writer, self._engine
        rows = writer.begin([job.ids[:1]] if job.ids[0] == writer.vocabulary.boundary else [job.ids[:0]])
        if job.ids[0] != writer.vocabulary.boundary:
            rows = writer.stepper.read([job.ids[:1]])
        for symbol in job.ids[1:].tolist():
            if job.read_alternatives is not None:
                logs = log_probabilities(rows.logits())[0]
                known = symbol < len(logs)
                found = reported(logs, symbol, job.read_alternatives) if known else Symbol(symbol, math.nan, ())
                self._put(Piece(read=(found,), draws=job.draws))
            if symbol == writer.vocabulary.boundary:
                rows = writer.begin([np.array([symbol])])
            else:
                rows.advance(np.array([symbol]))
            engine.read += 1
            await self._pause()
        if job.length == 0:
            self._put(Piece(draws=job.draws, stop_reason="length"))
            return
        await self._write(rows)

    async def _write(self, rows: StepRows) -> None:
        job, writer = self._job, self._engine.writer
        boundary, draws = writer.vocabulary.boundary, job.draws
        recent = np.split(job.ids, np.flatnonzero(job.ids == boundary) + 1)[-1][-64:].tolist()
        uniform = np.random.Generator(np.random.PCG64(job.seed))
        uniform.bit_generator.advance(job.draws)
        outlet, held, reason = Outlet(writer.vocabulary, job.length, job.stop), list[Symbol](), None
        decoder = writer.vocabulary.decoder()
        held_text = ""
        while reason is None:
            logits = writer.logits(rows).copy()
            symbol = draw(distributions(logits, job.sampling, (recent[-64:],))[0], uniform.random())
            draws += 1
            if job.written_alternatives is not None:
                held.append(reported(log_probabilities(rows.logits())[0], symbol, job.written_alternatives))
            held_text += decoder.finish() if symbol == boundary else decoder.push(symbol)
            text, reason = outlet.push(symbol)
            written = self._certain(held, held_text, text, reason)
            held, held_text = held[len(written) :], held_text[len(text) :]
            self._put(Piece((), text, tuple(written), draws, reason))
            recent.append(symbol)
            if symbol != boundary:
                rows.advance(np.array([symbol]))
            await self._pause()

    def _certain(self, held: list[Symbol], held_text: str, text: str, reason: str | None) -> list[Symbol]:
        """The symbols of `text`, which begins what is held."""
        if reason in ("length", "end"):
            return [symbol for symbol in held if symbol.id != self._engine.writer.vocabulary.boundary]
        decoder, missing = self._engine.writer.vocabulary.decoder(), len(text)
        for count, symbol in enumerate(held):
            if missing <= 0:
                return held[:count]
            missing -= len(decoder.push(symbol.id))
        return held if missing <= 0 and text else []

    async def _pause(self) -> None:
        if self._engine.failure is not None:
            error, self._engine.failure = self._engine.failure, None
            raise error
        await asyncio.sleep(self._engine.pause)


def reported(logs: np.ndarray, symbol: int, count: int) -> Symbol:
    best = np.argsort(-logs, kind="stable")[:count]
    top = tuple((int(place), float(logs[place])) for place in best)
    return Symbol(symbol, float(logs[symbol]), top, int((logs > logs[symbol]).sum()) + 1)

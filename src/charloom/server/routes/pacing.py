"""Pieces of a text, not more often than a client can use them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from charloom.server.batching.jobs import Engine, Piece, Stream

EVENT_SECONDS = 0.02
"""Seconds between two events of one text while there are few."""

_FEW, _MANY = 40, 64
"""Texts side by side up to which the pauses are that short, and from which on they grow no more."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.04


async def paced(stream: Stream, engine: Engine) -> AsyncIterator[Piece]:
    """The first piece at once, then one now and then; the more texts the engine writes, the rarer: each event costs as
    much as several characters.
    """
    async for piece in stream:
        yield piece
        if piece.stop_reason is None:
            await asyncio.sleep(EVENT_SECONDS * max(1.0, min(engine.running, _MANY) / _FEW))


async def collected(stream: Stream) -> AsyncIterator[Piece]:
    """Pieces at growing distances, for an answer that is sent as a whole."""
    pause = _FIRST_PAUSE
    async for piece in stream:
        yield piece
        if piece.stop_reason is None:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def cancel(streams: Sequence[Stream]) -> None:
    """Give up all of them."""
    for stream in streams:
        stream.cancel()

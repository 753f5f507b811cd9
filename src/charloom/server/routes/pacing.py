"""Pieces of a text, not more often than a client can use them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from charloom.server.batching.jobs import Piece, Stream

EVENT_SECONDS = 0.02
"""Seconds between two events of one text."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.04


async def paced(stream: Stream, seconds: float = EVENT_SECONDS) -> AsyncIterator[Piece]:
    """The first piece at once, then at most one in this number of seconds."""
    async for piece in stream:
        yield piece
        if piece.stop_reason is None:
            await asyncio.sleep(seconds)


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

"""Work for a client that may leave: when it does, the work ends at once."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import TypeVar

from fastapi.sse import EventSourceResponse
from starlette.types import Receive, Scope, Send

from charloom.server.batching.jobs import Stream

Result = TypeVar("Result")


async def while_connected(receive: Receive, work: Coroutine[object, object, Result]) -> Result | None:
    """The result of `work`, or None if the client leaves first; `work` is then cancelled."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Events(EventSourceResponse):
    """Server-sent events about texts, which are given up when the client leaves or the events end."""

    def __init__(self, events: AsyncIterator[bytes], streams: Sequence[Stream]) -> None:
        super().__init__(events, headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await while_connected(receive, self.stream_response(send))
        finally:
            for stream in self._streams:
                stream.cancel()

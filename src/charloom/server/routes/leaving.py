"""Work for a client that may leave: when it does, the work ends at once."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import TypeVar

from fastapi.sse import EventSourceResponse, format_sse_event
from starlette.types import Receive, Scope, Send

from charloom.server.batching.jobs import Stream

Result = TypeVar("Result")

DONE = format_sse_event(data_str="[DONE]")
"""The last event."""


class ClientLeft(Exception):
    """The client closed its connection before the answer."""


async def while_connected(receive: Receive, work: Coroutine[object, object, Result]) -> Result:
    """The result of `work`, which is cancelled if the client leaves first. Raises `ClientLeft`."""
    working, gone = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeft
        return working.result()
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
        except ClientLeft:
            pass
        finally:
            for stream in self._streams:
                stream.cancel()

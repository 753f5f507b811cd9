"""What became of each request, for those who keep a record of it."""

import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Listener = Callable[[Scope, int, float], None]
"""Told about a request once it is over: its scope, the status of its answer (0 if the client left before), seconds."""


class Answered:
    """Passes requests on, and tells listeners how each was answered and how long that took."""

    def __init__(self, app: ASGIApp, *listeners: Listener) -> None:
        self._app, self._listeners = app, listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        started, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            for listener in self._listeners:
                listener(scope, status, time.monotonic() - started)

"""Requests for texts enter the application one by one, so that others can be refused meanwhile.

Taking in a request costs the event loop milliseconds, refusing one a tenth of one. When many places become free at
once, the requests that get them would hold up everything else until the last of them is in.
"""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send


class Turns:
    """Passes on one request for a text in each round of the event loop; others at once."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path
        self._turn = asyncio.Lock()
        self.waiting = 0
        "Requests for texts that have arrived and wait for their turn."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["path"] == self._path:
            self.waiting += 1
            try:
                async with self._turn:
                    await asyncio.sleep(0)  # whatever else has arrived comes first
            finally:
                self.waiting -= 1
        await self._app(scope, receive, send)

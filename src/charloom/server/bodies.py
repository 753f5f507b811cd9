"""Bodies of requests: JSON alone, bounded by what the client announces and by what arrives.

A body is read whole before the application sees the request, so nothing can wait for the rest of it there.
"""

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from charloom.server.refusals import refusal, refuse, start

READING = ("GET", "HEAD", "OPTIONS")
"""Methods whose requests have no body."""

SLOWEST = 20.0
"""Seconds within which a body must arrive."""

TOGETHER = 64 << 20
"""Bytes of unfinished bodies that are held at any time."""

_LEFT, _LEFT_SECONDS = 16 << 20, 2.0
"""How much of a body that is too large is read and dropped, so that the client sees the answer, and for how long."""


class _TooLarge(Exception):
    def __init__(self, ended: bool) -> None:
        self.ended = ended


class _Gone(Exception):
    pass


class _TooMany(Exception):
    pass


class BoundedBodies:
    """Refuses bodies that are not JSON, too large, or too slow."""

    def __init__(self, app: ASGIApp, most: int, *, slowest: float = SLOWEST, together: int = TOGETHER) -> None:
        """`most`: bytes of a body; `slowest`: seconds within which it must arrive; `together`: bytes of all bodies that
        are arriving."""
        self._app, self._most, self._slowest, self._together = app, most, slowest, together
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 408, 413, 415 or 503, or pass the request on with its whole body."""
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        has_body = b"transfer-encoding" in headers or length != b"0"
        if scope["method"] in READING and not has_body:
            await self._app(scope, receive, send)
        elif not _is_json(headers):
            await self._leave(receive, send, 415, "send the request as JSON, with Content-Type: application/json")
        elif not length.isdigit() or len(length) > 18 or int(length) > self._most:
            await self._leave(receive, send, 413, self._too_large())
        elif self._held >= self._together:
            await self._busy(send)
        else:
            await self._read(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await asyncio.wait_for(self._body(receive), self._slowest)
        except TimeoutError:
            await refuse(send, 408, "the body of the request did not arrive in time", headers={"connection": "close"})
        except _TooLarge as error:
            await self._leave(receive, send, 413, self._too_large(), ended=error.ended)
        except _TooMany:
            await self._busy(send)
        except _Gone:
            return
        else:
            await self._app(scope, _again(body, receive), send)

    async def _body(self, receive: Receive) -> bytes:
        body = bytearray()
        try:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    raise _Gone
                part = message.get("body", b"")
                self._held += len(part)
                body += part
                if len(body) > self._most:
                    raise _TooLarge(not message.get("more_body", False))
                if self._held > self._together:
                    raise _TooMany
                if not message.get("more_body", False):
                    return bytes(body)
        finally:
            self._held -= len(body)

    async def _busy(self, send: Send) -> None:
        headers = {"retry-after": "1", "connection": "close"}
        await refuse(send, 503, "too many requests are arriving; try again", headers=headers)

    def _too_large(self) -> str:
        return f"the request is larger than {self._most:,} bytes; send less at once"

    async def _leave(self, receive: Receive, send: Send, status: int, message: str, *, ended: bool = False) -> None:
        """Refuse a request of which a part may not have arrived yet, unless it has `ended`, and end the connection."""
        body = refusal(status, message)
        await send(start(status, body, {"connection": "close"}))
        await send({"type": "http.response.body", "body": body, "more_body": True})
        with suppress(TimeoutError):
            if not ended:
                await asyncio.wait_for(_drop(receive), _LEFT_SECONDS)
        await send({"type": "http.response.body", "body": b""})


def _is_json(headers: dict[bytes, bytes]) -> bool:
    kind, _, parameters = headers.get(b"content-type", b"").lower().partition(b";")
    charset = parameters.replace(b" ", b"").replace(b'"', b"")
    plain = headers.get(b"content-encoding", b"identity").lower() == b"identity"
    return kind.strip() == b"application/json" and charset in (b"", b"charset=utf-8") and plain


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive` for a body that has been read: the body, and then whatever happens to the connection."""
    unread = [body]

    async def receive_again() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return receive_again


async def _drop(receive: Receive) -> None:
    dropped = 0
    while dropped < _LEFT:
        message = await receive()
        dropped += len(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return

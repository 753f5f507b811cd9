"""Connections, bounded in number, in the size of their headers, and in how long they may take to send them."""

import asyncio
from collections.abc import Mapping
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from charloom.server.refusals import refusal, whole

HEADER_BYTES = 32 << 10
"""Most bytes of a request's first line and headers."""

HEADER_SECONDS = 10.0
"""Within how many seconds they must arrive."""

IDLE_SECONDS = 30
"""For how long a connection is kept open between two requests."""

CONNECTIONS = 1024
"""Most connections at a time."""

FAREWELL_SECONDS = 1.0
"""For how long a refused client may finish what it sends. If bytes of it were left unread, the system would reset the
connection, and the client could lose the answer."""

_TOO_LONG = 431
"""The status for headers that are too long."""


class _BoundedHeads(h11.Connection):
    """HTTP whose requests have a first line and headers of bounded length, regardless of how they arrive.

    h11 itself counts what has arrived only while a request is incomplete, so one that comes whole may be longer.
    """

    def __init__(self, most: int) -> None:
        super().__init__(h11.SERVER, most)
        self._most = most
        self.too_long = False

    def next_event(self) -> Any:
        """The next event. Raises `h11.RemoteProtocolError`."""
        waiting = self.their_state is h11.IDLE
        before = len(self.trailing_data[0]) if waiting else 0
        try:
            event = super().next_event()
        except h11.RemoteProtocolError as error:
            self.too_long = error.error_status_hint == _TOO_LONG
            raise
        if waiting and isinstance(event, h11.Request) and before - len(self.trailing_data[0]) > self._most:
            self.too_long = True
            raise h11.RemoteProtocolError("the head of the request is too long", error_status_hint=_TOO_LONG)
        return event


class BoundedConnection(H11Protocol):
    """A connection that is closed if no whole request arrives in time, and refused if there are too many."""

    header_seconds = HEADER_SECONDS
    most = CONNECTIONS
    _refused = False
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn: _BoundedHeads = _BoundedHeads(HEADER_BYTES)

    def connection_made(self, transport: Any) -> None:
        """Start to wait for the first request, or refuse the connection."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._send_last(503, "this server has too many connections; try again", {"retry-after": "1"})
            transport.close()
            return
        self._look()

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._refused or self.transport.is_closing():
            return
        if self._answered_at_once(data):
            return
        super().data_received(data)
        self._look()

    def _answered_at_once(self, data: bytes) -> bool:
        """Answer a request without looking at it closely, if the application can and nothing else is going on."""
        at_once = getattr(self.app, "at_once", None)
        idle = self.cycle is None or self.cycle.response_complete
        if not (at_once and idle and self.conn.their_state is h11.IDLE and self.conn.trailing_data[0] == b""):
            return False
        found = at_once(data, self.server, self.client)
        if found is None:
            return False
        answer, ends = found
        self._cancel()
        self._unset_keepalive_if_required()
        self.transport.write(answer)
        if ends:
            self.transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.transport.close)
        return True

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are no request. If they come in the middle of a request, its answer is no longer sent."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        if self.conn.too_long:
            self._refuse(_TOO_LONG, f"the first line and the headers of a request have at most {HEADER_BYTES:,} bytes")
        else:
            self._refuse(400, "this is not a request that an HTTP server understands")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._cancel()
        super().connection_lost(exc)

    def _refuse(self, status: int, message: str) -> None:
        """Send an error to a client that may still be sending; close the connection when it does, or soon."""
        self._refused = True
        self._send_last(status, message)
        self.transport.write_eof()
        self.loop.call_later(FAREWELL_SECONDS, self.transport.close)

    def _send_last(self, status: int, message: str, headers: Mapping[str, str] = {}) -> None:
        self.transport.write(whole(status, refusal(status, message), {**headers, "connection": "close"}))

    def _look(self) -> None:
        """Set the deadline if a request has begun and not arrived; a part of it does not move the deadline."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._cancel()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.header_seconds, self._late)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

"""The server as a process: the socket it listens on, and how it ends."""

import asyncio
import contextlib
import gc
import ipaddress
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

import uvicorn

from charloom.errors import CharloomError, SettingsError, shown
from charloom.interruption import SAME_PRESS, SIGNALS
from charloom.server.connections import CONNECTIONS, HEADER_BYTES, IDLE_SECONDS, BoundedConnection
from charloom.server.registry import Models
from charloom.server.reloading import Reloading
from charloom.server.service import Service

GRACE = 5.0
"""Seconds for which running requests go on once the server is told to end."""

SWITCH_SECONDS = 0.0005
"""For how long one thread may keep Python to itself while another waits: the engine's needs it often, and briefly."""

_LAST = 1.0
"""Seconds for their last words to be sent."""


def find(host: str, port: int) -> tuple[socket.AddressFamily, Any]:
    """The address to listen on, an IPv4 one if there is one. Raises `SettingsError`."""
    if not 0 <= port <= 65_535:
        raise SettingsError(f"port is {port}; it must be at least 0 (any free one) and at most 65,535")
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise SettingsError(
            f"there is no address {shown(host)!r} to listen on; give one of this machine's with --host"
        ) from None
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address


def is_loopback(address: Any) -> bool:
    """Whether only this machine can reach a socket's address."""
    return ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback


def listen(family: socket.AddressFamily, address: Any) -> socket.socket:
    """A socket that listens there. Raises `SettingsError` if that is impossible."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2 * CONNECTIONS)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        reason = (error.strerror or str(error)).lower()
        raise SettingsError(
            f"cannot listen on {address[0]} port {address[1]}: {reason}; choose another --port (0 takes any free one), "
            "or another --host"
        ) from None
    return listening


class Server(uvicorn.Server):
    """Runs a service until a signal ends it: first no new requests, then the running ones for a while, then nothing."""

    def __init__(self, service: Service, models: Models, *, grace: float = GRACE) -> None:
        config = uvicorn.Config(
            service,
            *("127.0.0.1", 0),
            http=BoundedConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=1,
            h11_max_incomplete_event_size=HEADER_BYTES,
        )
        super().__init__(config)
        self._service, self._models, self._grace = service, models, grace
        self._work = list[asyncio.Task[None]]()
        self._told: float | None = None
        self.signal: int | None = None
        "The signal that ended it."
        self.failure: CharloomError | None = None
        "Why it could not start."

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take requests, prove the models, and watch their files."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._work = [asyncio.create_task(self._prove()), asyncio.create_task(Reloading(self._models).run())]
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End as described above."""
        self._service.health.ending = True
        for task in self._work:
            task.cancel()
        await self._until_idle(self._grace)
        await self._models.close(grace=0.0)
        await self._until_idle(_LAST)
        await super().shutdown(sockets)

    async def _until_idle(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._service.running and time.monotonic() < end:
            await asyncio.sleep(0.02)

    async def _prove(self) -> None:
        try:
            await self._models.prove()
            gc.collect()
            gc.freeze()  # what is here now stays, and looking through it again would hold up every request
            self._service.health.ready = True
        except CharloomError as error:
            self.failure, self.should_exit = error, True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End on signals within the block; an ignored SIGHUP stays ignored, as nohup wants."""
        before = {}
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler != signal.SIG_IGN or number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal, a moment later, ends the process at once."""
        if self._told is None:
            self._told, self.signal = time.monotonic(), sig
            self._service.health.ending = self.should_exit = True
        elif time.monotonic() - self._told >= SAME_PRESS:
            os._exit(128 + sig)


def more_files() -> None:
    """Allow as many open files as the connections may need, if the system lets us."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * CONNECTIONS + 256
        if soft != resource.RLIM_INFINITY and soft < wanted:
            most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))

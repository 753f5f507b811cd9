"""`charloom serve`: from what was asked for to a running server."""

import contextlib
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from charloom.errors import SettingsError
from charloom.generation.writer import Writer
from charloom.server import logs, process
from charloom.server.access import check_key, host_names, is_any
from charloom.server.batching.engine import ModelEngine
from charloom.server.batching.jobs import Engine
from charloom.server.metrics import Metrics
from charloom.server.registry import MakeEngine, Models
from charloom.server.served import Limits
from charloom.server.service import Access, Service


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    host: str
    port: int
    key: str | None
    allow_host: tuple[str, ...]
    rows: int
    queue: int
    longest_text: int
    longest_prompt: int
    log_requests: bool = True


@dataclass(frozen=True, eq=False)
class Serving:
    """A server that is ready to start."""

    server: process.Server
    service: Service
    models: Models
    listening: socket.socket

    @property
    def address(self) -> str:
        """Where it is found, as an URL without a slash at its end."""
        host, port = self.listening.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def lines(self) -> Iterator[str]:
        """What a person should know before it starts."""
        names = ", ".join(self.models.names())
        yield f"serving {names} at {self.address}/v1 (its routes: {self.address}/docs)"
        if "/" in self.service.files:
            yield f"the page: {self.address}/"
        if not process.is_loopback(self.listening.getsockname()):
            yield "texts and key travel as they are; for encryption put a proxy with TLS in front of it (--allow-host)"
        yield "end with Ctrl-C"

    def run(self) -> process.Server:
        """Serve until a signal comes; the server says which."""
        self.server.run(sockets=[self.listening])
        return self.server


@contextlib.contextmanager
def prepare(places: Sequence[str], wishes: Wishes) -> Iterator[Serving]:
    """Take the port, read the models, and put everything together; the port is given back in the end.

    Raises `CharloomError`: for an address that others can reach and no key, a port that is taken, a model that cannot
    be read.
    """
    from charloom.server.routes.app import build

    limits = _limits(wishes)
    key = check_key(wishes.key) if wishes.key is not None else None
    family, address = process.find(wishes.host, wishes.port)
    if key is None and not process.is_loopback(address):
        raise SettingsError(
            f"other machines can reach {wishes.host}, so a key is needed: give --api-key-file FILE, or leave out --host"
        )
    host_names(address[0], 1, wishes.allow_host)
    counts = Metrics()
    models = Models(places, _make_engine(wishes), counts)
    process.more_files()
    with contextlib.closing(process.listen(family, address)) as listening:
        models.load()
        own, port = listening.getsockname()[:2]
        access = Access(host_names(own, port, wishes.allow_host), any_address=is_any(own), key=key)
        service = Service(build(models, limits), models, access, limits=limits, counts=counts)
        logs.set_up(key, access=wishes.log_requests)
        sys.stderr.flush()
        yield Serving(process.Server(service, models), service, models, listening)


def _limits(wishes: Wishes) -> Limits:
    """The bounds of requests. Raises `SettingsError` for one outside its range."""
    for name, value, most in (
        ("rows", wishes.rows, 1024),
        ("queue", wishes.queue, 100_000),
        ("longest-text", wishes.longest_text, 10_000_000),
        ("longest-prompt", wishes.longest_prompt, 10_000_000),
    ):
        least = 0 if name == "queue" else 1
        if not least <= value <= most:
            raise SettingsError(f"--{name} is {value}; it must be at least {least} and at most {most:,}")
    limits = Limits()
    body = max(limits.body_bytes, 8 * wishes.longest_prompt)
    return replace(limits, body_bytes=body, prompt=wishes.longest_prompt, length=wishes.longest_text)


def _make_engine(wishes: Wishes) -> MakeEngine:
    def make(writer: Writer) -> Engine:
        return ModelEngine(writer, rows=wishes.rows, queue=wishes.queue)

    return make

"""Stand-ins for tests of the server: an engine, a client without a network, a client with raw sockets."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom.errors import NotFiniteError
from charloom.generation.sampling import log_probabilities
from charloom.generation.writer import Writer
from charloom.server.batching.jobs import Job, Piece, ServerBusy

PORT = 8000
"""The port that requests without a network are sent to."""

OURS = {"host": f"127.0.0.1:{PORT}"}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The sentence of an error."""
        return str(self.json["error"]["message"])


async def ask(
    app: Any,
    method: str,
    path: str,
    *,
    headers: Sequence[tuple[bytes, bytes]] | Mapping[str, str] = OURS,
    body: Any = None,
    pieces: Sequence[bytes] | None = None,
    leave: asyncio.Event | None = None,
    server: tuple[str, int] = ("127.0.0.1", PORT),
) -> Answer:
    """The answer of an application to a request. `body`: JSON; `pieces`: the body as it arrives; `leave`: when the
    client closes its connection."""
    given = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    raw = [(_bytes(name).lower(), _bytes(value)) for name, value in given]
    if body is not None:
        pieces = [json.dumps(body).encode()]
        raw += [(b"content-type", b"application/json"), (b"content-length", str(len(pieces[0])).encode())]
    waiting = list(pieces or [b""])
    sent: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "client": ("127.0.0.1", 50_000),
        "server": server,
        "state": {},
    }

    async def receive() -> Any:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}
        await (leave or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    fields = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], fields, b"".join(each.get("body", b"") for each in sent[1:]))


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


class StandInEngine:
    """Writes the most probable symbols, one text after the other a symbol at a time."""

    def __init__(self, writer: Writer, rows: int = 4, queue: int = 4) -> None:
        self.writer, self.places = writer, rows + queue
        self.running = self.waiting = 0
        self.closed = False
        self.go_on = asyncio.Event()
        "Texts stop before each symbol until this is set."
        self.go_on.set()
        self.streams: set[_StandInStream] = set()

    def busy(self) -> ServerBusy | None:
        return ServerBusy("all rows are taken") if self.running >= self.places else None

    def submit(self, job: Job) -> "_StandInStream":
        if self.closed or self.busy():
            raise ServerBusy("all rows are taken")
        self.running += 1
        stream = _StandInStream(self, job)
        self.streams.add(stream)
        return stream

    async def close(self, *, grace: float) -> None:
        self.closed = True
        end = time.monotonic() + grace
        while self.running and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for stream in list(self.streams):
            stream.cancel()


class _StandInStream:
    def __init__(self, engine: StandInEngine, job: Job) -> None:
        self.engine, self.job = engine, job

    async def __aiter__(self) -> AsyncIterator[Piece]:
        writer = self.engine.writer
        rows = writer.begin([self.job.ids])
        try:
            for number in range(self.job.length):
                await self.engine.go_on.wait()
                await asyncio.sleep(0)
                if self not in self.engine.streams:
                    return
                logs = log_probabilities(writer.logits(rows))[0]
                if not np.isfinite(logs.max()):
                    raise NotFiniteError
                symbol = int(np.argmax(logs[: writer.vocabulary.boundary]))
                rows.advance(np.array([symbol]))
                last = number + 1 == self.job.length
                yield Piece(text=writer.vocabulary.decode(np.array([symbol])), stop_reason="length" if last else None)
        finally:
            self.cancel()

    def cancel(self) -> None:
        if self in self.engine.streams:
            self.engine.streams.remove(self)
            self.engine.running -= 1


@contextlib.contextmanager
def listening(app: Any, **bounds: Any) -> Iterator[int]:
    """A server with `BoundedConnection`s, perhaps with other bounds; gives its port."""
    import uvicorn

    from charloom.server.connections import BoundedConnection

    config = uvicorn.Config(
        app,
        http=type("Connection", (BoundedConnection,), bounds),
        ws="none",
        lifespan="off",
        log_level="critical",
        timeout_keep_alive=30,
        proxy_headers=False,
        server_header=False,
    )
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()

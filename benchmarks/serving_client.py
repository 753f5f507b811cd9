"""An own client for loads: plain sockets in one event loop, which notes when each byte came.

A library's client would wait, retry or keep connections as it sees fit; this one does what it is told.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

TEXT = re.compile(rb'"text": ?"(?!")')
"""In an event: the beginning of new text."""


class Call(asyncio.Protocol):
    """One request on one connection, and its answer."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.sent = self.ended = 0.0
        self.arrivals = list[tuple[float, bytes]]()
        self.begun, self.over = asyncio.Event(), asyncio.Event()
        "Set with the first byte, and at the end of the connection."
        self.failure: str | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Send the request."""
        self.transport, self.sent = transport, time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Note what came, and when."""
        self.arrivals.append((time.perf_counter(), data))
        self.begun.set()

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end."""
        self.ended = self.arrivals[-1][0] if self.arrivals else time.perf_counter()
        self.failure = None if error is None else str(error)
        self.begun.set()
        self.over.set()

    def leave(self) -> None:
        """Close the connection as a client does that has lost interest."""
        self.transport.abort()

    @property
    def status(self) -> int:
        """The status; 0 if no answer came."""
        head = self.arrivals[0][1] if self.arrivals else b""
        return int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else 0

    @property
    def body(self) -> bytes:
        """The body; what is missing at its end is missing here too."""
        head, _, body = b"".join(data for _, data in self.arrivals).partition(b"\r\n\r\n")
        if b"transfer-encoding: chunked" not in head.lower():
            return body
        parts = []
        while body:
            size, _, body = body.partition(b"\r\n")
            length = int(size, 16)
            if length == 0:
                break
            parts.append(body[:length])
            body = body[length + 2 :]
        return b"".join(parts)

    @property
    def is_complete(self) -> bool:
        """Whether the answer has its end: by its length, or by its last chunk and, for a stream, its last event."""
        whole = b"".join(data for _, data in self.arrivals)
        head, _, body = whole.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if length:
            return len(body) == int(length[1])
        ended = body.endswith(b"0\r\n\r\n")
        return ended and (b"text/event-stream" not in head.lower() or b"data: [DONE]" in body)

    @property
    def text(self) -> str:
        """The text that was written, of a stream or not."""
        if b"data: " not in self.body:
            return str(json.loads(self.body)["choices"][0]["text"])
        events = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: {")]
        return "".join(choice["text"] for event in events for choice in json.loads(event).get("choices", ()))

    @property
    def texts_at(self) -> list[float]:
        """When new text came, in seconds of `time.perf_counter`."""
        return [at for at, data in self.arrivals if TEXT.search(data)]

    @property
    def gaps(self) -> list[float]:
        """Seconds between some text and the next."""
        times = self.texts_at
        return [later - earlier for earlier, later in pairwise(times)]


class Server:
    """A server process that is measured from outside."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    async def call(self, method: str, path: str, body: Any = None) -> Call:
        """Begin a request on a new connection."""
        data = b"" if body is None else json.dumps(body).encode()
        kind = "" if body is None else f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n{kind}\r\n"
        loop = asyncio.get_running_loop()
        _, call = await loop.create_connection(lambda: Call(head.encode() + data), "127.0.0.1", self.port)
        return call

    async def write(self, **body: Any) -> Call:
        """Begin a completion; a stream unless said otherwise."""
        return await self.call("POST", "/v1/completions", {"stream": True, **body})

    async def finished(self, **body: Any) -> Call:
        """A completion that is over."""
        call = await self.write(**body)
        await call.over.wait()
        return call

    async def health(self) -> Any:
        """What /health says."""
        call = await self.call("GET", "/health")
        await call.over.wait()
        return json.loads(call.body)

    async def taken(self) -> tuple[int, int]:
        """How many texts run and wait, in all models."""
        models = (await self.health())["models"].values()
        return sum(each.get("running", 0) for each in models), sum(each.get("waiting", 0) for each in models)

    async def until(self, running: int, waiting: int = 0, *, patience: float = 300.0) -> float:
        """Seconds until exactly this many texts run and wait, as /health says."""
        began = time.perf_counter()
        while await self.taken() != (running, waiting):
            if time.perf_counter() - began > patience:
                raise TimeoutError(f"{await self.taken()} texts run and wait, not {(running, waiting)}")
            await asyncio.sleep(0.002)
        return time.perf_counter() - began

    def memory(self) -> float:
        """MiB of memory that the process occupies; 0 where the system does not say."""
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
        return 0.0

    def files(self) -> int:
        """How many files and sockets it has open; 0 where the system does not say."""
        with contextlib.suppress(OSError):
            return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))
        return 0


@contextlib.contextmanager
def served(*places: object, **options: object) -> Iterator[Server]:
    """`charloom serve` on a free port, with these options, ready to be asked."""
    flags = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "charloom", "serve", *map(str, places), "--port", "0", "--quiet", *flags]
    environment = {**os.environ, "CHARLOOM_API_KEY": ""}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        said = list[str]()
        while not said or "Ctrl-C" not in said[-1]:
            said.append(process.stderr.readline())
            if not said[-1]:
                raise RuntimeError("".join(said))
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v1", "".join(said))
        assert found is not None
        server = Server(process, int(found[1]))
        asyncio.run(_ready(server))
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stderr.close()  # type: ignore[union-attr]


async def _ready(server: Server) -> None:
    while (await server.health())["status"] != "ready":
        await asyncio.sleep(0.05)


def share(values: Sequence[float], part: float) -> float:
    """The value that this part of the values does not exceed; NaN without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")

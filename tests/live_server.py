"""A real server of small models on a port of this machine, in a thread of this process."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from charloom.generation.writer import Writer
from charloom.server.batching.engine import ModelEngine
from charloom.server.routes.app import build
from charloom.server.served import Limits, Served, UnknownModelError
from server_engine import PlainEngine


def new_engine(writer: Writer) -> Any:
    """The engine of a server, where a test needs no slow or broken one."""
    return ModelEngine(writer)


@dataclass
class Shelf:
    """Models that stay as they are."""

    models: dict[str, Served] = field(default_factory=dict)

    def names(self) -> Sequence[str]:
        return list(self.models)

    def get(self, name: str | None = None) -> Served:
        if name is None:
            return next(served for served in self.models.values() if served.writer)
        if name not in self.models:
            raise UnknownModelError(name, self.names())
        return self.models[name]


@dataclass
class Live:
    """A server that runs."""

    port: int
    shelf: Shelf

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def engine(self, name: str) -> Any:
        return self.shelf.models[name].engine

    def eventually(self, condition: Any) -> None:
        """Wait until it holds; fails after ten seconds."""
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "it never happened"
            time.sleep(0.002)


def _ready(served: Served) -> bool:
    """Whether its engine, if that has to prepare itself, is prepared."""
    return not hasattr(served.engine, "ready") or served.engine.ready()


@contextlib.contextmanager
def serving(
    models: dict[str, Any], limits: Limits | None = None, *, plain: dict[str, Any] | None = None
) -> Iterator[Live]:
    """Serve these models (`LanguageModel`, `Writer` or `Classifier`) by their names; `plain`: with a `PlainEngine` each
    that takes these arguments."""
    shelf = Shelf()
    app = build(shelf, limits or Limits())
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    listening = socket.create_server(("127.0.0.1", 0))

    async def run() -> None:
        for name, model in models.items():
            if hasattr(model, "classes") or hasattr(model, "reader"):
                shelf.models[name] = Served(name, 1, name, classifier=model, applications=("classify",))
            else:
                writer = Writer.of(model)
                engine = new_engine(writer) if plain is None else PlainEngine(writer, **plain)
                shelf.models[name] = Served(name, 1, name, writer, engine, None, ("score",))
        await server.serve([listening])
        for served in shelf.models.values():
            if served.engine:
                await served.engine.close(grace=0)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        while not (server.started and all(_ready(one) for one in shelf.models.values())):
            assert thread.is_alive(), "the server ended"
            time.sleep(0.005)
        yield Live(listening.getsockname()[1], shelf)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()

"""The language model that a request is for."""

from charloom.generation.writer import Writer
from charloom.server.batching.jobs import Engine
from charloom.server.routes.errors import RequestError
from charloom.server.served import Registry, Served


def language_model(
    registry: Registry, name: str | None, refusal: str = "reads no text like this"
) -> tuple[Served, Writer, Engine]:
    """The model of this name, or the first. Raises `UnknownModelError`, or `RequestError` for a classifier, which
    `refusal`."""
    served = registry.get(name)
    if served.writer is None or served.engine is None:
        raise RequestError(f"{served.name} is a classifier and {refusal}; send it to /v1/classify", "model")
    return served, served.writer, served.engine

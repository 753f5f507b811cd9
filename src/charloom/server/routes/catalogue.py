"""`GET /v1/models`: which models are served, and what they are."""

from typing import Any

from fastapi import APIRouter

from charloom.server.routes.answers import ModelEntry, ModelList, documented
from charloom.server.routes.symbols import symbols_of
from charloom.server.served import Registry, Served


def catalogue(registry: Registry) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["models"])

    @router.get("/v1/models", responses=documented(ModelList), name="List models")
    async def models() -> dict[str, Any]:
        """All models, in the order in which they were named when the server was started."""
        return {"object": "list", "data": [entry(registry.get(name)) for name in registry.names()]}

    @router.get("/v1/models/{name:path}", responses=documented(ModelEntry), name="One model")
    async def model(name: str) -> dict[str, Any]:
        """One model by its name."""
        return entry(registry.get(name))

    return router


def entry(served: Served) -> dict[str, Any]:
    """A model in OpenAI's shape, with what it is under "charloom"."""
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "charloom",
        "charloom": {"id": served.name, **_facts(served), "applications": list(served.applications)},
    }


def _facts(served: Served) -> dict[str, Any]:
    if served.writer is not None:
        config, vocabulary = served.writer.config, served.writer.vocabulary
        names = symbols_of(vocabulary, config.documents).names[: served.writer.stepper.outputs]
        return {
            "kind": "language",
            "symbols": names if vocabulary.kind == "characters" else None,
            "vocabulary": vocabulary.kind,
            "cell": config.network.cell,
            "layers": config.network.layers,
            "hidden_size": config.network.hidden_size,
        }
    assert served.classifier is not None
    network = served.classifier.config.network
    return {
        "kind": "classifier",
        "symbols": None,
        "vocabulary": served.classifier.vocabulary.kind,
        "cell": network and network.cell,
        "layers": network.layers if network else 0,
        "hidden_size": network.hidden_size if network else 0,
        "classes": list(served.classifier.config.classes),
    }

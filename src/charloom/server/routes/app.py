"""The application: routes for the models of a registry, and the description of them."""

from fastapi import FastAPI

from charloom.server.routes import errors
from charloom.server.routes.catalogue import catalogue
from charloom.server.routes.completions import completions
from charloom.server.routes.documentation import documentation
from charloom.server.routes.schema import describe
from charloom.server.routes.scoring import scoring
from charloom.server.routes.tokenizer import tokenizer
from charloom.server.served import Limits, Registry
from charloom.version import __version__


def build(registry: Registry, limits: Limits) -> FastAPI:
    """An application that serves the models of `registry`, each request within `limits`.

    Every error is answered in OpenAI's shape. Access, bodies and lifetime are the business of what wraps it.
    """
    app = FastAPI(
        title="charloom",
        version=__version__,
        summary="Character-level language models over HTTP.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    errors.install(app)
    for router in (
        completions(registry, limits),
        catalogue(registry),
        scoring(registry, limits),
        tokenizer(registry, limits),
        documentation(app),
    ):
        app.include_router(router)
    describe(app)
    return app

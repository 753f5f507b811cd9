"""The whole server as one application: routes, pages, and everything that a request passes on its way to them."""

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from charloom.errors.options import answering
from charloom.server import metrics, static
from charloom.server.access import KnownHosts, NeedsKey
from charloom.server.answered import Answered
from charloom.server.bodies import BoundedBodies
from charloom.server.busy import Address, BusyAnswers
from charloom.server.health import Health
from charloom.server.logs import log_request
from charloom.server.metrics import Metrics
from charloom.server.refusals import refuse
from charloom.server.routes import applications
from charloom.server.routes.workers import Workers
from charloom.server.served import Limits, Registry
from charloom.server.static import StaticFile, static_files

HEALTH, METRICS = "/health", "/metrics"


@dataclass
class Access:
    """Who may ask."""

    hosts: frozenset[str]
    "Every Host that is answered, as `host_names` gives them."
    any_address: bool = False
    "Whether also the address counts that the client is connected to."
    key: bytes | None = None
    "The key, without which only the page and the health can be read; None: everybody may ask."


class Service:
    """An application for a web server, and what is known about its requests."""

    def __init__(
        self,
        api: FastAPI,
        registry: Registry,
        access: Access,
        *,
        limits: Limits,
        counts: Metrics,
        files: dict[str, StaticFile] | None = None,
    ) -> None:
        """`api`: the routes of `routes.app`, to which those of this module are added; `files`: the page."""
        self.api, self.health, self.metrics = api, Health(registry), counts
        self.files = static_files() if files is None else files
        self.running = 0
        "Requests that are being answered."
        self._add_routes(registry)
        app: ASGIApp = BoundedBodies(api, limits.body_bytes)
        app = _NoNewRequests(app, self)
        keys = None if access.key is None else NeedsKey(app, access.key, {HEALTH, *self.files})
        hosts = KnownHosts(keys or app, access.hosts, any_address=access.any_address)
        self._app = Answered(hosts, counts.count_request, log_request)
        self.busy = BusyAnswers(registry, counts, hosts, keys)

    def at_once(self, data: bytes, server: Address, client: Address) -> tuple[bytes, bool] | None:
        """The answer that the queue is full, to a request that has arrived as `data`, and whether the connection ends
        with it; None if it is not full, or if the request must be looked at more closely.
        """
        return None if self.health.ending else self.busy.answer(data, server, client)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        self.running += 1
        try:
            with answering():
                await self._app(scope, receive, send)
        finally:
            self.running -= 1

    def _add_routes(self, registry: Registry) -> None:
        api, health = self.api, self.health

        @api.head(HEALTH, include_in_schema=False)  # what load balancers ask; the server sends no body then
        @api.get(HEALTH, responses={503: {"description": "Not ready yet, or ending."}})
        async def read_health() -> JSONResponse:
            """Whether every model can be asked."""
            return JSONResponse(health.answer(), health.status)

        @api.get(METRICS, response_class=PlainTextResponse)
        async def read_metrics() -> PlainTextResponse:
            """Figures for Prometheus."""
            return PlainTextResponse(self.metrics.page(registry), media_type=metrics.MEDIA_TYPE)

        applications.add_routes(api, applications.Applications(registry, Workers()))
        api.router.routes.extend(static.routes(self.files))


class _NoNewRequests:
    """Refuses new requests once the server is ending; its health can be asked to the last."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._service.health.ending and scope["path"] != HEALTH:
            headers = {"retry-after": "5", "connection": "close"}
            await refuse(send, 503, "this server is shutting down; try again when it is back", headers=headers)
        else:
            await self._app(scope, receive, send)

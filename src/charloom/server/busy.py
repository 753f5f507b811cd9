"""Refusals while the queue is full, which must cost next to nothing: they come in the thousands.

A request for a text is then answered from the bytes in which it arrived, before it becomes a request of the application
(which would take longer than a text's characters). Whatever is not quite as usual goes the usual way.
"""

import json
import re

from starlette.types import Scope

from charloom.errors import CharloomError
from charloom.server.access import KnownHosts, NeedsKey
from charloom.server.batching.jobs import ServerBusy
from charloom.server.logs import log_request
from charloom.server.metrics import Metrics
from charloom.server.refusals import whole
from charloom.server.routes.errors import RETRY, described
from charloom.server.served import Registry, Served

PATH = "/v1/completions"
_BEGINS = b"POST /v1/completions HTTP/1.1\r\n"
_NAME = re.compile(rb"[a-z0-9-]+")
_UNUSUAL = {b"transfer-encoding", b"expect", b"upgrade"}
_CONNECTION = {b"keep-alive": False, b"close": True}
_LARGEST = 1 << 14
"""Bytes of a request that is answered like this."""

Address = tuple[str, int | None] | None


class BusyAnswers:
    """Answers requests for texts that no engine can take now."""

    def __init__(self, registry: Registry, counts: Metrics, hosts: KnownHosts, keys: NeedsKey | None) -> None:
        self._registry, self._counts, self._hosts, self._keys = registry, counts, hosts, keys

    def answer(self, data: bytes, server: Address, client: Address) -> tuple[bytes, bool] | None:
        """The whole answer to a request that has arrived as `data`, and whether the connection ends with it; None if it
        must be looked at more closely.
        """
        if len(data) > _LARGEST or not data.startswith(_BEGINS) or not self._any_busy():
            return None
        head, _, body = data.partition(b"\r\n\r\n")
        headers = _headers(head)
        if headers is None:
            return None
        values = dict(headers)
        ends = _CONNECTION.get(values.get(b"connection", b"keep-alive").lower())
        if ends is None or values.get(b"content-length") != str(len(body)).encode():
            return None
        scope: Scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers, "server": server}
        scope["client"] = client
        if self._hosts.objection(scope) or not (self._keys is None or self._keys.lets_in(scope)):
            return None
        served = self._asked(body)
        busy = self._busy(served)
        if served is None or busy is None:
            return None
        self._counts.of(served.name).rejected += 1
        self._counts.requests["POST", PATH, 503] += 1
        log_request(scope, 503, 0.0)
        status, content = described(busy)
        more = RETRY | ({"connection": "close"} if ends else {})
        return whole(status, json.dumps(content).encode(), more), ends

    def _any_busy(self) -> bool:
        return any(self._busy(self._registry.get(name)) is not None for name in self._registry.names())

    def _busy(self, served: Served | None) -> ServerBusy | None:
        """Why a model takes no text now; None if it takes one, or never does."""
        return None if served is None or served.engine is None else served.engine.busy()

    def _asked(self, body: bytes) -> Served | None:
        """The model that the body of a request names."""
        try:
            asked = json.loads(body)
            return self._registry.get(asked.get("model")) if isinstance(asked, dict) else None
        except (ValueError, TypeError, RecursionError, CharloomError):
            return None


def _headers(head: bytes) -> list[tuple[bytes, bytes]] | None:
    """Names, in lower case, and values of headers; None for some that are unusual."""
    headers = list[tuple[bytes, bytes]]()
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        if not (colon and _NAME.fullmatch(name) and value.isascii()) or name in _UNUSUAL:
            return None
        headers.append((name, value))
    names = [name for name, _ in headers]
    return headers if len(set(names)) == len(names) else None

"""An answer that refuses a request before the application sees it, in the shape of every other error."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import Message, Send

from charloom.server.routes.errors import error_object


async def refuse(
    send: Send, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> None:
    """Send an error with one sentence; `headers` are added to those of the answer."""
    body = refusal(status, message, code)
    await send(start(status, body, headers))
    await send({"type": "http.response.body", "body": body})


def start(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Message:
    """The message with which such an answer starts."""
    fields = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in fields.items()]
    return {"type": "http.response.start", "status": status, "headers": raw}


def whole(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    """Such an answer as it is sent, for those who have only a connection."""
    fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def refusal(status: int, message: str, code: str | None = None) -> bytes:
    """The body of such an answer, JSON."""
    return json.dumps(error_object(message, status=status, code=code)).encode()

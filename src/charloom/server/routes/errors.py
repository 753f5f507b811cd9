"""Every error in the shape that OpenAI's clients expect: one sentence, the field that it is about, a status."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from charloom.errors import CharloomError, NotFiniteError, TextError
from charloom.server.batching.jobs import ServerBusy
from charloom.server.routes.leaving import ClientLeft
from charloom.server.routes.refused_fields import sentence
from charloom.server.served import UnknownModelError

RETRY = {"retry-after": "1"}
"""What a client that met a full queue should do: try again after a second."""


class RequestError(CharloomError):
    """A request that is well-formed but cannot be answered; `param` names the field that is to blame."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def error_object(message: str, *, status: int, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The JSON of an error."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def described(error: CharloomError) -> tuple[int, dict[str, Any]]:
    """The status that fits an error, and its JSON."""
    status, param, code = 400, getattr(error, "param", None), None
    if isinstance(error, ServerBusy):
        status, code = 503, "server_busy"
    elif isinstance(error, UnknownModelError):
        status, param, code = 404, "model", "model_not_found"
    elif isinstance(error, NotFiniteError):
        status, code = 500, "damaged_model"
    elif isinstance(error, TextError):
        param = param or "prompt"
    return status, error_object(str(error), status=status, param=param, code=code)


def answer(status: int, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """An error as a response."""
    return Response(json.dumps(content), status, headers, "application/json")


def install(app: FastAPI) -> None:
    """Make the application answer every error in this shape."""
    app.add_exception_handler(CharloomError, _charloom)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientLeft, _left)
    app.add_exception_handler(Exception, _defect)


async def _charloom(request: Request, error: Exception) -> Response:
    assert isinstance(error, CharloomError)
    status, content = described(error)
    return answer(status, content, RETRY if status == 503 else None)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors: Sequence[Any] = error.errors()
    message, param = sentence(errors[0])
    return answer(400, error_object(message, status=400, param=param))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {
        400: "the body of the request is not JSON that can be read; send UTF-8 without deep nesting or huge numbers",
        404: f"there is nothing at {request.url.path[:200]}; /docs lists what there is",
        405: f"{request.url.path[:200]} does not take {request.method[:20]}; see /docs",
        413: "the request is too large; send less at once",
    }.get(error.status_code, str(error.detail))
    code = "not_found" if error.status_code == 404 else None
    return answer(error.status_code, error_object(message, status=error.status_code, code=code), error.headers)


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # nobody sees it but the log


async def _defect(request: Request, error: Exception) -> Response:
    return answer(500, error_object("something in the server is broken; its log says what", status=500))

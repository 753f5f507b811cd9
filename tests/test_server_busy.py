"""A full queue is answered before a request is read as a whole, and just as the application would answer."""

import json
import socket
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from charloom.server.access import host_names
from charloom.server.metrics import Metrics
from charloom.server.registry import Models
from charloom.server.routes.app import build
from charloom.server.served import Limits
from charloom.server.service import Access, Service
from models import small_model, write_folder
from server_help import OURS, PORT, StandInEngine, listening

ADDRESSES = ("127.0.0.1", PORT), ("127.0.0.1", 50_000)
KEY = "key-4f2a"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    shelf = tmp_path_factory.mktemp("runs")
    return [str(write_folder(small_model("some text\n", seed=seed), shelf / name)) for seed, name in enumerate("ab")]


def make(folders: list[str], *, key: str | None = None) -> Service:
    """A service of two models, of which the first is full."""
    counts = Metrics()
    models = Models(folders, StandInEngine, counts)
    models.load()
    service = Service(
        build(models, Limits()),
        models,
        Access(host_names("127.0.0.1", PORT), key=None if key is None else key.encode()),
        limits=Limits(),
        counts=counts,
        files={},
    )
    full = models.get("a").engine.engine  # type: ignore[union-attr]
    full.running = full.places
    return service


def request(body: Any = None, *more: str, path: str = "/v1/completions", host: str = OURS["host"]) -> bytes:
    content = json.dumps({"prompt": "e", "max_tokens": 1} if body is None else body).encode()
    fields = [f"Host: {host}", "Content-Type: application/json", f"Content-Length: {len(content)}", *more]
    return "\r\n".join((f"POST {path} HTTP/1.1", *fields)).encode() + b"\r\n\r\n" + content


def test_a_text_for_a_full_model_is_refused_and_counted(folders: list[str]) -> None:
    service = make(folders)
    found = service.at_once(request(), *ADDRESSES)
    assert found is not None
    answer, ends = found
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 1" in head
    assert f"content-length: {len(body)}".encode() in head
    assert json.loads(body)["error"]["code"] == "server_busy"
    assert not ends
    assert service.metrics.of("a").rejected == 1
    assert service.metrics.requests["POST", "/v1/completions", 503] == 1


@pytest.mark.parametrize(
    "data",
    [
        request({"prompt": "e", "model": "b"}),
        request({"prompt": "e", "model": "c"}),
        request({"prompt": "e", "model": 7}),
        request([1]),
        request(path="/v1/score"),
        request(host="evil.example"),
        request(None, "Origin: http://evil.example"),
        request(None, "Host: evil.example"),
        request(None, "Transfer-Encoding: chunked"),
        request(None, "Expect: 100-continue"),
        request(None, "Connection: upgrade"),
        request(None, "Content-Length: 3"),
        request()[:-1],
        request() + b"G",
        request().replace(b"Content-Type", b"Content Type"),
        request().replace(b"POST", b"GET"),
        request({"prompt": "e" * (1 << 14)}),
        request().partition(b"\r\n\r\n")[0],
    ],
)
def test_what_is_not_as_usual_goes_the_usual_way(folders: list[str], data: bytes) -> None:
    service = make(folders)
    assert service.at_once(data, *ADDRESSES) is None
    assert not service.metrics.requests


def test_nobody_without_the_key_hears_that_a_queue_is_full(folders: list[str]) -> None:
    service = make(folders, key=KEY)
    assert service.at_once(request(), *ADDRESSES) is None
    assert service.at_once(request(None, "Authorization: Bearer wrong"), *ADDRESSES) is None
    assert service.at_once(request(None, f"Authorization: Bearer {KEY}"), *ADDRESSES) is not None


def test_a_server_that_ends_says_so_instead(folders: list[str]) -> None:
    service = make(folders)
    service.health.ending = True
    assert service.at_once(request(), *ADDRESSES) is None


def whole(client: socket.socket) -> bytes:
    """One answer."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += client.recv(4096) or pytest.fail(f"closed after {got!r}")
    head, _, body = got.partition(b"\r\n\r\n")
    size = int(next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))[16:])
    while len(body) < size:
        body += client.recv(4096) or pytest.fail("closed within a body")
    return head + b"\r\n\r\n" + body


def parts(answer: bytes) -> tuple[bytes, list[bytes], Any]:
    """First line, headers without the date, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *fields = head.lower().split(b"\r\n")
    return first, sorted(field for field in fields if not field.startswith(b"date:")), json.loads(body)


def test_both_ways_answer_alike_on_one_connection_in_any_order(folders: list[str]) -> None:
    with listening(make(folders)) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        at_once, usual = request(), request(None, "X_Odd: 1")
        answers = []
        for data in (at_once, usual, at_once, at_once, usual):
            client.sendall(data)
            answers.append(parts(whole(client)))
        assert b" 503 " in answers[0][0]
        assert all(answer == answers[0] for answer in answers)
        client.sendall(request(None, "Connection: close"))
        assert b"connection: close" in whole(client)
        assert client.recv(100) == b""


def test_two_requests_in_one_packet_are_both_answered(folders: list[str]) -> None:
    with listening(make(folders)) as port, socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(request() * 2)
        got = b""
        while got.count(b"server_busy") < 2:
            got += client.recv(4096) or pytest.fail(f"closed after {got!r}")

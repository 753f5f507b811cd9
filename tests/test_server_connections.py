"""Connections that send nothing, too slowly, or too many at a time."""

import contextlib
import socket
import time
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")


from charloom.server.bodies import BoundedBodies
from charloom.server.connections import FAREWELL_SECONDS, HEADER_BYTES
from server_help import listening

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers `ok` once the body is there."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def serving(app: Any = application, **bounds: Any) -> contextlib.AbstractContextManager[int]:
    """A server with such connections; gives its port."""
    return listening(app, **bounds)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def answer(client: socket.socket) -> bytes:
    """An answer that ends with `ok`."""
    got = b""
    while not got.endswith(b"ok"):
        part = client.recv(1000)
        assert part, got
        got += part
    return got


def test_a_connection_without_a_request_is_closed() -> None:
    with serving(header_seconds=0.2) as port, connect(port) as silent, connect(port) as slow:
        slow.sendall(REQUEST[:30])
        assert silent.recv(100) == b"" and slow.recv(100) == b""


def test_a_header_that_comes_letter_by_letter_moves_no_deadline() -> None:
    with serving(header_seconds=0.3) as port, connect(port) as client:
        client.settimeout(0.05)
        ended = False
        for place in range(len(REQUEST) - 10):
            try:
                client.sendall(REQUEST[place : place + 1])
                ended = client.recv(100) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
            if ended:
                break
        assert ended


def test_an_answered_connection_may_rest_and_its_next_header_has_a_deadline_too() -> None:
    with serving(header_seconds=0.3) as port, connect(port) as client:
        client.sendall(REQUEST)
        answer(client)
        client.sendall(REQUEST)
        answer(client)
        client.sendall(REQUEST[:30])
        assert client.recv(100) == b""


def test_a_body_that_does_not_come_is_given_up() -> None:
    with serving(BoundedBodies(application, 100, slowest=0.2)) as port, connect(port) as client:
        client.sendall(REQUEST[:-1])
        assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_connection_too_many_is_answered_and_closed() -> None:
    with serving(most=3) as port, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(3)]
        for client in clients:
            client.sendall(REQUEST)
            answer(client)
        with connect(port) as fourth:
            refused = fourth.recv(1000)
            assert refused.startswith(b"HTTP/1.1 503 ") and b"retry-after: 1" in refused
            assert fourth.recv(1000) == b""
        clients[0].close()
        for _ in range(100):  # its place is free as soon as the server has noticed
            with connect(port) as again, contextlib.suppress(OSError):
                again.sendall(REQUEST)
                if again.recv(1000).startswith(b"HTTP/1.1 200 "):
                    break
        else:
            pytest.fail("its place was never free")


def long_request(size: int) -> bytes:
    """A request without a body whose first line and headers have `size` bytes."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX-Long: %s\r\n\r\n"
    return head % (b"x" * (size - len(head % b"")))


@pytest.mark.parametrize("size", [HEADER_BYTES, HEADER_BYTES + 1, 4 * HEADER_BYTES])
@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize("before", [b"", long_request(100)], ids=["first", "behind-another"])
def test_headers_have_the_same_bound_however_they_arrive(size: int, pieces: int, before: bytes) -> None:
    with serving() as port, connect(port) as client:
        request = before + long_request(size)
        middle = len(request) // pieces
        for part in (request[:middle], request[middle:]):
            with contextlib.suppress(OSError):  # it is refused, perhaps while we send
                client.sendall(part)
        wanted, got = (1 + bool(before), 0) if size <= HEADER_BYTES else (int(bool(before)), 1)
        received = b""
        while received.count(b"ok") < wanted or received.count(b"}}") < got:
            part = client.recv(1000)
            assert part, received
            received += part
        assert received.count(b"HTTP/1.1 200 ") == wanted
        assert received.count(b"HTTP/1.1 431 ") == received.count(b"at most 32,768 bytes") == got


def test_a_client_that_is_refused_while_it_sends_gets_its_answer() -> None:
    with serving() as port, connect(port) as client:
        client.sendall(long_request(2 * HEADER_BYTES)[:-4])
        for _ in range(5):
            time.sleep(0.05)  # by now it is refused
            client.sendall(b"x" * 10_000)
        received = b""
        while part := client.recv(1000):
            received += part
        assert received.startswith(b"HTTP/1.1 431 ")
        assert received.endswith(b"}}")


def test_a_client_that_never_stops_sending_is_cut_off() -> None:
    with serving() as port, connect(port) as client, pytest.raises(OSError):
        client.sendall(long_request(2 * HEADER_BYTES)[:-4])
        end = time.monotonic() + 20 * FAREWELL_SECONDS
        while time.monotonic() < end:
            client.sendall(b"x" * 1000)
            time.sleep(0.01)


def test_noise_within_a_request_ends_its_connection_and_no_other() -> None:
    with serving() as port:
        for noise in (b"\0\r\n", b"GET\r\n", b"5\r\nhello\r\nnonsense\r\n"):
            with connect(port) as client, connect(port) as other:
                head = REQUEST.replace(b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: chunked\r\n\r\n")
                client.sendall(head + noise * 10)
                assert client.recv(1000)[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 200 ")
                other.sendall(REQUEST)
                answer(other)

"""`charloom serve` as a process of its own, for tests that talk to it."""

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from server_help import Answer

PATIENCE = 300.0
"""Seconds after which a test gives up: the first server on a machine compiles, and others may be busy."""

ALONE = "import sys; from charloom.__main__ import main; sys.argv[0] = 'charloom'; main()"


class ServeProcess:
    """A running server, and everything that it has written to standard error."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.lines = process, list[str]()
        self._said = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        first = self.line(r"serving .* at http://")
        self.host, port = re.search(r"http://(.*):(\d+)/v1", first).groups()  # type: ignore[union-attr]
        self.port = int(port)

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()
        with self._said:
            self.lines.append("(end)")
            self._said.notify_all()

    def line(self, pattern: str) -> str:
        """The first line that contains the pattern, once there is one."""

        def found() -> list[str]:
            return [line for line in self.lines if re.search(pattern, line)]

        with self._said:
            assert self._said.wait_for(lambda: found() or "(end)" in self.lines, PATIENCE), self.lines
            assert found(), self.lines
            return found()[0]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """The answer to a request on a connection of its own."""
        with contextlib.closing(self.connection()) as connection:
            data = None if body is None else json.dumps(body)
            kind = {} if body is None else {"Content-Type": "application/json"}
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, data, {**kind, **given})
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=PATIENCE)

    @contextlib.contextmanager
    def stream(self, length: int, **more: Any) -> Iterator[http.client.HTTPResponse]:
        """A text of `length` characters that is being written, its events not read yet."""
        body = json.dumps({"prompt": "some ", "max_tokens": length, "stream": True, "seed": 1, **more})
        with contextlib.closing(self.connection()) as connection:
            connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
            with connection.getresponse() as answer:
                assert answer.status == 200, answer.read()
                yield answer

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def code(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def serving(*arguments: object, code: str = ALONE, **variables: str) -> Iterator[ServeProcess]:
    """`charloom serve` with these arguments, on a free port; it is killed in the end if it has not ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, "serve", *map(str, arguments), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "CHARLOOM_API_KEY": "", **variables},
    )
    try:
        yield ServeProcess(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            with contextlib.suppress(ValueError):
                stream.close()  # type: ignore[union-attr]


def events(answer: http.client.HTTPResponse) -> list[Any]:
    """All events of a stream, the last of which says that it is the last."""
    found = [line[6:] for line in answer.read().decode().splitlines() if line.startswith("data: ")]
    assert found[-1] == "[DONE]", found[-3:]
    return [json.loads(each) for each in found[:-1]]


def text_of(found: list[Any]) -> str:
    """The text of a stream's events."""
    return "".join(choice["text"] for event in found for choice in event.get("choices", ()))


def required() -> None:
    """Skip without the extra."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")

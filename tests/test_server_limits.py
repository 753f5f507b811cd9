"""What a server refuses, how it says so, and that a client which leaves leaves nothing behind."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from charloom.errors import NotFiniteError
from models import small_model

pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")

import httpx2 as httpx

from charloom.server.routes.completion_request import CompletionRequest
from charloom.server.served import Limits
from live_server import Live, serving

LIMITS = Limits(
    prompt=12,
    length=10,
    texts=4,
    stops=3,
    stop_characters=5,
    top=2,
    body_bytes=100,
    reported=88,
    seed=99,
    draws=50,
    activity=9,
    units=3,
)
COMPLETIONS, SCORE, ACTIVITY = "/v1/completions", "/v1/score", "/v1/activity"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    models = {"tiny": small_model("abcdefgh <", seed=1), "bytes": small_model("a", kind="bytes")}
    with serving(models, LIMITS, plain={}) as server:
        yield server


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[Any]:
    with httpx.Client(base_url=live.url, timeout=30) as session:
        yield session


def refusal(answer: Any, status: int = 400) -> dict[str, Any]:
    """The error of an answer, which has OpenAI's shape and one sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    (error,) = answer.json().values()
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "\n" not in error["message"]
    assert len(error["message"]) < 500
    assert error["type"] == ("server_error" if status >= 500 else "invalid_request_error")
    return error


def bounds() -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Path, field, and a request just below, at and above each bound."""

    def case(path: str, field: str, make: Any, bound: int, **rest: Any) -> Any:
        below, at, above = ({**rest, field: make(bound + step)} for step in (-1, 0, 1))
        return path, field, below, at, above

    whole = {"max_tokens": 1}
    yield case(COMPLETIONS, "prompt", "a".__mul__, 12, **whole)
    yield case(COMPLETIONS, "prompt", lambda size: ["a" * size], 12, **whole)
    yield case(COMPLETIONS, "prompt", lambda size: [0] * size, 12, **whole)
    yield case(COMPLETIONS, "prompt", lambda size: [[0] * size], 12, **whole)
    yield case(COMPLETIONS, "prompt", lambda size: ["a"] * size, 4, **whole)
    yield case(COMPLETIONS, "prompt", lambda size: [[0]] * size, 4, **whole)
    yield case(COMPLETIONS, "prompt", lambda symbol: [symbol], 10, **whole)
    yield case(COMPLETIONS, "max_tokens", int, 10)
    yield case(COMPLETIONS, "n", int, 4, **whole)
    yield case(COMPLETIONS, "n", int, 2, prompt=["a", "b"], **whole)
    yield case(COMPLETIONS, "logprobs", int, 2, **whole)
    yield case(COMPLETIONS, "seed", int, 99, **whole)
    yield case(COMPLETIONS, "draws", int, 50, **whole)
    yield case(COMPLETIONS, "stop", lambda size: ["a"] * size, 3, **whole)
    yield case(COMPLETIONS, "stop", "a".__mul__, 5, **whole)
    yield case(COMPLETIONS, "temperature", float, 1000, **whole)
    yield case(COMPLETIONS, "repetition_penalty", float, 1000, **whole)
    yield case(COMPLETIONS, "min_p", lambda tenths: tenths / 10, 10, **whole)
    yield case(COMPLETIONS, "top_p", lambda tenths: tenths / 10, 10, **whole)
    yield case(COMPLETIONS, "top_k", lambda top: top, 2**31, **whole)
    yield case(COMPLETIONS, "top_k", lambda below: -below, 1, **whole)
    yield case(COMPLETIONS, "n", lambda below: -below, -1, **whole)
    yield case(COMPLETIONS, "temperature", lambda below: -below, 0, **whole)
    yield case(COMPLETIONS, "seed", lambda below: -below, 0, **whole)
    yield case(COMPLETIONS, "user", "u".__mul__, 1000, **whole)
    yield case(COMPLETIONS, "frequency_penalty", lambda step: max(step, 0), 0, **whole)
    yield case(SCORE, "text", "a".__mul__, 12)
    yield case(SCORE, "top", int, 2, text="a")
    yield case(ACTIVITY, "text", "a".__mul__, 9)
    yield case(ACTIVITY, "units", lambda size: [0] * size, 3, text="a")
    yield case(ACTIVITY, "units", lambda unit: [unit], 11, text="a")
    yield case(ACTIVITY, "layer", int, 1, text="a")


@pytest.mark.parametrize("case", list(bounds()), ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_bound_holds_exactly(client: Any, case: Any) -> None:
    path, field, below, at, above = case
    for body in (below, at):
        assert client.post(path, json=body).status_code == 200, body
    assert refusal(client.post(path, json=above))["param"] == field


def test_what_an_answer_reports_is_bounded_unless_it_is_a_stream(client: Any) -> None:
    """Four texts of seven symbols read and `length` written, with two alternatives each; the bound is 88."""
    for stream in (False, True):
        for length in (3, 4, 5):
            body = {"prompt": "abcdefg", "echo": True, "logprobs": 2, "n": 4, "max_tokens": length, "stream": stream}
            answer = client.post(COMPLETIONS, json=body)
            assert answer.status_code == (200 if length <= 4 or stream else 400), answer.text
    assert refusal(client.post(COMPLETIONS, json={**body, "stream": False}))["param"] == "logprobs"
    refusal(client.post("/tokenize", json={"prompt": "a" * 101}))


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        ({"promt": "a"}, "'promt' is not a field of this request; did you mean 'prompt'?", "promt"),
        ({"prompt": "z"}, "'z' (U+007A) at character 0", "prompt"),
        ({"prompt": ["a", 1]}, "prompt[1] is 1; it must be a text", "prompt"),
        ({"prompt": [1, "a"]}, 'prompt[1] is "a"; it must be a whole number', "prompt"),
        ({"prompt": [[True]]}, "prompt[0][0] is true; it must be a whole number", "prompt"),
        ({"prompt": {"a": 1}}, "it must be a text", "prompt"),
        ({"prompt": [11]}, "id 11 stands for no symbol of this model; its ids are 0 to 10", "prompt"),
        ({"max_tokens": "5"}, 'max_tokens is "5"; it must be a whole number', "max_tokens"),
        ({"max_tokens": 5.5}, "max_tokens is 5.5; it must be a whole number", "max_tokens"),
        ({"n": True}, "n is true; it must be a whole number", "n"),
        ({"temperature": True}, "temperature is true; it must be a number", "temperature"),
        ({"temperature": "hot"}, 'temperature is "hot"; it must be a number', "temperature"),
        ({"top_p": 0}, "top_p is 0; it must be above 0", "top_p"),
        ({"echo": 1}, "echo is 1; it must be true or false", "echo"),
        ({"stop": ""}, "stop is empty", "stop"),
        ({"stop": ["a", ""]}, "stop[1] is empty", "stop"),
        ({"suffix": "x"}, "suffix is not available here", "suffix"),
        ({"logit_bias": {"5": 1}}, "logit_bias is not available here", "logit_bias"),
        (
            {"presence_penalty": 0.5},
            "presence_penalty is not available here; use repetition_penalty",
            "presence_penalty",
        ),
        ({"frequency_penalty": -1}, "frequency_penalty is not available here", "frequency_penalty"),
        ({"n": 2, "best_of": 3}, "best_of differs from n", "best_of"),
        ({"stream_options": {"include_usage": True}}, "stream_options is only for streams", "stream_options"),
        ({"stream": True, "stream_options": {"usage": True}}, "'usage' is not a field of this request", "usage"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused_by_name(
    client: Any, body: dict[str, Any], message: str, param: str
) -> None:
    error = refusal(client.post(COMPLETIONS, json=body))
    assert message in error["message"]
    assert error["param"] == param


@pytest.mark.parametrize(
    "neutral",
    [
        {"suffix": ""},
        {"logit_bias": {}},
        {"presence_penalty": 0},
        {"frequency_penalty": 0.0},
        {"user": "somebody"},
        {"best_of": 1},
        dict.fromkeys(CompletionRequest.model_fields),
    ],
)
def test_neutral_values_are_accepted(client: Any, neutral: dict[str, Any]) -> None:
    assert client.post(COMPLETIONS, json={"max_tokens": 5, **neutral}).status_code == 200


HOSTILE = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe{}",
    b'{"prompt": "\\ud800"}',
    b'{"stop": "\\udfff"}',
    b'{"\\ud800": 1}',
    b'{"stream": true, "stream_options": {"\\udfff": 1}}',
    b"[" * 1000 + b"]" * 1000,
    b'{"prompt": ' + b"[" * 1000 + b"]" * 1000 + b"}",
    b'{"prompt": ' + b"[" * 200 + b"]" * 200 + b"}",
    b'{"logit_bias": ' + b'{"a":' * 200 + b"1" + b"}" * 200 + b"}",
    b'{"temperature": NaN}',
    b'{"temperature": Infinity}',
    b'{"top_p": -Infinity}',
    b'{"temperature": 1e400}',
    b'{"seed": 1e400}',
    b'{"temperature": 1' + b"0" * 400 + b"}",
    b'{"max_tokens": 1' + b"0" * 400 + b"}",
    b'{"seed": 1' + b"0" * 5000 + b"}",
    b'{"n": true}',
    b'{"n": 1e2}',
    b'{"n": -0.0}',
    b'{"stream": "yes"}',
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:30]))
def test_a_hostile_body_is_refused_with_a_sentence(client: Any, body: bytes) -> None:
    answer = client.post(COMPLETIONS, content=body, headers={"content-type": "application/json"})
    refusal(answer)


def test_only_json_is_read(client: Any) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post(COMPLETIONS, content=b'{"prompt": "a"}', headers={"content-type": kind})
        assert "Content-Type: application/json" in refusal(answer)["message"]


def test_what_does_not_exist_is_an_error_of_the_same_shape(client: Any) -> None:
    assert refusal(client.get("/nothing%0a%1b[1m"), 404)["code"] == "not_found"
    assert refusal(client.get("/v1/models/nothing"), 404)["code"] == "model_not_found"
    assert refusal(client.post(COMPLETIONS, json={"model": "tiny "}), 404)["param"] == "model"
    wrong = client.get(COMPLETIONS)
    assert refusal(wrong, 405)["message"].startswith("/v1/completions does not take GET")
    assert wrong.headers["allow"] == "POST"


def test_a_defect_is_a_500_without_details(live: Live, client: Any) -> None:
    class Broken:
        def submit(self, job: Any) -> Any:
            raise RuntimeError("secret")

    served = live.shelf.models["tiny"]
    try:
        live.shelf.models["tiny"] = type(served)("tiny", 1, "", served.writer, Broken())  # type: ignore[arg-type]
        assert "secret" not in refusal(client.post(COMPLETIONS, json={}), 500)["message"]
    finally:
        live.shelf.models["tiny"] = served


def test_an_error_within_a_stream_is_its_last_event(live: Live, client: Any) -> None:
    for path, body in ((COMPLETIONS, {"stream": True}), (SCORE, {"text": "abcd"})):
        live.engine("tiny").failure = NotFiniteError()
        lines = [line for line in client.post(path, json=body).text.split("\n") if line]
        error = json.loads(lines[-1].removeprefix("data: "))["error"]
        assert "not a finite number" in error["message"]
        assert error["type"] == "server_error"
        live.engine("tiny").failure = NotFiniteError()
        refusal(client.post(path, json={**body, "stream": False}), 500)
    assert live.engine("tiny").running == 0


class Busy:
    """A server of two slow rows and one place in the queue, and raw connections to it."""

    def __init__(self, live: Live) -> None:
        self.live, self.engine = live, live.engine("slow")
        self.open = list[socket.socket]()

    def ask(self, path: str = COMPLETIONS, **body: Any) -> socket.socket:
        """A connection on which a request has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.live.port), timeout=20)
        self.open.append(connection)
        content = json.dumps({"prompt": "a", "max_tokens": 100_000, **body} if path == COMPLETIONS else body).encode()
        head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n".encode() + content)
        return connection

    def now(self, running: int, waiting: int) -> None:
        self.live.eventually(lambda: (self.engine.running, self.engine.waiting) == (running, waiting))


@pytest.fixture
def busy() -> Iterator[Busy]:
    with serving({"slow": small_model("abc", seed=1)}, plain={"rows": 2, "waiting": 1, "pause": 0.003}) as live:
        busy = Busy(live)
        yield busy
        for connection in busy.open:
            connection.close()
        busy.now(0, 0)


def test_a_full_queue_is_a_503_at_once_and_nothing_of_the_request_stays(busy: Busy) -> None:
    busy.ask(stream=True)
    busy.ask()
    busy.now(2, 0)
    with httpx.Client(base_url=busy.live.url, timeout=30) as client:
        answer = client.post(COMPLETIONS, json={"prompt": ["a", "b"]})
        assert refusal(answer, 503)["code"] == "server_busy"
        assert answer.headers["retry-after"] == "1"
        busy.now(2, 0)
        busy.ask()
        busy.now(2, 1)
        for path, body in ((COMPLETIONS, {}), (COMPLETIONS, {"stream": True}), (SCORE, {"text": "a"})):
            answer = client.post(path, json=body)
            assert refusal(answer, 503)["type"] == "server_error"
            assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("body", [{"stream": True}, {}, {"n": 2}, {"n": 2, "stream": True}], ids=str)
def test_a_client_that_leaves_frees_its_rows(busy: Busy, body: dict[str, Any]) -> None:
    connection = busy.ask(**body)
    busy.now(body.get("n", 1), 0)
    if body.get("stream"):
        assert connection.recv(5)
    connection.close()
    busy.now(0, 0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_the_queue_frees_its_place(busy: Busy, stream: bool) -> None:
    busy.ask(n=2)
    busy.now(2, 0)
    waiting = busy.ask(stream=stream)
    busy.now(2, 1)
    waiting.close()
    busy.now(2, 0)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPLETIONS, {"prompt": "abc" * 5000, "stream": True}),
        (COMPLETIONS, {"prompt": "abc" * 5000}),
        (COMPLETIONS, {"prompt": "abc" * 5000, "max_tokens": 1, "echo": True, "logprobs": 1}),
        (SCORE, {"text": "abc" * 5000}),
        (SCORE, {"text": "abc" * 5000, "stream": False}),
    ],
)
def test_a_client_that_leaves_while_its_prompt_is_read_frees_its_row(busy: Busy, path: str, body: Any) -> None:
    connection = busy.ask(path, **body)
    busy.live.eventually(lambda: busy.engine.read > 3)
    assert busy.engine.running == 1
    connection.close()
    busy.now(0, 0)
    read = busy.engine.read
    time.sleep(0.05)
    assert busy.engine.read - read <= 1


def test_those_that_stay_are_not_disturbed_by_those_that_leave(busy: Busy) -> None:
    with httpx.Client(base_url=busy.live.url, timeout=60) as client:
        alone = client.post(COMPLETIONS, json={"prompt": "a", "max_tokens": 60, "seed": 1}).json()
        leaving = busy.ask(stream=True)
        leaving.recv(5)
        other = client.build_request(
            "POST", COMPLETIONS, json={"prompt": "a", "max_tokens": 60, "seed": 1, "stream": True}
        )
        answer = client.send(other, stream=True)
        lines = answer.iter_lines()
        seen = [next(lines)]
        leaving.close()
        seen += list(lines)
    pieces = [json.loads(line[6:]) for line in seen if line.startswith("data: {")]
    assert "".join(piece["choices"][0]["text"] for piece in pieces) == alone["choices"][0]["text"]

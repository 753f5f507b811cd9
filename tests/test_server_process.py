"""`charloom serve` as people run it: a process, sockets, signals."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from models import small_model, write_folder
from serve_process import PATIENCE, ServeProcess, events, required, serving, text_of

required()

LETTERS = "some text to write, say\n"

Charloom = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model(LETTERS, seed=1), tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that takes far longer than these tests for the longest text that the server allows."""
    return write_folder(small_model(LETTERS, hidden_size=400), tmp_path_factory.mktemp("runs") / "slow")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServeProcess]:
    with serving(folder, "languages") as running:
        ready(running)
        yield running


def ready(server: ServeProcess) -> None:
    """Wait until it can be asked."""
    end = time.monotonic() + PATIENCE
    while server.ask("GET", "/health").status != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


def healthy(server: ServeProcess) -> bool:
    return server.process.poll() is None and server.ask("GET", "/health").status == 200


def test_what_cannot_be_served_is_one_sentence(charloom: Charloom, folder: Path, tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\nkey\n")
    binary.write_bytes(b"\xff\xfe")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, sentence in (
            ((), "there is no model to serve; name a run, or a ready-made model: charloom serve english"),
            ((tmp_path / "nothing",), "there is no run or model folder"),
            ((folder, folder), "would both be served as 'small'"),
            (
                (folder, "--port", port),
                f"cannot listen on 127.0.0.1 port {port}: address already in use; choose another",
            ),
            ((folder, "--port", 65_536), "port is 65536; it must be at least 0 (any free one) and at most 65,535"),
            ((folder, "--port", -1), "port is -1;"),
            ((folder, "--host", "no such host.invalid"), "there is no address 'no such host.invalid'"),
            ((folder, "--host", "192.0.2.1", "--api-key", "k"), "cannot listen on 192.0.2.1 port 8000"),
            ((folder, "--api-key", "a b"), "the API key cannot be used"),
            ((folder, "--api-key", "k", "--api-key-file", empty), "give --api-key or --api-key-file, not both"),
            ((folder, "--api-key-file", empty), "has no key in its first line; write one there"),
            ((folder, "--api-key-file", binary), "cannot be read: it is not text"),
            ((folder, "--api-key-file", tmp_path / "nothing"), "cannot be read: no such file or directory"),
            ((folder, "--allow-host", "a b"), "'a b' is not a host"),
            ((folder, "--rows", 0), "--rows is 0; it must be at least 1"),
            ((folder, "--queue", -1), "--queue is -1; it must be at least 0"),
            ((folder, "--longest-text", 10**9), "--longest-text is 1000000000; it must be"),
        ):
            done = charloom("serve", *arguments)
            assert (done.returncode, done.stdout) == (2, ""), arguments
            assert done.stderr.count("\n") == 1 and sentence in done.stderr, done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1"])
def test_an_address_that_others_reach_needs_a_key_before_anything_listens(
    charloom: Charloom, folder: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHARLOOM_API_KEY", raising=False)
    monkeypatch.setattr(socket.socket, "bind", lambda *_: pytest.fail("it was bound"))
    done = charloom("serve", folder, "--host", host, "--port", 0)
    assert done.returncode == 2
    assert "so a key is needed: give --api-key-file FILE, or leave out --host" in done.stderr


def test_without_the_extra_a_sentence_says_how_to_install_it(folder: Path) -> None:
    code = "import sys; sys.modules['{}'] = None; from charloom.__main__ import main; main()"
    for package in ("fastapi", "uvicorn"):
        command = [sys.executable, "-c", code.format(package), "serve", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2
        advice = "needs an optional package; install it with: pip install 'charloom[serve]'"
        assert done.stderr == f"charloom: serving models {advice}\n"


def test_torch_is_never_loaded_for_models_that_need_none(folder: Path) -> None:
    code = (
        "import sys; from charloom.cli.main import run; code = run(sys.argv[1:]); "
        "print(sorted({'torch', 'sklearn', 'optuna', 'matplotlib'} & set(sys.modules))); sys.exit(code)"
    )
    with serving(folder, "english", "languages", code=code) as server:
        ready(server)
        assert server.ask("POST", "/v1/completions", {"prompt": "some ", "max_tokens": 3}).status == 200
        assert server.ask("POST", "/v1/complete", {"text": "the weath", "model": "english"}).status == 200
        assert server.ask("POST", "/v1/classify", {"text": "Guten Morgen"}).status == 200
        server.signal(signal.SIGTERM)
        assert server.code() == 143
        assert server.process.stdout is not None
        assert server.process.stdout.read() == "[]\n"


def test_it_says_where_it_is_in_plain_lines(server: ServeProcess) -> None:
    first = server.lines[0]
    address = f"http://127.0.0.1:{server.port}"
    assert first == f"serving small, languages at {address}/v1 (its routes: {address}/docs)"
    assert "end with Ctrl-C" in server.lines[:3]


def test_health_figures_and_models_are_there(server: ServeProcess) -> None:
    answer = server.ask("GET", "/health")
    assert answer.json == {"status": "ready", "models": {"small": {"running": 0, "waiting": 0}, "languages": {}}}
    for path in ("/health", "/health?x"):  # load balancers ask like this
        got, asked = server.ask("GET", path), server.ask("HEAD", path)
        assert (asked.status, asked.body) == (got.status, b"")
        assert asked.headers["content-length"] == got.headers["content-length"]
    assert 'charloom_running{model="small"} 0' in server.ask("GET", "/metrics").body.decode()
    names = [each["id"] for each in server.ask("GET", "/v1/models").json["data"]]
    assert names == ["small", "languages"]


def test_a_refusal_speaks_to_the_one_who_asked(server: ServeProcess) -> None:
    """Not of flags and arguments of a machine that is not theirs."""
    asked = [("/v1/completions", {"prompt": "ж"}), ("/v1/score", {"text": "ж"}), ("/v1/activity", {"text": "ж"})]
    for path, body in asked:
        answer = server.ask("POST", path, {"model": "small", **body})
        assert answer.status == 400
        message = answer.json["error"]["message"]
        assert message.endswith("this model knows; replace it"), message


def test_hostile_hosts_and_origins_are_refused_over_the_network(server: ServeProcess) -> None:
    assert server.ask("GET", "/health", Host="evil.example").status == 403
    assert server.ask("GET", "/v1/models", Host=f"localhost:{server.port}").status == 200
    assert server.ask("GET", "/v1/models", Origin="http://evil.example").status == 403
    assert server.ask("GET", "/v1/models", Origin=f"http://127.0.0.1:{server.port}").status == 200


def test_a_body_that_is_too_large_is_answered_before_the_connection_ends(server: ServeProcess) -> None:
    for size in (2_000_000, 20_000_000):
        with server.connect() as client:
            head = f"POST /v1/classify HTTP/1.1\r\nHost: {server.address}\r\nContent-Type: application/json\r\n"
            client.sendall(f"{head}Content-Length: {size}\r\n\r\n".encode())
            with contextlib.suppress(OSError):  # it may close the connection before all is there
                client.sendall(b"x" * min(size, 3_000_000))
            assert client.recv(100).startswith(b"HTTP/1.1 413 ")
    assert healthy(server)


def test_headers_are_bounded(server: ServeProcess) -> None:
    with server.connect() as client:
        client.sendall(f"GET /health HTTP/1.1\r\nHost: {server.address}\r\n".encode())
        with contextlib.suppress(OSError):
            for number in range(1000):
                client.sendall(f"X-{number}: {'x' * 100}\r\n".encode())
        with contextlib.suppress(OSError):
            assert client.recv(100).startswith(b"HTTP/1.1 431 ")
    assert healthy(server)


def random_streams(count: int, address: str) -> Iterator[bytes]:
    """Bytes that nobody should send: noise, and requests with noise in them."""
    generator = np.random.default_rng(5)
    body = b'{"prompt": "some ", "max_tokens": 4}'
    request = f"POST /v1/completions HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n".encode()
    whole = request + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    chunked = request + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + body[:5] + b"\r\n%x\r\n" % (len(body) - 5)
    chunked += body[5:] + b"\r\n0\r\n\r\n"
    for number in range(count):
        if number % 4 == 0:
            yield generator.bytes(int(generator.integers(1, 2000)))
            continue
        data = bytearray((whole, chunked, whole * 3)[number % 3])
        for _ in range(int(generator.integers(1, 6))):
            at = int(generator.integers(len(data)))
            match int(generator.integers(4)):
                case 0:
                    data[at] = int(generator.integers(256))
                case 1:
                    del data[at : at + int(generator.integers(1, 30))]
                case 2:
                    data[at:at] = generator.bytes(int(generator.integers(1, 30)))
                case _:
                    data[at:at] = bytes(data[at : at + 20])
            data = data or bytearray(b"\0")
        yield bytes(data)


def survives(server: ServeProcess, count: int) -> None:
    """Send such streams; nothing but whole answers comes back, and the server goes on."""
    for data in random_streams(count, server.address):
        with server.connect() as client:
            client.sendall(data)
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(4096)
                assert answer == b"" or re.match(rb"HTTP/1\.1 [24]\d\d ", answer), (data, answer)
    assert healthy(server)
    assert not [line for line in server.lines if "Traceback" in line or " error: " in line]


def test_hostile_bytes_leave_it_alive(server: ServeProcess) -> None:
    survives(server, 300)


@pytest.mark.slow
def test_thousands_of_hostile_byte_streams_leave_it_alive(server: ServeProcess) -> None:
    survives(server, 10_000)


def test_no_control_character_reaches_the_log(server: ServeProcess) -> None:
    for path in ("/%0d%0aforged: line", "/%1b%5b31mred", "/%00", "/%e2%80%a8", "/a%85b", "/%c2%9b31m"):
        assert server.ask("GET", path.replace(" ", "%20")).status == 404
    with server.connect() as client:
        client.sendall(b"GET /\x1b[31m\x07 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(100)
    server.line("GET /a.*b")
    for line in server.lines:
        assert line.isascii() and line.isprintable(), line
    assert not [line for line in server.lines if line.startswith("forged")]


def test_the_key_opens_the_server_and_is_never_written(folder: Path) -> None:
    with serving(folder, CHARLOOM_API_KEY="sesame-41") as server:
        ready(server)  # health needs none
        for path in ("/v1/models", "/metrics", "/openapi.json", "/docs", "/nothing"):
            assert server.ask("GET", path).status == 401
            wrong = server.ask("GET", path, Authorization="Bearer sesame-42")
            assert wrong.status == 401 and "sesame" not in wrong.body.decode()
            assert server.ask("GET", path, Authorization="Bearer sesame-41").status != 401
        server.ask("GET", "/sesame-41?key=sesame-41")
        server.signal(signal.SIGTERM)
        assert server.code() == 143
        assert "sesame-41" not in "\n".join(server.lines)
        assert not [line for line in server.lines if "error" in line or "Traceback" in line]
        assert server.line(r"/\[key\]")


def test_ctrl_c_lets_a_running_text_end_and_takes_no_new_one(folder: Path) -> None:
    with serving(folder) as server:
        ready(server)
        with server.stream(5000) as stream:
            whole = text_of(events(stream))
        with server.stream(5000) as stream:
            server.signal(signal.SIGINT)
            answer = None
            with contextlib.suppress(OSError):  # the text may have been faster
                while answer is None or answer.status == 200:
                    answer = server.ask("GET", "/v1/models")
                assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert text_of(events(stream)) == whole
        assert server.code() == 130


def test_a_second_ctrl_c_ends_it_at_once(slow: Path) -> None:
    with serving(slow) as server:
        ready(server)
        with server.stream(100_000):
            server.signal(signal.SIGINT)
            time.sleep(1.2)  # a second one within a second counts as the same press
            assert server.process.poll() is None
            server.signal(signal.SIGINT)
            assert server.code() == 130


@pytest.mark.slow
def test_a_text_without_end_is_closed_after_five_seconds(slow: Path) -> None:
    with serving(slow) as server:
        ready(server)
        with server.stream(100_000):
            server.signal(signal.SIGTERM)
            assert server.code() == 143


def test_a_retrained_model_takes_over_without_a_lost_request(folder: Path, tmp_path: Path) -> None:
    place = shutil.copytree(folder, tmp_path / "small")
    newer = write_folder(small_model(LETTERS, seed=2), tmp_path / "newer")
    ask = {"prompt": "some ", "max_tokens": 30, "seed": 3}
    with serving(place) as server:
        ready(server)
        texts, problems, stop = list[str](), list[str](), threading.Event()

        def go_on() -> None:
            while not stop.is_set():
                answer = server.ask("POST", "/v1/completions", ask)
                if answer.status != 200:
                    problems.append(answer.body.decode())
                else:
                    texts.append(answer.json["choices"][0]["text"])

        client = threading.Thread(target=go_on)
        client.start()
        with server.stream(3000) as long:
            (newer / "model.safetensors").replace(place / "model.safetensors")
            server.line("small has changed; its new model is served from now on")
            whole = text_of(events(long))
        (place / "model.safetensors").write_bytes(b"half")
        server.line("small has changed and cannot be used, so the model before it is served on")
        after = server.ask("POST", "/v1/completions", ask).json["choices"][0]["text"]
        stop.set()
        client.join()
        assert len(whole) == 3000
        assert problems == []
        assert set(texts) <= {texts[0], after} and texts[0] != after
        assert 'charloom_reloads_total{model="small"} 1' in server.ask("GET", "/metrics").body.decode()

"""Who may ask the server, and what a request may look like: without a network."""

import asyncio
import logging
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from fastapi import FastAPI

from charloom.errors import SettingsError
from charloom.server.access import check_key, host_names
from charloom.server.logs import OneLine
from charloom.server.metrics import Metrics
from charloom.server.registry import Models
from charloom.server.routes import errors
from charloom.server.routes.app import build
from charloom.server.served import Limits
from charloom.server.service import Access, Service
from charloom.server.static import MEDIA_TYPES, static_files
from models import small_model, write_folder
from server_help import OURS, PORT, StandInEngine, ask

KEY = "key-4f2a"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model("some text to write, say\n"), tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    (site / "parts").mkdir(parents=True)
    (site / "index.html").write_text("<!doctype html><title>page</title>")
    (site / "parts" / "page.js").write_text("export const one = 1\n")
    (site / "notes.md").write_text("not a part of the page")
    return site


def make(folder: Path, page: Path | None = None, *, whole: bool = False, **access: Any) -> Service:
    """A service with one model and a stand-in for its engine; `whole`: with the routes of `charloom serve` too."""
    counts = Metrics()
    models = Models([str(folder)], StandInEngine, counts)
    models.load()
    api = build(models, Limits()) if whole else FastAPI(docs_url=None, redoc_url=None)
    errors.install(api)

    @api.post("/v1/echo")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    given = Access(host_names("127.0.0.1", PORT), **access)
    limits = Limits(body_bytes=1000)
    return Service(api, models, given, limits=limits, counts=counts, files=static_files(page) if page else {})


HOSTILE_HOSTS = [
    *("evil.example", "evil.example:8000", "127.0.0.1.evil.example:8000", "localhost.evil.example:8000"),
    *("localhost", "127.0.0.1", "[::1]", "localhost:80", "127.0.0.1:8001", "[::1]:8001", "localhost:0"),
    *("localhost:", "localhost:08000", "localhost:8000:8000", "localhost:+8000", "localhost:-8000", "localhost: 8000"),
    *("localhost.:8000", "127.0.0.1.:8000", ".localhost:8000", "localhost..:8000", "a.localhost:8000"),
    *("user@localhost:8000", "localhost:8000@evil.example", "evil.example@127.0.0.1:8000", "@127.0.0.1:8000"),
    *("2130706433:8000", "0x7f000001:8000", "017700000001:8000", "127.1:8000", "127.0.1:8000", "0177.0.0.1:8000"),
    *("0.0.0.0:8000", "0:8000", "[::]:8000", "[0:0:0:0:0:0:0:1]:8000", "[::0001]:8000", "[::1%lo]:8000"),
    *("[::ffff:127.0.0.1]:8000", "[::ffff:7f00:1]:8000", "::1:8000", "[::1:8000", "::1]:8000", "[[::1]]:8000"),
    *("127.0.0.1:8000.", "127.0.0.1:8000/", "127.0.0.1:8000#", "127.0.0.1:8000?", "http://127.0.0.1:8000"),
    *("127.0.0.1:8000,evil.example", "127.0.0.1:8000 evil.example", "127.0.0.1:8000\tx", " 127.0.0.1:8000"),
    *("127.0.0.1:8000 ", "127.0.0.1\x00:8000", "127.0.0.1:8000\x00", "127.0.0.1:8000\r\n", "%31%32%37.0.0.1:8000"),
    *("127。0。0。1:8000".encode(), "１２７.0.0.1:8000".encode(), "localhost:８０００".encode()),
    "ｌocalhost:8000".encode(),
    *(b"localhost\xad:8000", "locａlhost:8000".encode(), b"\xff\xfe:8000", b"", b"null", b"*", b"*:8000", b"-", b"."),
]  # fmt: skip
HOSTILE_HOSTS = [host for host in HOSTILE_HOSTS if isinstance(host, (str, bytes))]

ORIGINS = [
    *("http://evil.example", "https://evil.example", "null", "", " ", "*", "file://", "about:blank", "data:,x"),
    *("http://127.0.0.1", "http://127.0.0.1:8001", "http://127.0.0.1:80", "http://localhost:8000", "http://[::1]:8000"),
    *("https://localhost:8000", "ftp://127.0.0.1:8000", "ws://127.0.0.1:8000", "//127.0.0.1:8000", "127.0.0.1:8000"),
    *("http:127.0.0.1:8000", "http:///127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8000/x"),
    *("http://127.0.0.1:8000@evil.example", "http://evil.example@127.0.0.1:8000", "http://127.0.0.1:8000.evil.example"),
    *("http://127.0.0.1.:8000", "http://2130706433:8000", "http://0x7f.1:8000", "http://0.0.0.0:8000", "http://127.1:8000"),
    *("http://127.0.0.1:8000 http://evil.example", "http://127.0.0.1:8000, null", "http://127.0.0.1:08000"),
    *("http://127.0.0.1:8000\x00", "http://127.0.0.1:8000#", "chrome-extension://abcdefgh", "moz-extension://abcdefgh"),
    "http://１２７.0.0.1:8000".encode(),
]  # fmt: skip


def test_a_hostile_host_is_never_answered(folder: Path, page: Path) -> None:
    async def run() -> None:
        service = make(folder, page)
        hosts = [given if isinstance(given, bytes) else given.encode("latin-1") for given in HOSTILE_HOSTS]
        assert len(set(hosts)) + len(ORIGINS) >= 100
        for host in hosts:
            for path in ("/", "/health", "/v1/echo", "/openapi.json"):
                answer = await ask(service, "GET", path, headers=[(b"host", host)])
                assert answer.status == 403, (host, path)
        for several in ([], [(b"host", b"127.0.0.1:8000"), (b"host", b"127.0.0.1:8000")]):
            assert (await ask(service, "GET", "/health", headers=several)).status == 403

    asyncio.run(run())


def test_another_sites_origin_is_never_answered(folder: Path) -> None:
    async def run() -> None:
        service = make(folder)
        for origin in ORIGINS:
            given = origin if isinstance(origin, bytes) else origin.encode("latin-1")
            for method in ("GET", "POST", "OPTIONS"):
                answer = await ask(
                    service, method, "/v1/echo", headers=[(b"host", b"127.0.0.1:8000"), (b"origin", given)]
                )
                assert answer.status == 403, origin
                assert not any(name.startswith("access-control") for name in answer.headers)
        ours = (b"origin", b"http://127.0.0.1:8000")
        assert (await ask(service, "GET", "/", headers=[(b"host", b"127.0.0.1:8000"), ours, ours])).status == 403

    asyncio.run(run())


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LocalHost:8000", "[::1]:8000"])
def test_this_machines_own_names_are_answered(folder: Path, host: str) -> None:
    service = make(folder)
    for more in ({}, {"origin": f"http://{host}"}):
        answer = asyncio.run(ask(service, "POST", "/v1/echo", headers={"host": host, **more}, body={"a": 1}))
        assert (answer.status, answer.json) == (200, {"a": 1})


def test_names_follow_the_address_and_what_is_allowed() -> None:
    assert "192.168.1.5:8000" in host_names("192.168.1.5", 8000)
    assert "[fe80::1]:8000" in host_names("fe80::1%eth0", 8000)
    assert "0.0.0.0:8000" not in host_names("0.0.0.0", 8000)
    assert {"localhost", "localhost:80"} <= host_names("127.0.0.1", 80)
    allowed = host_names("0.0.0.0", 8000, ["Models.example", "other.example:8443"])
    assert {"models.example", "models.example:8000", "other.example:8443"} <= allowed
    assert not {"other.example", "other.example:8000"} & allowed
    for wrong in ("", "a b", "http://a", "a:b", "a:", "*", "a:٣", "a/b", "user@a"):
        with pytest.raises(SettingsError, match="is not a host"):
            host_names("127.0.0.1", 8000, [wrong])


def test_any_address_means_the_one_that_the_client_reached(folder: Path) -> None:
    service = make(folder, any_address=True)
    for server, host, status in (
        (("192.168.1.5", PORT), "192.168.1.5:8000", 200),
        (("192.168.1.5", PORT), "192.168.1.6:8000", 403),
        (("192.168.1.5", PORT), "evil.example:8000", 403),
        (("::ffff:192.168.1.5", PORT), "192.168.1.5:8000", 200),
        (("2001:db8::5", PORT), "[2001:db8::5]:8000", 200),
    ):
        answer = asyncio.run(ask(service, "POST", "/v1/echo", headers={"host": host}, body={}, server=server))
        assert answer.status == status, (server, host)


def walk(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, Collection[str]]]:
    """Paths and methods of routes, those of routers within an application included."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from walk(route.original_router.routes, prefix + route.include_context.prefix)
        elif hasattr(route, "routes"):
            yield from walk(route.routes, prefix + route.path)
        else:
            yield prefix + route.path, getattr(route, "methods", None) or ("GET",)


def paths_of(service: Service) -> list[tuple[str, str]]:
    """Every method and path that the application answers, and some that it does not."""
    routes = [(method, path) for path, methods in walk(service.api.routes) for method in methods]
    described = {
        (method.upper(), path) for path, operations in service.api.openapi()["paths"].items() for method in operations
    }
    assert ("POST", "/v1/completions") in described
    assert described <= {(method, re.sub(r":\w+}", "}", path)) for method, path in routes}
    assert {("GET", path) for path in ("/docs", "/openapi.json", "/metrics", "/health", "/")} <= set(routes)
    found = [(method, re.sub(r"\{(\w+)[^}]*\}", r"\1", path)) for method, path in routes]
    elsewhere = ["/nothing", "/health/", "/Health", "//health", "/health/x", "/index.html/", "/../health", "/docs", "*"]
    return [
        *found,
        *(("GET", path) for path in elsewhere),
        ("POST", "/health"),
        ("POST", "/"),
        ("PUT", "/parts/page.js"),
    ]


def test_every_route_but_health_and_the_page_needs_the_key(folder: Path, page: Path) -> None:
    async def run() -> None:
        service = make(folder, page, whole=True, key=KEY.encode())
        free = {"/health", "/", "/index.html", "/parts/page.js"}
        for method, path in paths_of(service):
            for header in (None, "", KEY, f"Basic {KEY}", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}"):
                headers = {**OURS, **({} if header is None else {"authorization": header})}
                answer = await ask(service, method, path, headers=headers)
                if path in free and method in ("GET", "HEAD"):
                    assert answer.status in (200, 503), (method, path)
                else:
                    assert answer.status == 401, (method, path, header)
                    assert answer.json["error"]["code"] == "invalid_api_key"
                    assert KEY not in answer.body.decode()
            answer = await ask(service, method, path, headers={**OURS, "authorization": f"Bearer {KEY}"})
            assert answer.status not in (401, 500), (method, path)
        twice = [(b"host", b"127.0.0.1:8000"), *[(b"authorization", f"Bearer {KEY}".encode())] * 2]
        assert (await ask(service, "GET", "/metrics", headers=twice)).status == 401

    asyncio.run(run())


@pytest.mark.parametrize("key", ["", "a b", "ключ", "a\n", "a\x7f", "x" * 1025])
def test_a_key_that_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="the API key cannot be used") as refused:
        check_key(key)
    assert not key or key not in str(refused.value)


def test_only_json_is_taken(folder: Path) -> None:
    service = make(folder)
    for kind, status in (
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("text/plain; application/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
        (None, 415),
    ):
        headers = {**OURS, "content-length": "2", **({} if kind is None else {"content-type": kind})}
        answer = asyncio.run(ask(service, "POST", "/v1/echo", headers=headers, pieces=[b"{}"]))
        assert answer.status == status, kind
    packed = {**OURS, "content-type": "application/json", "content-encoding": "gzip", "content-length": "2"}
    assert asyncio.run(ask(service, "POST", "/v1/echo", headers=packed, pieces=[b"{}"])).status == 415


def echo(service: Service, size: int, *, announced: int | None, pieces: int = 1) -> int:
    """The status of the answer to a body of `size` bytes."""
    body = b'{"a": "' + b"x" * (size - 9) + b'"}'
    assert len(body) == size
    step = -(-size // pieces)
    headers = {**OURS, "content-type": "application/json"}
    headers |= {"transfer-encoding": "chunked"} if announced is None else {"content-length": str(announced)}
    parts = [body[at : at + step] for at in range(0, size, step)]
    return asyncio.run(ask(service, "POST", "/v1/echo", headers=headers, pieces=parts)).status


def test_a_body_is_bounded_by_what_it_announces_and_by_what_comes(folder: Path) -> None:
    service = make(folder)  # 1,000 bytes
    for size, status in ((999, 200), (1000, 200), (1001, 413), (100_000, 413)):
        assert echo(service, size, announced=size) == status
        for pieces in (1, 7, 900):
            assert echo(service, size, announced=None, pieces=pieces) == status
    assert echo(service, 5000, announced=10, pieces=50) == 413
    for length in ("-1", "+2", "1e9", "٣", "9" * 400, " 2"):
        headers = [
            (b"host", b"127.0.0.1:8000"),
            (b"content-type", b"application/json"),
            (b"content-length", length.encode()),
        ]
        assert asyncio.run(ask(service, "POST", "/v1/echo", headers=headers, pieces=[b"{}"])).status == 413


def test_no_byte_of_a_refused_body_stays(folder: Path) -> None:
    service = make(folder)
    bodies: Any = service
    while not hasattr(bodies, "_held"):
        bodies = bodies._app
    echo(service, 5000, announced=None, pieces=50)
    echo(service, 900, announced=900)
    assert bodies._held == 0
    bodies._held = bodies._together
    assert echo(service, 900, announced=900) == 503
    bodies._held = bodies._together - 500
    assert echo(service, 400, announced=400, pieces=4) == 200
    assert echo(service, 900, announced=900, pieces=9) == 503, "others began before there was too much"
    assert bodies._held == bodies._together - 500


def test_an_ending_server_takes_no_new_requests_but_says_that_it_ends(folder: Path, page: Path) -> None:
    service = make(folder, page)
    service.health.ready = service.health.ending = True
    for path in ("/", "/v1/echo", "/metrics"):
        answer = asyncio.run(ask(service, "GET", path))
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    answer = asyncio.run(ask(service, "GET", "/health"))
    assert (answer.status, answer.json["status"]) == (503, "ending")


def test_the_page_is_served_with_its_policy_and_its_tag(folder: Path, page: Path) -> None:
    async def run() -> None:
        service = make(folder, page)
        for path, kind in (("/", "text/html"), ("/index.html", "text/html"), ("/parts/page.js", "text/javascript")):
            answer = await ask(service, "GET", path)
            assert answer.status == 200 and answer.headers["content-type"].startswith(kind)
            assert "default-src 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            same = await ask(service, "GET", path, headers={**OURS, "if-none-match": answer.headers["etag"]})
            assert (same.status, same.body) == (304, b"")
            other = await ask(service, "GET", path, headers={**OURS, "if-none-match": '"other"'})
            assert other.body == answer.body
            assert (await ask(service, "HEAD", path)).status == 200
        for path in ("/notes.md", "/parts", "/parts/", "/parts/../index.html", "/site/index.html", "/..%2findex.html"):
            assert (await ask(service, "GET", path)).status == 404, path

    asyncio.run(run())


def test_every_file_of_the_shipped_page_has_a_media_type() -> None:
    from charloom.server.static import SITE

    assert {path.suffix for path in SITE.rglob("*") if path.is_file()} <= set(MEDIA_TYPES)


def test_the_shipped_page_needs_nothing_that_its_policy_forbids() -> None:
    from charloom.server.static import SITE

    for path in SITE.rglob("*.html"):
        for tag in re.findall(r"<[a-z][^>]*>", path.read_text()):
            assert not re.search(r"\s(?:style|on[a-z]+|srcdoc)\s*=", tag), tag
            assert not re.search(r"\b(?:src|href|action)\s*=\s*[\"']?\s*(?:[a-z]+:|//)", tag), tag
            assert not tag.startswith("<style") and (not tag.startswith("<script") or "src=" in tag), tag
    for path in SITE.rglob("*.js"):
        assert not re.search(r"\beval\(|new Function\(|setAttribute\([\"']style", path.read_text()), path.name
    for path in SITE.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", path.read_text()), path.name


def test_a_log_line_is_one_line_of_printable_characters_and_never_shows_the_key(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = make(folder)
    hostile = ["/a\r\nb", "/\x1b[31mred", "/\x00\x07", "/\u2028\u202eright", f"/{KEY}", "/" + "x" * 10_000, "/\x85\x9b"]
    logging.getLogger("charloom.server.access").setLevel(logging.INFO)
    with caplog.at_level(logging.INFO, "charloom.server"):
        logging.getLogger("charloom.server").propagate = True
        for path in hostile:
            asyncio.run(ask(service, "GET", path))
        try:
            raise ValueError(f"a\r\nb \x1b]0;title\x07 {KEY}")
        except ValueError:
            logging.getLogger("charloom.server").exception("failed\non %s", hostile)
    lines = [OneLine(KEY.encode()).format(record) for record in caplog.records]
    assert len(lines) == len(hostile) + 1
    for line in lines[:-1]:
        assert line.isascii() and line.isprintable() and KEY not in line and len(line) < 2000
        assert '"GET /' in line and " 404 in " in line
    first, *rest = lines[-1].split("\n")
    assert all(part.isascii() and part.isprintable() and KEY not in part for part in (first, *rest))
    assert len(rest) > 2 and all(part.startswith("    ") for part in rest)


def test_metrics_have_bounded_labels(folder: Path) -> None:
    service = make(folder)
    for number in range(50):
        asyncio.run(ask(service, "GET", f"/nothing/{number}"))
        asyncio.run(ask(service, f"M{number}", "/v1/echo"))
        asyncio.run(ask(service, "GET", "/health", headers={"host": f"host{number}"}))
    asyncio.run(ask(service, "POST", "/v1/echo", body={}))
    lines = asyncio.run(ask(service, "GET", "/metrics")).body.decode().splitlines()
    requests = [line for line in lines if line.startswith("charloom_requests_total")]
    assert 'charloom_requests_total{method="POST",route="/v1/echo",status="200"} 1' in requests
    assert 'charloom_requests_total{method="GET",route="other",status="404"} 50' in requests
    assert len(requests) < 10


def test_requests_are_counted_by_the_route_that_answered_them(folder: Path) -> None:
    service = make(folder, whole=True)
    asyncio.run(ask(service, "POST", "/v1/completions", body={"max_tokens": 2, "logprobs": "all"}))
    asyncio.run(ask(service, "GET", "/v1/models/small"))
    routes = {route for _, route, _ in service.metrics.requests}
    assert routes == {"/v1/completions", "/v1/models/{name:path}"}


def test_the_metrics_page_is_what_prometheus_reads(folder: Path) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    service = make(folder)
    for _ in range(3):
        asyncio.run(ask(service, "GET", "/health"))
    figures = service.metrics.of("small")
    for seconds in (0.001, 0.04, 99.0):
        figures.first.observe(seconds)
    answer = asyncio.run(ask(service, "GET", "/metrics"))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = {each.name: each for each in parser.text_string_to_metric_families(answer.body.decode())}
    assert {"charloom_requests", "charloom_running", "charloom_waiting", "charloom_reloads"} <= set(families)
    first = {
        (each.name, each.labels.get("le")): each.value for each in families["charloom_first_character_seconds"].samples
    }
    assert first["charloom_first_character_seconds_bucket", "0.005"] == 1
    assert first["charloom_first_character_seconds_bucket", "0.05"] == 2
    assert first["charloom_first_character_seconds_bucket", "+Inf"] == 3
    assert first["charloom_first_character_seconds_count", None] == 3
    assert first["charloom_first_character_seconds_sum", None] == pytest.approx(99.041)

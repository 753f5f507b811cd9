"""A real browser for tests, and a static host for it: Chromium from the distribution's packages."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@contextmanager
def browser() -> Iterator[Any]:
    """Chromium without a window; where there is none the test is skipped, unless CHARLOOM_TEST_BROWSER_REQUIRED=1."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        assert os.environ.get("CHARLOOM_TEST_BROWSER_REQUIRED") != "1", "there is no Chromium here"
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def static_host(folder: Path, below: str = "/some/where/") -> Iterator[str]:
    """The address of a static host that serves a folder below a path, and allows nothing from elsewhere."""

    class Host(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            inside = path.removeprefix(below)
            return str(folder / inside) if inside != path else str(folder / "nothing here")

        def end_headers(self) -> None:
            self.send_header("Content-Security-Policy", "default-src 'self'; worker-src 'self'")
            self.send_header("Cache-Control", "no-store")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}{below}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

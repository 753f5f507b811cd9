"""`charloom serve` as a process, for the tests of the playground."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path


class PlaygroundServer:
    """Serves models and classifiers; it can be stopped, and started again at its port."""

    def __init__(self, models: Mapping[str, str | Path], *, classifiers: tuple[str, ...] = (), key: str | None = None):
        self.key = key
        self.runs = [*map(str, models.values()), *classifiers]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        command = [sys.executable, "-m", "charloom", "serve", *self.runs, "--port", str(self.port), "--quiet"]
        environment = os.environ | ({"CHARLOOM_API_KEY": self.key} if self.key else {})
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        end = time.monotonic() + 120
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                raise AssertionError(self._process.communicate()[0].decode())
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=60)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

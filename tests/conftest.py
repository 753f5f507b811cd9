"""What several tests need: small real texts, small networks, a run that was trained once."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CELLS = ("lstm", "gru", "rnn-tanh", "rnn-relu")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real texts beside the project; where it is absent the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("the shared texts (../shared/data) are not here")
    return SHARED


@pytest.fixture(scope="session")
def docs_text() -> str:
    """The embedded corpus, about 465,000 characters."""
    from charloom.datasets import dataset

    return "".join(data.decode() for _, data in dataset("python-docs").read())


@pytest.fixture(scope="session")
def small_text(docs_text: str) -> str:
    """6,000 characters of it."""
    return docs_text[20_000:26_000]


@pytest.fixture
def charloom(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line in a process of its own, in a folder of its own."""

    def call(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "charloom", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=more.pop("cwd", tmp_path),
            env={**os.environ, "COLUMNS": "120", **more.pop("env", {})},  # type: ignore[dict-item]
            timeout=300,
            **more,  # type: ignore[call-overload]
        )

    return call

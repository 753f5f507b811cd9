"""The page about serving: its commands for clients and its Python lines run against a real server of `english`."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from charloom.generation.generate import generate
from charloom.generation.writer import Writer

pytest.importorskip("uvicorn")

from charloom.server.served import Limits
from live_server import Live, serving

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "serve.md"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving({"english": Writer.load("english")}) as server:
        yield server


def blocks(language: str, live: Live) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [block.replace("http://127.0.0.1:8000", live.url) for block in found]


def test_the_commands_of_curl_run(live: Live) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    commands = [line for block in blocks("sh", live) for line in block.splitlines() if line.startswith("curl")]
    assert len(commands) == 3
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", f"{command} -sS --fail-with-body"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"text"' in done.stdout


def test_the_python_lines_run(live: Live) -> None:
    pytest.importorskip("openai")
    (program,) = blocks("python", live)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout) == 80 + 1 + 80


def test_the_command_of_llm_runs(live: Live, tmp_path: Path) -> None:
    pytest.importorskip("llm")
    (tmp_path / "extra-openai-models.yaml").write_text(blocks("yaml", live)[0])
    (command,) = [line for block in blocks("sh", live) for line in block.splitlines() if line.startswith("llm ")]
    environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none"}
    function = f'llm() {{ "{sys.executable}" -m llm "$@"; }}\n'
    texts = list[str]()
    for more in (" -o seed 5", " -o seed 5 --no-stream"):
        line = ["bash", "-c", function + command + more]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout.rstrip("\n"))
    assert texts == ["".join(generate("english", "It was a dark and ", length=80, seed=5)).rstrip("\n")] * 2


def test_the_limits_on_the_page_are_those_of_the_server() -> None:
    said = re.search(r"## Limits\n\n(.*?)\n\n", PAGE.read_text("utf-8"), re.DOTALL)
    assert said
    limits, text = Limits(), " ".join(said[1].split())
    assert limits.body_bytes == 1 << 20
    for figure in (
        "at most 1 MiB",
        f"a prompt {limits.prompt:,} characters",
        f"a text {limits.length:,} new ones",
        f"Up to {limits.texts} texts",
        f"{limits.stops} stop strings of {limits.stop_characters} characters",
        f"{limits.top} alternatives",
        f"at most {limits.reported:,} log-probabilities",
    ):
        assert figure in text, figure

"""Real texts, as they are: each trains from the command line, and the memory they need is bounded."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., subprocess.CompletedProcess[str]]
TEXTS = (
    "tiny-shakespeare.txt",
    "moby-dick.txt",
    "sherlock-holmes-bom-crlf.txt",
    "wikipedia-6mb.xml",
    "state-of-the-union-10mb.txt",
)


@pytest.mark.parametrize("name", TEXTS)
def test_each_text_trains_as_it_is(name: str, shared: Path, charloom: Call) -> None:
    done = charloom(
        "train", shared / "text" / name, "--preset", "small", "--steps", 3, "--split", "0.999,0.001,0", "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["validation"]["protocol"] == "carried"
    if "crlf" in name:
        assert "byte order mark" in done.stderr
        assert "CRLF" in done.stderr


def test_a_folder_of_all_texts_trains_and_its_model_can_end_a_text(
    shared: Path, charloom: Call, tmp_path: Path
) -> None:
    done = charloom(
        "train", shared / "text", "--preset", "small", "--steps", 2, "--split", "0.9999,0.0001,0", "--run", "all"
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(charloom("info", "all", "--json").stdout)
    assert told["text"]["texts"] == len(TEXTS)
    assert told["ends_texts"] is True


@pytest.mark.parametrize("name", ["wikipedia-6mb.xml", "state-of-the-union-10mb.txt"])
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="peak memory of a child is read with wait4")
def test_peak_memory_is_five_bytes_for_each_byte_of_text_and_700_mb(name: str, shared: Path, tmp_path: Path) -> None:
    path = shared / "text" / name
    command = [
        sys.executable,
        "-m",
        "charloom",
        "train",
        str(path),
        "--preset",
        "reference",
        "--steps",
        "4",
        "--run",
        "run",
    ]
    process = subprocess.Popen([*command, "--split", "0.999,0.001,0"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    assert process.returncode == 0
    assert peak < 5 * path.stat().st_size + 700e6

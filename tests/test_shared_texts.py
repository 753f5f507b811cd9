"""Real, unmodified texts: each trains from the command line, in bounded memory."""

import json
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
    assert told["text"]["texts"] == sum(path.is_file() for path in (shared / "text").rglob("*")) >= len(TEXTS)
    assert told["ends_texts"] is True


@pytest.mark.parametrize(
    "name", [pytest.param("wikipedia-6mb.xml", marks=pytest.mark.slow), "state-of-the-union-10mb.txt"]
)
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory of a child is read with getrusage")
def test_peak_memory_is_five_bytes_for_each_byte_of_text_what_torch_takes_and_475_mb(
    name: str, shared: Path, tmp_path: Path
) -> None:
    path = shared / "text" / name
    arguments = [
        *("-m", "charloom", "train"),
        str(path),
        "--preset",
        "reference",
        "--steps",
        "4",
        "--split",
        "0.999,0.001,0",
        "--run",
        "run",
    ]
    peak, torch = peak_memory(tmp_path, *arguments), peak_memory(tmp_path, "-c", "import torch")
    assert torch < peak < 5 * path.stat().st_size + torch + 475e6  # a torch for GPUs takes three times as much


def peak_memory(folder: Path, *arguments: str) -> int:
    """The peak memory of a Python process in bytes."""
    # a process counts the memory of its parent, which may be large here: use a small one in between
    small = (
        "import resource, subprocess, sys\n"
        "subprocess.run([sys.executable, *sys.argv[1:]], check=True, stderr=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", small, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)

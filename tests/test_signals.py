"""Commands that get signals at any moment end as promised, and resume to the same bytes (`signals`)."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from charloom.training.checkpoints import record

COUNT = 8
posix = pytest.mark.skipif(os.name != "posix", reason="these signals are sent on POSIX systems")

SIZES = ["--network.hidden-size", "4", "--network.embedding-size", "4", "--training.batch-size", "4"]


@pytest.fixture(scope="module")
def endings() -> list[dict[str, Any]]:
    """The harness's report. It is a separate process, because a process that has computed cannot be forked."""
    nothing = [part for name in ("kills", "documents", "extended") for part in (f"--{name}", "0")]
    done = subprocess.run(
        [
            sys.executable,
            Path(__file__).with_name("crashes.py"),
            *nothing,
            "--signals",
            str(COUNT),
            "--seed",
            "2",
            "--lines",
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == COUNT, done.stderr
    return found


@posix
@pytest.mark.parametrize("number", range(COUNT))
def test_a_command_that_gets_signals_ends_as_promised_and_goes_on_to_the_same_bytes(
    number: int, endings: list[dict[str, Any]]
) -> None:
    ending = endings[number]
    assert ending["wrong"] == "", ending["signals"]
    assert ending["differences"] == [], ending["signals"]


@posix
def test_the_signals_are_of_all_kinds_and_meet_processes_of_both_makes(endings: list[dict[str, Any]]) -> None:
    sent = [part.split("+")[0] for ending in endings for part in ending["signals"].split()]
    assert set(sent) == {"SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"}
    assert sum(ending["own_process"] for ending in endings) == COUNT // 2
    assert {len(ending["signals"].split()) for ending in endings} == {1, 2, 3}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("it was a dark and stormy night; the rain fell in torrents. " * 40)
    return tmp_path / "text.txt"


def training(text: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "charloom", "train", str(text), "--run", str(text.parent / "run"), *SIZES, *more]


def waited_for(run: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the run has been training for a while."""
    while not (run / "clock.jsonl").exists():
        assert process.poll() is None, "it ended"
        time.sleep(0.01)


IN_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@posix
def test_a_terminal_that_is_closed_stops_a_training_which_saves(text: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", IN_A_TERMINAL, *training(text, "--steps", "100000", "--save-every", "20")]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.set_blocking(ours, False)
    while not (text.parent / "run" / "clock.jsonl").exists():
        assert process.poll() is None, "it ended"
        with suppress(BlockingIOError):
            os.read(ours, 1 << 16)
        time.sleep(0.01)
    os.close(ours)
    assert process.wait(timeout=60) == 129
    assert_saved_all(text.parent / "run")


@posix
def test_nohup_lets_a_training_go_on(text: Path) -> None:
    process = subprocess.Popen(
        ["nohup", *training(text, "--steps", "60", "--save-every", "5")], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    waited_for(text.parent / "run", process)
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said.decode()


@posix
def test_a_second_signal_that_insists_loses_what_is_not_saved_and_says_so(text: Path) -> None:
    code = (
        "import signal, sys\n"
        "from charloom import interruption\n"
        "from charloom.training.optimizers import Together\n"
        "step, count = Together.step, iter(range(1, 1000))\n"
        "def pressed(self, rate):\n"
        "    if next(count) == 12:\n"
        "        interruption.SAME_PRESS = 0.0\n"
        "        for _ in range(2): signal.raise_signal(signal.SIGINT)\n"
        "    step(self, rate)\n"
        "Together.step = pressed\n"
        "from charloom.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, *training(text, "--steps", "40", "--save-every", "5")[3:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 130
    assert "stopped at step 11 of 40, saved up to step 8;" in done.stderr
    assert "Traceback" not in done.stderr


def assert_saved_all(run: Path) -> None:
    """The lines of the log and the checkpoint end at the same step."""
    position = record(run)["position"]
    assert (run / "metrics.jsonl").stat().st_size == position["metrics_bytes"]
    assert position["step"] > 0

"""A training that its launcher starts again finds the run that it made, however little of it was there."""

import contextlib
import gc
import itertools
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from charloom import interruption
from charloom.machine.launch import Launch
from charloom.training import processes as training_processes
from charloom.training.opening import Opened, create
from charloom.training.restarts import MARK, is_ours
from charloom.training.session import Session
from test_disk_failures import Crash, CrashingDisk
from tiny_runs import TinyRun, WatchedDisk

FIRST = Launch(0, 2, 0, "127.0.0.1:29500", restarts=0, may_restart=True)
AGAIN = Launch(0, 2, 0, "127.0.0.1:29500", restarts=1, may_restart=True)


def make(disk: WatchedDisk, path: Path, session: Session, launch: Launch | None = FIRST) -> Opened:
    """The directory of a run as the leader of two processes makes it, or one that trains alone."""
    trainer, config = session.trainer, session.config
    return create(disk, path, "text", text=b"a text", config=config, trainer=trainer, model={"a": b"b"}, launch=launch)


def killed_everywhere(folder: Path) -> Iterator[tuple[Path, Session]]:
    """A run's directory and session, where a launcher's first start was killed after 0, 1, 2, … operations."""
    session = TinyRun(hidden_size=4, steps=3, characters=600).begin(folder / "another")
    path = folder / "run"
    for operations in itertools.count():
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(Crash):
            make(CrashingDisk(operations), path, session).lock.release()
            return
        gc.collect()  # a killed process holds no lock; this one does, as long as its frames are there
        yield path, session


def test_wherever_the_making_of_a_run_is_killed_the_launcher_makes_it_or_goes_on_with_it(tmp_path: Path) -> None:
    ways = list[bool]()
    for path, session in killed_everywhere(tmp_path):
        ways.append(is_ours(path, AGAIN))
        assert ways[-1] == (path / "config.json").exists()
        assert not is_ours(path, FIRST), "the launcher's first start resumes nothing"
        if not ways[-1]:
            make(WatchedDisk(), path, session).lock.release()
            assert is_ours(path, AGAIN)
    assert ways == sorted(ways) and set(ways) == {False, True}


def test_a_run_that_another_command_makes_where_a_launcher_was_killed_is_not_the_launchers(tmp_path: Path) -> None:
    left = list[bool]()
    for path, session in killed_everywhere(tmp_path):
        if not (path / "config.json").exists():
            left.append((path / MARK).exists())
            make(WatchedDisk(), path, session, None).lock.release()
            assert not is_ours(path, AGAIN)
    assert True in left


def test_a_name_that_no_folder_can_have_is_no_run_of_the_launcher() -> None:
    assert not is_ours(Path("x" * 300), AGAIN)


def test_a_launcher_that_ends_after_a_signal_sends_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second signal means that somebody will not wait, so the step in progress would be lost."""
    sent = list[tuple[int, int]]()
    monkeypatch.setattr(os, "kill", lambda *signal: sent.append(signal))
    monkeypatch.setattr(training_processes, "BEAT", 0.01)
    monkeypatch.setattr(interruption, "_came", threading.Event())
    process = object.__new__(training_processes.Processes)
    process.launch, process._over = replace(AGAIN, parent=os.getppid() + 1), threading.Event()
    process._watch_launcher()
    assert sent == [(os.getpid(), signal.SIGTERM)]
    interruption.Interruption()._insists()
    process._watch_launcher()
    assert len(sent) == 1

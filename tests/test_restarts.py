"""A training that its launcher starts again finds the run that it made, however little of it was there."""

import contextlib
import itertools
import shutil
from pathlib import Path

from charloom.machine.launch import Launch
from charloom.training.opening import Opened, create
from charloom.training.restarts import is_ours
from charloom.training.session import Session
from test_disk_failures import Crash, CrashingDisk
from tiny_runs import TinyRun, WatchedDisk

FIRST = Launch(0, 2, 0, "127.0.0.1:29500", restarts=0, may_restart=True)
AGAIN = Launch(0, 2, 0, "127.0.0.1:29500", restarts=1, may_restart=True)


def make(disk: WatchedDisk, path: Path, session: Session) -> Opened:
    """The directory of a run as the leader of two processes makes it."""
    trainer, config = session.trainer, session.config
    return create(disk, path, "text", text=b"a text", config=config, trainer=trainer, model={"a": b"b"}, launch=FIRST)


def test_wherever_the_making_of_a_run_is_killed_the_launcher_makes_it_or_goes_on_with_it(tmp_path: Path) -> None:
    session = TinyRun(hidden_size=4, steps=3, characters=600).begin(tmp_path / "another")
    path, ways = tmp_path / "run", list[bool]()
    for operations in itertools.count():
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(Crash):
            make(CrashingDisk(operations), path, session).lock.release()
            break
        ways.append(is_ours(path, AGAIN))
        assert ways[-1] == (path / "config.json").exists()
        assert not is_ours(path, FIRST), "the launcher's first start resumes nothing"
        if not ways[-1]:
            make(WatchedDisk(), path, session).lock.release()
            assert is_ours(path, AGAIN)
    assert ways == sorted(ways) and set(ways) == {False, True}

"""Every disk operation fails, once or from then on: one sentence, and nothing committed is lost."""

import errno
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from charloom.errors import StorageError
from charloom.training.runs import load
from tiny_runs import EVERY_OPERATION, TinyRun, WatchedDisk, differences, finish, remove

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = TinyRun(hidden_size=4, steps=3, validations=1, save_every=2, characters=600)
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EACCES": errno.EACCES}
LASTING = {"once": False, "from-then-on": True}


class FailingDisk(WatchedDisk):
    """A disk whose n-th operation fails, and with `lasting` every later one too."""

    def __init__(self, first: int, number: int, *, lasting: bool) -> None:
        super().__init__()
        self._first, self._number, self._lasting = first, number, lasting
        self.failed: list[str] = []

    def operation(self, name: str, perform: Callable[..., Any], *arguments: Any) -> Any:
        place = len(self.operations) + 1
        if place < self._first or (place > self._first and not self._lasting):
            return super().operation(name, perform, *arguments)
        self.operations.append(name)
        self.failed.append(name)
        if name == "close":  # the file is closed even then
            perform(*arguments)
        elif name == "write":  # as when the disk fills up midway
            file, data = arguments
            perform(file, data[: len(data) // 2])
        raise OSError(self._number, os.strerror(self._number))


class Crash(BaseException):
    """Raised where the process would end."""


class CrashingDisk(WatchedDisk):
    """A disk whose process dies at its n-th operation."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last

    def operation(self, name: str, perform: Callable[..., Any], *arguments: Any) -> Any:
        if len(self.operations) >= self._last:
            raise Crash
        return super().operation(name, perform, *arguments)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run on a disk that never fails."""
    path = tmp_path_factory.mktemp("unbroken") / "run"
    finish(TINY.begin(path))
    return path


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run after a crash in its second save, with all that a crash can leave: lines, files, half a checkpoint."""
    path = tmp_path_factory.mktemp("broken") / "run"
    disk = CrashingDisk(10**9)
    session = TINY.begin(path, disk)
    disk._last = len(disk.operations) + 43
    with pytest.raises(Crash):
        finish(session)
    assert (path / "metrics.jsonl").stat().st_size
    assert (path / "checkpoint.safetensors.previous").exists()
    (path / "model" / "model.safetensors.tmp").write_bytes(b"half")
    (path / "checkpoint.safetensors.tmp").write_bytes(b"half")
    return path


def fail_everywhere(
    folder: Path, start: Path | None, unbroken: Path, failures: Iterator[tuple[int, bool]], every: int = 1
) -> list[str]:
    """Let operation 1, 1 + every, … fail until none is left; after each, check the error and continue with a working
    disk.

    Returns the names of the operations that failed first.
    """
    path, names = folder / "run", []
    for first, (number, lasting) in zip(itertools.count(1, every), failures, strict=False):
        remove(path)
        if start is not None:
            shutil.copytree(start, path)
        disk = FailingDisk(first, number, lasting=lasting)
        error = None
        try:
            finish(TINY.go_on(path, disk))
        except StorageError as caught:
            error = caught  # kept, as in a notebook, while the run continues
        where = f"operation {first} ({disk.operations[first - 1 : first]}), {os.strerror(number)}, lasting {lasting}"
        if not disk.failed:
            assert error is None, where
            return names
        names.append(disk.failed[0])
        assert error is not None, f"{where}: nothing was reported"
        assert str(path) in str(error), f"{where}: no path in {error}"
        assert "\n" not in str(error), f"{where}: {error}"
        assert isinstance(error.__cause__, OSError), where
        assert error.__cause__.errno == number, where
        finish(TINY.go_on(path))
        assert differences(path, unbroken) == [], where
    raise AssertionError("the failures ended before the operations")


def rotating(lasting: bool) -> Iterator[tuple[int, bool]]:
    """Another error for each operation."""
    return ((number, lasting) for number in itertools.cycle(ERRORS.values()))


@pytest.mark.parametrize("lasting", [False, pytest.param(True, marks=pytest.mark.slow)], ids=LASTING)
def test_whatever_operation_fails_a_sentence_says_so_and_the_run_goes_on_as_if_nothing_had_been(
    lasting: bool, tmp_path: Path, unbroken: Path
) -> None:
    failed = fail_everywhere(tmp_path, None, unbroken, rotating(lasting), every=1 if lasting else 3)
    assert set(failed) >= EVERY_OPERATION


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.slow)])
def test_whatever_operation_fails_after_a_crash_the_run_goes_on_as_if_neither_had_been(
    every: int, tmp_path: Path, broken: Path, unbroken: Path
) -> None:
    failures = itertools.cycle(itertools.product(ERRORS.values(), LASTING.values()))
    assert fail_everywhere(tmp_path, broken, unbroken, failures, every)


@pytest.mark.slow
@pytest.mark.parametrize("lasting", LASTING.values(), ids=LASTING)
@pytest.mark.parametrize("number", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("crashed", [False, True], ids=["begun", "crashed-before"])
def test_every_operation_can_fail_with_every_error(
    crashed: bool, number: int, lasting: bool, tmp_path: Path, broken: Path, unbroken: Path
) -> None:
    failed = fail_everywhere(tmp_path, broken if crashed else None, unbroken, itertools.repeat((number, lasting)))
    assert failed


def test_a_run_that_was_broken_in_the_middle_of_a_write_has_a_model_that_can_be_used(broken: Path) -> None:
    assert load(broken).network.parameter_count() > 0


class PatientDisk(WatchedDisk):
    """A disk that writes only part of the data, as the system may."""

    def write(self, file: int, data: memoryview) -> int:
        return super().write(file, data[: len(data) // 3 + 1])


def test_a_disk_that_takes_a_part_of_each_write_gets_all_of_it(tmp_path: Path, unbroken: Path) -> None:
    finish(TINY.begin(tmp_path / "run", PatientDisk()))
    assert differences(tmp_path / "run", unbroken) == []


FULL_DISK = """
import errno, itertools, os, sys
from charloom.cli.main import main
from charloom.storage.atomic_files import Disk

write, count = Disk.write, itertools.count(1)

def full(self, file, data):
    if next(count) >= int(sys.argv[1]):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return write(self, file, data)

Disk.write = full
main(sys.argv[2:])
"""


def train_on_a_full_disk(folder: Path, full_from: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line on a disk with room for `full_from - 1` writes."""
    return subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(full_from), "train", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
    )


SETTINGS = [
    *("--network.hidden-size", "4", "--network.embedding-size", "4"),
    *("--training.batch-size", "4", "--training.sequence-length", "16"),
]


@pytest.mark.parametrize("full_from", [1, 30])
def test_on_a_full_disk_the_command_ends_with_code_2_and_one_sentence(full_from: int, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("it was a dark and stormy night; the rain fell in torrents. " * 40)
    train = ["text.txt", "--run", "run", "--steps", "6", "--save-every", "2", "--json", *SETTINGS]
    result = train_on_a_full_disk(tmp_path, full_from, *train)
    lines = result.stderr.splitlines()
    complaints = [line for line in lines if line.startswith("charloom:")]
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(complaints) == 1, result.stderr
    assert lines[-1] == complaints[0]
    assert "run" in complaints[0] and "no space is left on the disk" in complaints[0]
    assert "Traceback" not in result.stderr and "Error" not in result.stderr
    progress = [line for line in lines if line.startswith(("text: ", "run: ", "step "))]
    assert lines == [*progress, *complaints]
    if not (tmp_path / "run").exists():
        assert not progress, "nothing was begun"
        assert train_on_a_full_disk(tmp_path, 10**9, *train).returncode == 0
    else:
        assert progress, "it was begun"
        resumed = train_on_a_full_disk(tmp_path, 10**9, "--resume", "--run", "run", "--json")
        assert resumed.returncode == 0, resumed.stderr
        assert '"steps": 6' in resumed.stdout

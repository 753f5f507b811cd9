"""Rows answered by several processes: in order, exactly, with flat memory, and never a hang."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stand_ins
from charloom.errors import SettingsError, TextError
from charloom.machine import worker, workers
from charloom.machine.worker import BEGINNING, receive, send
from charloom.machine.workers import AHEAD, WorkerError, in_order

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


def script(text: str, *arguments: object, **more: object) -> "subprocess.Popen[str]":
    """A Python program of its own that can import the tests' modules."""
    paths = [str(Path(__file__).parent), str(Path(workers.__file__).parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **more)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("count", [None, 1, 2, 3])
def test_any_number_of_workers_gives_the_results_of_one_in_order(count: int | None) -> None:
    rows = [5, 3, 8, 1, 0, 7, 7, 2, 9, 11, 4, 6, 13, 10, 1]
    assert list(in_order(stand_ins.doubling, rows, workers=count)) == [2 * row for row in rows]


def test_without_rows_nothing_is_prepared() -> None:
    for count in (None, 1, 2):
        assert list(in_order(stand_ins.unprepared, [], workers=count)) == []


def test_one_worker_is_this_process_and_two_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    several = set(in_order(stand_ins.process, range(30), workers=2))
    assert os.getpid() not in several
    monkeypatch.setattr(subprocess, "Popen", None)
    for count in (None, 1):
        assert set(in_order(stand_ins.process, range(3), workers=count)) == {os.getpid()}


def test_there_are_no_more_processes_than_rows() -> None:
    assert len(set(in_order(stand_ins.process, range(1), workers=3))) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_rows_are_read_as_they_are_needed(count: int) -> None:
    read = 0

    def endless() -> Iterator[int]:
        nonlocal read
        while True:
            read += 1
            yield read

    results = in_order(stand_ins.doubling, endless(), workers=count)
    for number in range(1, 40):
        assert next(results) == 2 * number
        assert read <= number + AHEAD * count
    results.close()


@pytest.mark.parametrize("count", [None, 1, 2])
@pytest.mark.parametrize(("how", "error"), [("sentence", TextError), ("bug", KeyError)])
def test_an_error_comes_after_the_results_of_all_rows_before_it(
    count: int | None, how: str, error: type[Exception]
) -> None:
    given_back, prepared = [], in_order(_Failing(7, how), range(20), workers=count)
    with pytest.raises(error) as caught:
        for result in prepared:
            given_back.append(result)
    assert given_back == list(range(7))
    if count == 2 and how == "bug":
        assert "stand_ins.py" in caught.value.__notes__[0], "the traceback of the worker is lost"


class _Failing:
    """Prepares `stand_ins.failing`; a class, so that it can be pickled with its arguments."""

    def __init__(self, at: int, how: str) -> None:
        self.at, self.how = at, how

    def __call__(self) -> Callable[[int], int]:
        return stand_ins.failing(self.at, self.how)


@pytest.mark.parametrize("count", [None, 1, 2])
def test_rows_that_cannot_be_read_cost_none_of_those_before(count: int | None) -> None:
    def rows() -> Iterator[int]:
        yield from range(5)
        raise TextError("line 6 is not UTF-8; save it as UTF-8")

    results, given_back = in_order(stand_ins.doubling, rows(), workers=count), []
    with pytest.raises(TextError, match="line 6"):
        for result in results:
            given_back.append(result)
    assert given_back == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("count", [1, 2])
def test_a_model_that_cannot_be_loaded_is_one_sentence(count: int) -> None:
    with pytest.raises(TextError, match="no such model"):
        list(in_order(stand_ins.unprepared, range(9), workers=count))


@posix
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_worker_that_dies_is_a_sentence_about_its_row_and_the_rows_before_are_there(name: str) -> None:
    results = in_order(_Failing(9, name), range(30), workers=2, called=lambda row: f"row {row}")
    given_back = []
    with pytest.raises(WorkerError, match=rf"by {name}.* on row 9;"):
        for result in results:
            given_back.append(result)
    assert given_back == list(range(9))


@posix
def test_when_all_workers_die_nobody_waits() -> None:
    with pytest.raises(WorkerError):
        list(in_order(_All("SIGKILL"), range(50), workers=2))


class _All:
    """Prepares a function that ends every process."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> Callable[[int], int]:
        return lambda row: stand_ins.failing(row, self.name)(row)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@posix
def test_closing_the_iterator_ends_the_workers_whatever_they_do() -> None:
    results = in_order(stand_ins.sleeping, [0.0, 0.0, 0.0, 600.0, 600.0, 600.0], workers=2)
    seen = {next(results) for _ in range(3)}
    results.close()
    assert not any(alive(each) for each in seen)


ORPHANS = """
import stand_ins
from charloom.machine.workers import in_order
results = in_order(stand_ins.sleeping, [0.1, 0.1, 0.1, 0.1, 600.0, 600.0, 600.0], workers=2)
for number, result in enumerate(results):
    print(result, flush=True)
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_the_process_that_started_them(number: signal.Signals, ctrl_c: None) -> None:
    with script(ORPHANS, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        seen = {int(parent.stdout.readline()) for _ in range(4)}
        parent.send_signal(number)
        try:
            parent.wait(60)
        finally:
            parent.kill()
    deadline = time.monotonic() + 60
    while any(alive(each) for each in seen):
        assert time.monotonic() < deadline, "a worker is an orphan"
        time.sleep(0.02)


def test_a_script_needs_no_main_guard_and_a_function_of_its_own_gets_a_sentence() -> None:
    text = """
import stand_ins
from charloom.machine.workers import in_order
print(list(in_order(stand_ins.doubling, range(4), workers=2)))
def own(): return abs
try:
    in_order(own, range(4), workers=2)
except ValueError as error:
    print(error)
"""
    with script(text) as process:
        out = process.communicate(timeout=120)[0].splitlines()
    assert out[0] == "[0, 2, 4, 6]"
    assert "put it into a module" in out[1]
    assert len(out) == 2, "what a worker prints must not reach standard output"


@pytest.mark.parametrize("count", [0, -1, 10_000])
def test_a_number_of_workers_that_makes_no_sense_gets_a_sentence(count: int) -> None:
    with pytest.raises(SettingsError, match="workers is"):
        in_order(stand_ins.doubling, [], workers=count)
    with pytest.raises(SettingsError, match="whole number"):
        in_order(stand_ins.doubling, [], workers=1.5)  # type: ignore[arg-type]


@posix
def test_neither_modules_of_the_current_folder_nor_what_others_print_disturb_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "pickle", "queue", "struct", "threading"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a module of the folder')\n")
    startup = tmp_path / "startup"
    startup.mkdir()
    (startup / "sitecustomize.py").write_text("print('hello' * 1_000)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(startup))
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    assert list(in_order(stand_ins.doubling, range(5), workers=2)) == [0, 2, 4, 6, 8]


@given(st.lists(st.binary(max_size=40), max_size=4), st.binary(max_size=80))
def test_messages_are_found_after_what_others_print(messages: list[bytes], printed: bytes) -> None:
    stream = io.BytesIO()
    stream.write(printed.replace(BEGINNING, b""))
    for message in messages:
        send(stream, message)
    stream.seek(0)
    assert [receive(stream) for _ in messages] == messages
    with pytest.raises(EOFError):
        receive(stream)


def test_a_message_that_is_none_ends_the_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EOFError):
        receive(io.BytesIO(BEGINNING + b"\xff" * 8))
    monkeypatch.setattr(worker, "MOST_SKIPPED", 9)
    stream = io.BytesIO(b"x" * 10 + BEGINNING + bytes(8))
    with pytest.raises(EOFError):
        receive(stream)


MEMORY = """
import resource, sys
import stand_ins
from charloom.many.groups import answered, groups
rows = (f"row {number}" for number in range(int(sys.argv[1])))
total = sum(sum(result) for _, result in answered(stand_ins.lengths, groups(rows, size=len), workers=2))
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@posix
def test_memory_does_not_grow_with_the_rows() -> None:
    peaks = []
    for count in (10_000, 1_000_000):
        with script(MEMORY, count) as process:
            total, peak = map(int, process.communicate(timeout=300)[0].split())
        assert total == sum(len(f"row {number}") for number in range(count))
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 4 << (10 if sys.platform == "linux" else 20), "four megabytes more"


@settings(max_examples=60)
@given(st.lists(st.text(max_size=9), max_size=40), st.integers(1, 7), st.integers(1, 30))
def test_groups_hold_every_row_once_and_depend_on_the_rows_alone(rows: list[str], together: int, large: int) -> None:
    from charloom.many import groups as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LARGE", large)
        made = list(module.groups(iter(rows), together=together, size=len))
    assert [row for group in made for row in group.rows] == rows
    assert [group.first for group in made] == [sum(len(each.rows) for each in made[:n]) for n in range(len(made))]
    assert all(1 <= len(group.rows) <= together for group in made)
    assert all(sum(map(len, group.rows[:-1])) < large for group in made)

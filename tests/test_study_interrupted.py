"""A study whose process ends in any way: no trial outlives it, and the resumed study equals an uninterrupted one."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charloom.settings import NetworkConfig
from charloom.study.folders import StudyFolder
from charloom.study.processes import Process
from charloom.study.search_loop import Search
from charloom.study.storages import open_storage
from charloom.study.sweep import ATTEMPTS, Attempt, Workshop
from charloom.study.terms import KEPT, proposed
from charloom.study.trials import planned
from charloom.training.runs import lock
from studies import study

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

SMALL = ("--network.hidden-size", "32", "--network.embedding-size", "4", "--training.batch-size", "8")
PLAN = ("--characters", "60000", "--training.sequence-length", "32", "--training.validations", "2")
ARGUMENTS = ("text.txt", "--learning-rates", "0.003", "--run", "study", "--json", *SMALL, *PLAN)
TRIALS = ("centre-seed-1", "learning-rate-0.003-seed-1")

SOON = 60.0
"""Seconds within which an idle process is gone, even on a very busy machine; a trial here takes longer."""


def start(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    """A study that leads its own process group, as under a shell."""
    with (folder / "out").open("wb") as out, (folder / "err").open("ab") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "charloom", "study", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            preexec_fn=ordinary_signals,
        )


def ordinary_signals() -> None:
    """No signal is ignored in this process merely because the test runner ignores it (nohup, a shell's background)."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def living(folder: Path) -> list[str]:
    """The processes with `folder` on their command line."""
    listed = subprocess.run(["ps", "-ewwo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line]


@pytest.fixture(autouse=True)
def no_process_is_left(tmp_path: Path) -> Iterator[None]:
    """If a test fails, its processes must not run for hours."""
    yield
    for line in living(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(int(line.split()[0]), signal.SIGKILL)


def wait(reached: Callable[[], bool], process: "subprocess.Popen[bytes]", folder: Path) -> None:
    while not reached():
        assert process.poll() is None, (folder / "err").read_text()
        time.sleep(0.01)


def gone(folder: Path) -> None:
    """Wait until no process of a study lives."""
    until = time.monotonic() + SOON
    while living(folder):
        assert time.monotonic() < until, living(folder)
        time.sleep(0.1)


def log(folder: Path, trial: str) -> str:
    path = folder / "study" / "logs" / f"{trial}.txt"
    return path.read_text() if path.exists() else ""


def started(folder: Path) -> bool:
    """A trial's process exists and has hardly started."""
    return (folder / "study" / "logs" / f"{TRIALS[0]}.txt").exists()


def training(folder: Path) -> bool:
    """The first trial is training."""
    return "step " in log(folder, TRIALS[0])


def second(folder: Path) -> bool:
    """The first trial has ended, and the second is training."""
    return "step " in log(folder, TRIALS[1])


SPACE = "[training.learning_rate]\nlow = 0.001\nhigh = 0.1\nlogarithmic = true\n"

GIVEN_BACK = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
"""Signals on which a worker still says something to the database."""

MOMENTS = (started, training, second)


def result(folder: Path) -> dict[str, Any]:
    """The result of a study, without anything that depends on the clock."""
    found = json.loads((folder / "out").read_text())
    timed = {"seconds", "characters_per_second", "peak_memory_bytes", "wall_seconds"}
    return {
        "best": found["best"],
        "trials": [{key: value for key, value in trial.items() if key not in timed} for trial in found["trials"]],
    }


def files(folder: Path) -> dict[str, bytes]:
    """The files of a study that are functions of the steps."""
    trials = folder / "study" / "trials"
    names = [path for trial in TRIALS for path in (trials / trial / "model").glob("*.safetensors")]
    names += [trials / trial / "metrics.jsonl" for trial in TRIALS]
    names += [folder / "study" / "best.toml"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, docs_text: str) -> Path:
    """An uninterrupted study."""
    folder = tmp_path_factory.mktemp("unbroken")
    (folder / "text.txt").write_text(docs_text[20_000:26_000])
    process = start(folder, *ARGUMENTS)
    assert process.wait() == 0, (folder / "err").read_text()
    return folder


def send(process: "subprocess.Popen[bytes]", signals: tuple[signal.Signals, ...]) -> None:
    """One signal to the process, or several to its whole group, as a terminal sends them."""
    for number in signals:
        if process.poll() is None:
            (os.kill if len(signals) == 1 else os.killpg)(process.pid, number)
        time.sleep(0.05)
    assert process.wait(SOON) in {code for number in signals for code in (-number, 128 + number)}


WAYS = [
    (signal.SIGHUP,),
    (signal.SIGHUP, signal.SIGHUP),
    (signal.SIGTERM,),
    (signal.SIGINT, signal.SIGINT),
    (signal.SIGINT, signal.SIGTERM),
    (signal.SIGKILL,),
]


def named(signals: tuple[signal.Signals, ...]) -> str:
    return "-".join(number.name for number in signals)


@pytest.mark.parametrize(
    "signals",
    [way if way in WAYS[::2] + WAYS[-1:] else pytest.param(way, marks=pytest.mark.slow) for way in WAYS],
    ids=named,
)
@pytest.mark.parametrize("moment", [pytest.param(started, marks=pytest.mark.slow), training])
def test_no_trial_outlives_its_study(
    moment: Callable[[Path], bool], signals: tuple[signal.Signals, ...], tmp_path: Path, docs_text: str
) -> None:
    (tmp_path / "text.txt").write_text(docs_text[20_000:26_000])
    hours = [word.replace("60000", "9000000000") for word in ARGUMENTS]
    process = start(tmp_path, *hours)
    wait(lambda: moment(tmp_path) and bool(living(tmp_path)), process, tmp_path)
    send(process, signals)
    gone(tmp_path)


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param((signal.SIGKILL,), id="SIGKILL"),
        *(pytest.param(way, id=named(way), marks=pytest.mark.slow) for way in WAYS[:-1]),
    ],
)
def test_a_study_that_ended_again_and_again_comes_to_the_same_result(
    signals: tuple[signal.Signals, ...], unbroken: Path, tmp_path: Path
) -> None:
    """It is resumed at once each time, while its trial may still be saving."""
    (tmp_path / "text.txt").write_bytes((unbroken / "text.txt").read_bytes())
    for moment in MOMENTS:
        process = start(tmp_path, *ARGUMENTS)
        wait(lambda moment=moment: moment(tmp_path), process, tmp_path)  # type: ignore[misc]
        send(process, signals)
    process = start(tmp_path, *ARGUMENTS)
    assert process.wait() == 0, (tmp_path / "err").read_text()
    gone(tmp_path)
    assert [trial["state"] for trial in result(tmp_path)["trials"]] == ["finished", "finished"]
    assert result(tmp_path) == result(unbroken)
    assert files(tmp_path) == files(unbroken)
    assert "centre" in (tmp_path / "study" / "report.md").read_text()
    assert "Traceback" not in (tmp_path / "err").read_text()


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_search_that_is_killed_loses_and_doubles_no_trial(
    number: signal.Signals, tmp_path: Path, docs_text: str
) -> None:
    pytest.importorskip("optuna", reason="a search needs the extra tune")
    (tmp_path / "text.txt").write_text(docs_text[20_000:26_000])
    arguments = ("text.txt", "--search", "2", "--run", "study", "--json", *SMALL, *PLAN)

    def trained() -> list[str]:
        logs = (tmp_path / "study" / "logs").glob("*.txt")
        return sorted(path.stem for path in logs if "step " in path.read_text())

    for count in (1, 2):
        process = start(tmp_path, *arguments)
        wait(lambda count=count: len(trained()) == count, process, tmp_path)  # type: ignore[misc]
        send(process, (number,))
    process = start(tmp_path, *arguments)
    assert process.wait() == 0, (tmp_path / "err").read_text()
    gone(tmp_path)
    found = result(tmp_path)["trials"]
    assert [trial["state"] for trial in found] == ["finished", "finished"]
    assert [trial["name"] for trial in found] == trained()  # those that were killed, and no others
    assert found[0]["name"] == "trial-0000"  # the centre's settings
    assert len(list((tmp_path / "study" / "trials").iterdir())) == 2


def test_a_trial_that_another_process_trains_is_waited_for(unbroken: Path, tmp_path: Path) -> None:
    shutil.copytree(unbroken, tmp_path, dirs_exist_ok=True)
    (tmp_path / "study" / "outcomes" / f"{TRIALS[0]}.json").unlink()
    held = lock(tmp_path / "study" / "trials" / TRIALS[0])
    try:
        process = start(tmp_path, *ARGUMENTS)
        wait(lambda: "waiting for another process" in (tmp_path / "err").read_text(), process, tmp_path)
    finally:
        held.release()
    assert process.wait() == 0, (tmp_path / "err").read_text()
    assert result(tmp_path) == result(unbroken)


@pytest.mark.parametrize("number", [signal.SIGKILL, *(pytest.param(way, marks=pytest.mark.slow) for way in GIVEN_BACK)])
def test_no_trial_outlives_its_worker_which_knows_nothing_but_an_address(
    number: signal.Signals, tmp_path: Path, docs_text: str, postgres: str
) -> None:
    (tmp_path / "text.txt").write_text(docs_text[20_000:26_000])
    name = f"worker-{os.getpid()}-{number.name}"
    sha256 = hashlib.sha256((tmp_path / "text.txt").read_bytes()).hexdigest()
    made = replace(
        study(
            search=1, shared=True, seeds=1, text_sha256=sha256, hidden_sizes=(), budget_seconds=None, characters=10**9
        ),
        network=NetworkConfig(hidden_size=16, embedding_size=4),
        space=SPACE,
    )
    storage = open_storage(postgres, Path(), stop=threading.Event(), say=print)
    search = Search(name, storage, 1, seed=None, validations=10, grace=60)
    search.agree(KEPT, proposed(made, "another machine"))
    process = start(tmp_path, "--worker", postgres, "--name", name, "--text", "text.txt", "--run", "study")
    wait(lambda: "step " in log(tmp_path, "trial-0000"), process, tmp_path)
    send(process, (number,))
    gone(tmp_path)
    states = [trial.state.name for trial in search._search.get_trials(deepcopy=False)]
    assert states == (["RUNNING"] if number == signal.SIGKILL else ["FAIL", "WAITING"])  # given back at once
    assert ("given back" in (tmp_path / "err").read_text()) == (number != signal.SIGKILL)


@pytest.mark.parametrize("kills", [1, ATTEMPTS])
def test_a_trial_that_is_killed_is_begun_again_but_not_for_ever(kills: int, tmp_path: Path) -> None:
    """Only a trial's process is killed, as by a system short of memory."""
    (folder := StudyFolder(tmp_path / "study")).make(study(), None)
    (trial, *_) = planned(study())
    said: list[str] = []
    attempt = Attempt(Workshop(folder, study(), lambda run, context: None, None, said.append), trial)
    codes = []
    for number in range(kills):
        assert not attempt.ended()
        assert attempt.process is not None
        attempt.process.kill()
        attempt.process.wait()
        codes.append(attempt.process.code)
        assert attempt.ended() == (number + 1 == ATTEMPTS)
    assert codes == [-signal.SIGKILL] * kills
    assert (attempt.process.code is None) == (kills < ATTEMPTS)
    if kills == ATTEMPTS:
        assert attempt.process.error() == "it was ended by SIGKILL"
    attempt.stop()


SENTENCE = "charloom: the disk is full; free some"


@pytest.mark.parametrize(
    ("lines", "code", "error"),
    [
        ((SENTENCE, "step 10/20  loss 2.1"), 2, "the disk is full; free some"),
        (("step 10/20", SENTENCE), 2, "the disk is full; free some"),
        (
            ("step 9", "Traceback (most recent call last):", "  File x", "ValueError: why", "step 10"),
            1,
            "ValueError: why",
        ),
        (("step 10/20  loss 2.1",), 7, "its process ended with exit code 7"),
    ],
)
def test_the_message_of_a_failure_is_the_error_and_no_line_of_progress(
    lines: tuple[str, ...], code: int, error: str, tmp_path: Path
) -> None:
    (folder := StudyFolder(tmp_path)).make(study(), None)
    folder.log("t", "txt").write_text("charloom: what an earlier process said\n")
    program = f"import sys; sys.stderr.write({chr(10).join(lines) + chr(10)!r}); sys.exit({code})"
    process = Process([sys.executable, "-c", program], folder, "t", None)
    process.wait()
    assert process.error().startswith(error)


def test_a_process_whose_parent_is_gone_ends_by_sigterm_even_if_it_never_looks_up(tmp_path: Path) -> None:
    program = (
        "import time; from charloom.study.lifeline import follow; follow(); print('on', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"on\n"
        process.stdin.close()
        assert process.wait(SOON) == -signal.SIGTERM


def test_a_process_that_does_not_end_when_it_should_is_ended(tmp_path: Path) -> None:
    program = (
        "import signal, time; from charloom.study import lifeline; lifeline.PATIENCE_SECONDS = 0.1\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); lifeline.follow(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SOON) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    "left", [(), ("trials",), ("trials", "outcomes", "logs"), ("trials", "outcomes", "logs", "text.txt")]
)
def test_a_folder_that_a_crash_left_before_the_study_was_written_is_begun_in(
    left: tuple[str, ...], tmp_path: Path
) -> None:
    for name in left:
        (tmp_path / name).write_text("half") if "." in name else (tmp_path / name).mkdir()
    assert StudyFolder(tmp_path).never_begun()


@pytest.mark.parametrize("mine", ["text.txt", "logs/mine.txt", "mine.txt", "study.json"])
def test_a_folder_that_holds_anything_of_the_user_is_no_such_folder(mine: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / mine).write_text("mine")
    assert not StudyFolder(tmp_path).never_begun()

"""Runs that are killed at any moment can be resumed, and end as if nothing had happened (`crashes`)."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charloom.data.text_sources import open_text
from charloom.errors import FolderError, SettingsError
from charloom.settings import CorpusConfig
from charloom.training.request import Length
from charloom.training.runs import Run, lock
from charloom.training.start import resume
from conftest import CELLS
from tiny_runs import EVERY_OPERATION, TinyRun, differences, finish

TINY = TinyRun("gru", hidden_size=4, steps=2, validations=1)
KILLS, DOCUMENTS, EXTENDED = 24, 4, 4
CASES = [
    *(f"plain-{cell}-{number}" for number in range(KILLS // 4) for cell in CELLS),
    *(f"documents-{cell}-0" for cell in CELLS),
    *(f"extended-{cell}-0" for cell in CELLS),
]


class Results:
    """The harness's report on each run, from a process of its own: one that has computed cannot be forked."""

    def __init__(self, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("crashes.py"), "--lines", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._results: dict[str, dict[str, Any]] = {}

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Wait for the result of one case."""
        while name not in self._results:
            assert self._process.stdout is not None and self._process.stderr is not None
            line = self._process.stdout.readline()
            assert line, f"the harness ended before {name}: {self._process.stderr.read()}"
            result = json.loads(line)
            self._results[result["name"]] = result
        return self._results[name]

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()


@pytest.fixture(scope="module")
def results() -> Iterator[Results]:
    running = Results("--kills", KILLS, "--documents", DOCUMENTS, "--extended", EXTENDED)
    yield running
    running.close()


@pytest.mark.parametrize("name", CASES)
def test_a_killed_run_ends_as_if_it_had_been_left_alone(name: str, results: Results) -> None:
    result = results[name]
    assert result["killed"] >= 1
    assert result["error"] == "", result["sittings"]
    assert result["differences"] == [], result["sittings"]
    assert result["sittings"][-1] == "finished"


def test_the_kills_meet_operations_of_all_kinds_at_each_moment_and_runs_that_are_being_resumed(
    results: Results,
) -> None:
    all_of_them = [results[name] for name in CASES if name.startswith("plain")]
    operations = [(name, moment) for result in all_of_them for name, moment in result["operations"]]
    assert {name for name, _ in operations} >= EVERY_OPERATION
    assert {moment for _, moment in operations} == {"before", "within", "after"}
    assert sum(name == "in a resumed sitting" for name, _ in operations) >= 5
    assert sum("% of the time" in sitting for result in all_of_them for sitting in result["sittings"]) >= KILLS // 2


def test_a_run_that_is_left_alone_has_a_line_for_each_step_validation_and_end(tmp_path: Path) -> None:
    finish(TinyRun().begin(tmp_path / "run"))
    lines = Run(tmp_path / "run").metrics()
    assert [line["step"] for line in lines if "loss_nats" in line] == list(range(1, 13))
    assert [line["step"] for line in lines if "validation" in line] == [4, 8, 12]
    assert [line["step"] for line in lines if "final" in line] == [12]
    assert [line["step"] for line in Run(tmp_path / "run").clock()] == list(range(1, 13))


@pytest.mark.slow
def test_of_400_killed_runs_each_ends_as_if_it_had_been_left_alone() -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("crashes.py"), "--kills", "400"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "change", "kind"),
    [
        ("model/model.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]), "differing"),
        ("metrics.jsonl", lambda data: data + data.splitlines(keepends=True)[0], "doubled"),
        ("metrics.jsonl", lambda data: b"".join(data.splitlines(keepends=True)[1:]), "lost"),
        ("clock.jsonl", lambda data: data + data.splitlines(keepends=True)[-1], "doubled"),
        ("model/README.md.tmp", lambda data: b"", "stray"),
        ("model/vocabulary.json", None, "missing"),
    ],
)
def test_the_comparison_notices(name: str, change: Any, kind: str, tmp_path: Path) -> None:
    for folder in ("one", "other"):
        finish(TINY.begin(tmp_path / folder))
    assert differences(tmp_path / "one", tmp_path / "other") == []
    changed = tmp_path / "one" / name
    if change is None:
        changed.unlink()
    else:
        changed.write_bytes(change(changed.read_bytes() if changed.exists() else b""))
    assert kind in {difference.kind for difference in differences(tmp_path / "one", tmp_path / "other")}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_run_is_begun_in_an_empty_folder_which_is_what_a_crash_before_the_lock_leaves(tmp_path: Path) -> None:
    finish(TINY.begin(tmp_path / "whole"))
    (tmp_path / "run").mkdir()
    finish(TINY.begin(tmp_path / "run"))
    assert differences(tmp_path / "run", tmp_path / "whole") == []


def test_what_a_crash_left_before_there_was_a_configuration_is_gone_when_another_text_is_trained_on(
    tmp_path: Path,
) -> None:
    run, text = tmp_path / "run", tmp_path / "another.txt"
    text.write_text("another text, of another file; " * 30)
    run.mkdir()
    for name in ("lock", "text.txt", "text.txt.tmp", "config.json.tmp"):
        (run / name).write_text("left")
    session = TINY.begin(run, corpus=open_text(text, CorpusConfig()))
    assert names(run) == {"lock", "config.json", "checkpoint.safetensors", "model"}
    finish(session)


def test_a_folder_with_a_text_of_the_user_is_never_taken_for_what_a_crash_left(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("mine")
    with pytest.raises(FolderError, match="exists"):
        TINY.begin(tmp_path)
    assert names(tmp_path) == {"text.txt"}
    assert (tmp_path / "text.txt").read_text() == "mine"


def test_a_run_without_a_name_makes_room_for_one_that_another_process_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "text").mkdir(parents=True)
    other = lock(tmp_path / "runs" / "text")
    try:
        finish(TINY.begin(None))
        with pytest.raises(FolderError, match="by another process"):
            TINY.begin(tmp_path / "runs" / "text")
    finally:
        other.release()
    assert names(tmp_path / "runs" / "text") == {"lock"}
    assert (tmp_path / "runs" / "text-2" / "config.json").exists()


def test_an_error_that_is_kept_keeps_no_run_locked(tmp_path: Path) -> None:
    finish(TINY.begin(tmp_path / "run"))
    with pytest.raises(SettingsError, match="fewer") as kept:
        resume(tmp_path / "run", Length(steps=1))
    lock(tmp_path / "run").release()
    assert kept.value.__traceback__ is not None

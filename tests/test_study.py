"""A study from the user's view: trials are runs, what is kept when it stops, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charloom.study.folders import StudyFolder
from charloom.study.processes import flags
from charloom.study.trials import planned
from studies import study

Call = Callable[..., subprocess.CompletedProcess[str]]

SMALL = ("--network.hidden-size", "8", "--network.embedding-size", "4", "--training.batch-size", "8")
SWEEP = ("text.txt", "--learning-rates", "0.01,1000", "--hidden-sizes", "9", "--training.sequence-length", "32", *SMALL)


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "charloom", "study", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, docs_text: str) -> Path:
    """A folder with a study that was stopped by Ctrl-C after its first trial and then continued.

    One of its trials diverges, and one fails because its folder holds something else.
    """
    folder = tmp_path_factory.mktemp("swept")
    (folder / "text.txt").write_text(docs_text[20_000:26_000])
    arguments = (*SWEEP, "--characters", "3000", "--run", "study", "--json")
    process = start(folder, *arguments)
    first = folder / "study" / "outcomes" / "centre-seed-1.json"
    while not first.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    (folder / "stopped.json").write_text(json.dumps([process.returncode, out, err, first.stat().st_mtime_ns]))
    blocked = folder / "study" / "trials" / "hidden-size-9-seed-1"
    blocked.mkdir()
    (blocked / "mine.txt").write_text("something else")
    process = start(folder, *arguments)
    out, err = process.communicate()
    assert process.returncode == 0, err
    (folder / "result.json").write_text(out)
    return folder


@pytest.fixture
def result(swept: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((swept / "result.json").read_text())
    return found


def test_ctrl_c_stops_and_says_how_to_go_on(swept: Path) -> None:
    code, out, err, _ = json.loads((swept / "stopped.json").read_text())
    assert (code, out) == (130, "")
    assert "continue with: charloom study --run study" in err
    assert "Traceback" not in err


def test_a_finished_trial_is_not_trained_again(swept: Path) -> None:
    *_, modified = json.loads((swept / "stopped.json").read_text())
    assert (swept / "study" / "outcomes" / "centre-seed-1.json").stat().st_mtime_ns == modified


def test_each_trial_ends_in_its_own_way_and_the_others_go_on(result: dict[str, Any]) -> None:
    states = {trial["name"]: trial["state"] for trial in result["trials"]}
    assert states == {
        "centre-seed-1": "finished",
        "learning-rate-0.01-seed-1": "finished",
        "learning-rate-1000-seed-1": "diverged",
        "hidden-size-9-seed-1": "failed",
    }


def test_the_result_has_what_is_asked_of_every_trial(result: dict[str, Any]) -> None:
    trial = next(trial for trial in result["trials"] if trial["name"] == "centre-seed-1")
    for name in (
        "nats_per_character",
        "characters_seen",
        "seconds",
        "characters_per_second",
        "parameters",
        "known_words",
    ):
        assert trial[name] > 0, name
    assert trial["peak_memory_bytes"] > 50 << 20
    assert 0 <= trial["clipped"] <= 1 and trial["gradient_norm"] > 0
    assert abs(trial["characters_seen"] - 3000) < 256
    assert "diverges" in result["factors"]["learning-rate"]["finding"]


def test_the_report_has_its_pictures_and_says_what_went_wrong(swept: Path) -> None:
    folder = swept / "study"
    report = (folder / "report.md").read_text()
    for name in (
        "learning-rate.png",
        "learning-rate-gradient.png",
        "hidden-size-cost.png",
        "learning-rate-learning.png",
    ):
        assert f"({name})" in report
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert "1 diverged" in report
    assert "1 failed" in report
    assert "exists and is not a run; choose another" in report
    assert "data:image/png" in (folder / "report.html").read_text()


def test_a_trial_is_a_run_like_any_other(swept: Path, charloom: Call) -> None:
    run = swept / "study" / "trials" / "centre-seed-1"
    assert json.loads(charloom("info", run, "--json").stdout)["step"] > 0
    assert charloom("generate", run, "--length", 20).returncode == 0


def test_a_trial_is_what_train_makes_of_the_settings_that_it_recorded(
    swept: Path, charloom: Call, tmp_path: Path
) -> None:
    run = swept / "study" / "trials" / "learning-rate-0.01-seed-1"
    config = json.loads((run / "config.json").read_text())
    settings = [
        word
        for group in ("network", "training")
        for name, value in config[group].items()
        if not isinstance(value, bool)
        for word in (f"--{group}.{name.replace('_', '-')}", value)
    ]
    plan = ("--steps", config["plan"]["steps"], "--precision", config["plan"]["precision"], "--device", "cpu")
    done = charloom("train", swept / "text.txt", "--run", tmp_path / "run", *settings, *plan)
    assert done.returncode == 0, done.stderr
    weights = [(path / "model" / "model.safetensors").read_bytes() for path in (run, tmp_path / "run")]
    assert weights[0] == weights[1]


def test_the_best_settings_are_a_file_that_train_takes(swept: Path, charloom: Call, tmp_path: Path) -> None:
    done = charloom("train", swept / "text.txt", "--config", swept / "study" / "best.toml", "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    best = json.loads((swept / "result.json").read_text())["best"]
    assert config["network"] == best["network"]
    assert config["training"] == best["training"]


def test_a_study_can_be_centred_on_such_a_file(swept: Path) -> None:
    from charloom.cli.main import build
    from charloom.cli.sources import Sources, prepare

    arguments = ["study", "text.txt", "--layers", "2", "--config", str(swept / "study" / "best.toml")]
    _, bound, _ = build(Sources()).parse_args(prepare(arguments), exit_on_error=False, print_error=False)
    assert bound.arguments["network"].hidden_size == 8


def test_going_on_with_what_is_done_only_writes_the_answer_anew(swept: Path, charloom: Call) -> None:
    folder = swept / "study"
    (folder / "trials" / "hidden-size-9-seed-1" / "mine.txt").rename(folder / "moved.txt")
    before = {path: path.stat().st_mtime_ns for path in (folder / "trials").glob("*/metrics.jsonl")}
    done = charloom("study", "--run", folder, cwd=swept)
    assert done.returncode == 0, done.stderr
    assert "3 of 4 trials have ended" in done.stderr
    assert "hidden-size-9" in done.stdout
    assert "failed" not in done.stdout  # failed trials are retried, and the folder is free now
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_study_of_other_values_is_not_mixed_with_one_that_is_there(swept: Path, charloom: Call) -> None:
    done = charloom("study", *SWEEP, "--characters", "4000", "--run", "study", cwd=swept)
    assert done.returncode == 2
    assert "study holds a study with another characters" in done.stderr


def test_a_study_is_worked_on_by_one_process_at_a_time(swept: Path, charloom: Call) -> None:
    held = StudyFolder(swept / "study").lock()
    try:
        done = charloom("study", "--run", "study", cwd=swept)
    finally:
        held.release()
    assert done.returncode == 2
    assert "is in use by another process" in done.stderr


def test_what_a_study_reads_needs_no_torch(swept: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from charloom.study.answer import answer\n"
        "from charloom.study.folders import StudyFolder\n"
        "from charloom.study.outcomes import measure\n"
        "from charloom.study.trials import planned\n"
        "folder = StudyFolder(Path('study')); study = folder.study(); trials = planned(study)\n"
        "found = answer(study, folder.outcomes(trials), folder.run, 'study')\n"
        "measure(folder.run('centre-seed-1'))\n"
        "assert found.best and len(found.settings) == 4\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=swept).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is no text to study"),
        (("text.txt",), "there is nothing to vary"),
        (("text.txt", "--layers", ""), "layers is empty; give numbers with commas"),
        (("text.txt", "--layers", "1,two"), "layers is '1,two'"),
        (("text.txt", "--layers", "0"), "layers has 0; each value must be above 0"),
        (("text.txt", "--learning-rates", "0.1,-1"), "learning-rates has -1"),
        (("text.txt", "--learning-rates", "nan"), "learning-rates has nan"),
        (("text.txt", "--hidden-sizes", "64.5"), "hidden-sizes is '64.5'"),
        (("text.txt", "--hidden-sizes", "64,99999"), "network.hidden_size is 99999"),
        (("text.txt", "--cells", "lstm,gur"), "cells has 'gur'; did you mean 'gru'?"),
        (("text.txt", "--layers", "2", "--budget", "9s", "--characters", "9"), "a trial has one budget"),
        (("text.txt", "--layers", "2", "--characters", "0"), "characters is 0"),
        (("text.txt", "--layers", "2", "--budget", "soon"), "'soon' is not a duration"),
        (("text.txt", "--layers", "2", "--seeds", "0"), "seeds is 0"),
        (("text.txt", "--layers", "2", "--jobs", "999"), "jobs is 999; this machine trains with"),
        (("text.txt", "--layers", "2", "--search", "3"), "without lists of values"),
        (("text.txt", "--layers", "2", "--space", "x.toml"), "--space is only for a search"),
        (("text.txt", "--search", "3", "--storage", "sqlite:///x"), "give postgresql://"),
        (("text.txt", "--layers", "2", "--storage", "postgresql://x"), "--storage is only for a search"),
        (("text.txt", "--layers", "2", "--characters", "9", "--prompt", "é"), "'é'"),
        (("absent.txt", "--layers", "2"), "there is no file or folder absent.txt"),
        (("--run", "absent"), "absent is not a study"),
        (("--resume",), "there is no text to study"),
    ],
)
def test_what_cannot_be_studied_is_refused_in_one_sentence_and_nothing_is_made(
    arguments: tuple[str, ...], words: str, charloom: Call, tmp_path: Path
) -> None:
    if "--search" in arguments:
        pytest.importorskip("optuna", reason="a search needs the extra tune")
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 40)
    done = charloom("study", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_every_setting_of_a_trial_stands_on_its_command_line() -> None:
    made = study()
    (trial, *_) = planned(made)
    words = flags("network.", trial.network) + flags("training.", trial.training)
    assert {word for word in words if word.startswith("--")} >= {
        *("--network.hidden-size", "--network.weight-dropout", "--training.average", "--training.seed"),
    }
    assert words[words.index("--training.learning-rate") + 1] == repr(trial.training.learning_rate)


@pytest.mark.slow
def test_a_trial_of_a_time_budget_is_what_train_makes_of_its_steps(
    charloom: Call, tmp_path: Path, docs_text: str
) -> None:
    (tmp_path / "text.txt").write_text(docs_text[20_000:36_000])
    for name in ("study", "second", "third"):
        plan = ("--budget", "12s", "--training.validations", 2, "--network.hidden-size", 64)
        done = charloom("study", "text.txt", "--layers", "1", "--run", name, *plan)
        assert done.returncode == 0, done.stderr
        run = tmp_path / name / "trials" / "centre-seed-1"
        ended = json.loads((tmp_path / name / "outcomes" / "centre-seed-1.json").read_text())["figures"]
        if ended["steps"] == ended["planned_steps"]:
            break
    else:
        pytest.skip("the machine slowed down three times, and the trial's time ended before its last step")
    config = json.loads((run / "config.json").read_text())
    assert config["plan"]["recipe"] is None  # every setting was given
    recorded = [
        word
        for group in ("network", "training")
        for name, value in config[group].items()
        if not isinstance(value, bool)
        for word in (f"--{group}.{name.replace('_', '-')}", value)
    ]
    length = ("--steps", config["plan"]["steps"], "--precision", config["plan"]["precision"])
    assert charloom("train", "text.txt", "--run", "again", *recorded, *length).returncode == 0
    weights = [(path / "model" / "model.safetensors").read_bytes() for path in (run, tmp_path / "again")]
    assert weights[0] == weights[1]


def test_jobs_divide_the_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from charloom.study.processes import Process

    folder = StudyFolder(tmp_path)
    (tmp_path / "logs").mkdir()
    code = "import os; print(os.environ.get('OMP_NUM_THREADS'))"
    process = Process([sys.executable, "-c", code], folder, "t", threads=3)
    while process.code is None:
        time.sleep(0.01)
    assert folder.log("t", "json").read_text().strip() == "3"
    assert os.environ.get("OMP_NUM_THREADS") != "3"

"""A run keeps its newest checkpoint and the one before it, to which it falls back if the newest is damaged."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charloom.errors import CharloomError, FolderError, SettingsError
from charloom.training import checkpoints, start
from charloom.training.request import Length
from charloom.training.runs import Run, load
from charloom.training.session import Session
from tiny_runs import TinyRun, differences, finish

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = TinyRun("gru", hidden_size=4, steps=6, validations=2, save_every=2, characters=600)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    finish(TINY.begin(path))
    return path


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after step 5; the checkpoint before that is of step 3."""
    path = tmp_path_factory.mktemp("stopped") / "run"
    events = TINY.begin(path).events()
    for _ in range(5):
        next(events)
    events.close()
    assert checkpoints.saved_step(path) == 5
    return path


@pytest.fixture
def run(stopped: Path, tmp_path: Path) -> Path:
    shutil.copytree(stopped, tmp_path / "run")
    return tmp_path / "run"


def content(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_run_whose_checkpoint_is_damaged_goes_back_to_the_one_before_it_and_ends_the_same(
    data: st.DataObject, stopped: Path, tmp_path: Path, unbroken: Path
) -> None:
    run = tmp_path / "damaged"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(stopped, run)
    whole = (run / checkpoints.FILE).read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from([whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :], None])
    )
    if damaged is None:
        (run / checkpoints.FILE).unlink()
    else:
        (run / checkpoints.FILE).write_bytes(damaged)
    session = TINY.go_on(run)
    (notice,) = session.notices
    assert "fell back to step" in notice and str(run) in notice
    assert session.resumed_from < 5
    assert max(line["step"] for line in Run(run).metrics()) == session.resumed_from, "what comes after it is cut off"
    finish(session)
    assert differences(run, unbroken) == []


def test_where_no_checkpoint_is_whole_that_is_said_and_nothing_is_removed(run: Path) -> None:
    for name in (checkpoints.FILE, checkpoints.PREVIOUS):
        (run / name).write_bytes((run / name).read_bytes()[:-1])
    before = content(run)
    with pytest.raises(FolderError, match="damaged"):
        TINY.go_on(run)
    assert content(run) == before


def test_a_resuming_that_is_refused_removes_nothing(run: Path) -> None:
    before = content(run)
    with pytest.raises(SettingsError, match="fewer"):
        start.resume(run, Length(steps=1))
    assert content(run) == before


def test_a_run_of_the_version_before_says_which_version_resumes_it_and_keeps_its_model(run: Path) -> None:
    for name in (checkpoints.FILE, checkpoints.PREVIOUS):
        (run / name).unlink()
    (run / "checkpoint.json").write_text("{}")
    config = json.loads((run / "config.json").read_text()) | {"charloom": "0.1.0"}
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(FolderError, match=r"resume it with charloom 0\.1\.0"):
        start.resume(run)
    assert load(run).network.parameter_count() > 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_run_with_a_damaged_file_loads_and_resumes_or_says_so_in_one_sentence(
    data: st.DataObject, stopped: Path, tmp_path: Path
) -> None:
    run = tmp_path / "damaged"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(stopped, run)
    name = data.draw(st.sampled_from(sorted(path for path in stopped.rglob("*") if path.is_file())))
    path = run / name.relative_to(stopped)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.binary(max_size=8) | st.sampled_from([b"null", b"[]", b'{"step": -1}', b"\xff\xfe"]))
    path.write_bytes(data.draw(st.sampled_from([whole[:place], whole[:place] + junk + whole[place:], junk])))
    for use in (lambda: load(run), lambda: Run(run).metrics(), lambda: finish(TINY.go_on(run))):
        try:
            use()
        except CharloomError as error:
            assert "\n" not in str(error)


def test_the_figure_of_a_run_is_that_of_the_model_that_is_kept_and_not_of_its_last_one(tmp_path: Path) -> None:
    from charloom.evaluation.score import evaluate

    tiny = TinyRun("gru", hidden_size=16, steps=60, validations=12, save_every=100, characters=300)
    session: Session = tiny.begin(tmp_path / "run")
    finish(session)
    text = session._validation
    kept, last = evaluate(load(tmp_path / "run"), text), evaluate(session.model, text)
    final = session.final_validation()
    assert final is not None
    assert session.best_step < 60, "the test needs a run that gets worse"
    assert kept.nats_per_character != last.nats_per_character
    assert final["nats_per_character"] == kept.nats_per_character
    assert f"{session.best_step:,}" in (tmp_path / "run" / "model" / "README.md").read_text()

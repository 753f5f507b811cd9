"""A run keeps one complete checkpoint, verified when written, and falls back from one that was damaged later."""

import gc
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charloom.errors import FolderError, SettingsError
from charloom.training import checkpoints, experiment
from charloom.training.request import Length
from charloom.training.runs import Run
from charloom.training.session import Session
from tiny_runs import TinyRun, WatchedDisk, differences, finish

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = TinyRun("gru", hidden_size=4, steps=6, validations=2, save_every=2, characters=600)


class Died(BaseException):
    """Raised where the process would end."""


class DyingDisk(WatchedDisk):
    """A disk whose process dies when a checkpoint of this step is current and none has been removed."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._current = name, False

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        if target.name == checkpoints.POINTER:
            self._current = json.loads(target.read_text())["folder"] == self._name

    def remove(self, path: Path) -> None:
        if self._current and path.parent.parent.name == "checkpoints":
            raise Died
        super().remove(path)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    finish(TINY.begin(path))
    return path


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose step 5 is current, with step 3 evaluated and not yet removed."""
    path = tmp_path_factory.mktemp("two") / "run"
    session = TINY.begin(path, DyingDisk("step-00000005"))
    with pytest.raises(Died):
        finish(session)
    del session
    assert len(list((path / "checkpoints").iterdir())) == 2
    return path


@pytest.fixture
def run(two: Path, tmp_path: Path) -> Path:
    shutil.copytree(two, tmp_path / "run")
    return tmp_path / "run"


def current(run: Path) -> Path:
    return run / "checkpoints" / checkpoints.saved_name(run)


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def delete_pointer(run: Path) -> None:
    (run / checkpoints.POINTER).unlink()


DAMAGES: dict[str, Callable[[Path], None]] = {
    "weights": lambda run: flip(current(run) / "weights.safetensors"),
    "average": lambda run: flip(current(run) / "average.safetensors"),
    "optimizer": lambda run: flip(current(run) / "optimizer.safetensors"),
    "random": lambda run: flip(current(run) / "random.safetensors"),
    "position": lambda run: flip(current(run) / "position.json"),
    "manifest": lambda run: flip(current(run) / "manifest.json"),
    "no manifest": lambda run: (current(run) / "manifest.json").unlink(),
    "no folder": lambda run: shutil.rmtree(current(run)),
    "pointer": lambda run: flip(run / checkpoints.POINTER),
    "no pointer": delete_pointer,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_run_whose_checkpoint_was_damaged_goes_back_to_the_one_before_it_and_ends_the_same(
    damage: str, run: Path, unbroken: Path
) -> None:
    DAMAGES[damage](run)
    session = TINY.go_on(run)
    (notice,) = session.notices
    assert "fell back to step" in notice or "pointer" in damage
    assert str(run) in notice
    names = [path.name for path in (run / "checkpoints").iterdir()]
    assert names == [checkpoints.saved_name(run)], "what was gone back to is current, and nothing else is there"
    assert session.resumed_from == int(names[0].split("-")[1])
    assert max(line["step"] for line in Run(run).metrics()) == session.resumed_from, "what comes after it is cut off"
    finish(session)
    assert differences(run, unbroken) == []


def test_what_was_gone_back_to_is_kept_by_the_next_crash_too(run: Path, unbroken: Path) -> None:
    flip(current(run) / "weights.safetensors")
    TINY.go_on(run)
    gc.collect()  # and its lock with it
    session = TINY.go_on(run)
    assert session.notices == ()
    assert session.resumed_from == 3
    finish(session)
    assert differences(run, unbroken) == []


def test_where_no_checkpoint_is_whole_that_is_said_and_nothing_is_removed(run: Path) -> None:
    for path in (run / "checkpoints").iterdir():
        flip(path / "weights.safetensors")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(FolderError, match="damaged: its checksum is wrong"):
        TINY.go_on(run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_resuming_that_is_refused_removes_nothing(run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(SettingsError, match="fewer"):
        experiment.resume(run, Length(steps=1))
    flip(run / "model" / "model.safetensors")
    (run / "model" / "model.safetensors").write_bytes(b"")
    with pytest.raises(FolderError):
        experiment.resume(run)
    del before[run / "model" / "model.safetensors"]
    assert {path: path.read_bytes() for path in before} == before


class LyingDisk(WatchedDisk):
    """A disk that claims to have written a file, but wrote a different byte."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._files = name, dict[int, str]()
        self.lies = False

    def open(self, path: Path, flags: int) -> int:
        file = super().open(path, flags)
        self._files[file] = path.name
        return file

    def write(self, file: int, data: memoryview) -> int:
        if self.lies and self._files[file] == self._name:
            data = memoryview(bytes([data[0] ^ 1]) + bytes(data[1:]))
        return super().write(file, data)


@pytest.mark.parametrize(
    "group", [*(f"{group}.safetensors" for group in checkpoints.GROUPS), "position.json", "manifest.json"]
)
def test_a_checkpoint_that_did_not_reach_the_disk_as_it_was_never_takes_the_place_of_the_one_before(
    group: str, tmp_path: Path, unbroken: Path
) -> None:
    disk = LyingDisk(group)
    session = TINY.begin(tmp_path / "run", disk)
    events = session.events()
    for _ in range(3):
        next(events)
    saved = checkpoints.saved_name(tmp_path / "run")
    disk.lies = True
    with pytest.raises(FolderError, match="damaged"):
        for _ in events:
            pass
    assert checkpoints.saved_name(tmp_path / "run") == saved
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == [saved], "what is damaged is removed"
    del session
    finish(TINY.go_on(tmp_path / "run"))
    assert differences(tmp_path / "run", unbroken) == []


def overfitted(folder: Path) -> Session:
    """A run whose best model is not the last."""
    tiny = TinyRun("gru", hidden_size=16, steps=60, validations=12, save_every=100, characters=300)
    session = tiny.begin(folder)
    finish(session)
    return session


def test_the_figure_of_a_run_is_that_of_the_model_that_is_kept_and_not_of_its_last_one(tmp_path: Path) -> None:
    from charloom.evaluation.score import evaluate
    from charloom.training.runs import load

    session = overfitted(tmp_path / "run")
    text = session._validation
    kept, last = evaluate(load(tmp_path / "run"), text), evaluate(session.model, text)
    final = session.final_validation()
    assert final is not None
    assert session._position.best_step < 60, "the test needs a run that gets worse"
    assert kept.nats_per_character != last.nats_per_character
    assert final["nats_per_character"] == kept.nats_per_character
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert f"{session._position.best_step:,}" in card


def test_a_position_is_named_by_its_step_and_by_what_was_done_at_it() -> None:
    from dataclasses import replace

    from charloom.training.checkpoints import FIRST

    at: Any = replace(FIRST, step=7)
    assert at.name == "step-00000007"
    assert replace(at, evaluated=7).name == "step-00000007-evaluated"
    assert replace(at, evaluated=7, finished=True).name == "step-00000007-finished"

"""An interrupted step is never saved, wherever and however it was interrupted; what is kept is a complete step."""

import gc
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broken_off import raising_at
from charloom import interruption
from charloom.classify.estimator import TextClassifier
from charloom.errors import FolderError, UnfinishedStepError
from charloom.interruption import Interrupted, Interruption, catch_signals
from charloom.training import checkpoints, experiment, runs
from charloom.training.estimates import evaluate_estimate
from charloom.training.optimizers import Together
from charloom.training.session import Session
from charloom.training.trainer import BaseTrainer, Trainer, TrainerState
from conftest import CELLS
from test_trainer import CONFIG, begin, equal, run
from tiny_runs import TinyRun, WatchedDisk, differences, finish

pytestmark = pytest.mark.usefixtures("ctrl_c", "one_thread")

TINY = TinyRun("gru", hidden_size=4, steps=6, validations=2, save_every=3, characters=600)
OURS = ("training/trainer.py", "training/optimizers.py")
KEEPING = (
    *(f"training/{name}.py" for name in ("loop", "session", "checkpoints")),
    *("storage/atomic_files.py", "interruption.py"),
)
MAKING = ("training/opening.py", "training/runs.py", "training/checkpoints.py", "storage/atomic_files.py")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("unbroken") / "run"
    finish(TINY.begin(path))
    return path


def broken_off_at_each_line(trainer: Trainer, error: Callable[[], BaseException]) -> list[str]:
    """Interrupt the next step before each of its lines; returns those after which nothing could be saved."""
    before = trainer.state()
    with raising_at(0, error, *OURS) as lines:
        trainer.advance()
    after = trainer.state()
    kept: list[TrainerState] = []
    halfway = []
    for number in range(1, len(lines) + 1):
        trainer.restore(before)
        with raising_at(number, error, *OURS) as seen, pytest.raises(type(error())):
            trainer.advance()
        try:
            kept.append(trainer.state())
            assert equal(kept[-1], before) or equal(kept[-1], after), f"interrupted at {seen[-1]}"
        except UnfinishedStepError:
            halfway.append(seen[-1])
            with pytest.raises(UnfinishedStepError, match="interrupted halfway"):
                trainer.advance()
    trainer.restore(before)
    trainer.advance()
    assert equal(trainer.state(), after), "a state that is restored is whole again"
    assert any(equal(state, before) for state in kept), "before the weights change, the step before is still there"
    return halfway


@pytest.mark.parametrize(
    "cell", ["lstm", "rnn-relu", *(pytest.param(cell, marks=pytest.mark.slow) for cell in CELLS[1:3])]
)
def test_a_step_that_is_broken_off_at_any_line_is_whole_or_cannot_be_had(cell: Any, small_text: str) -> None:
    trainer, _ = begin(small_text[:600], cell)
    run(trainer, 4)
    halfway = broken_off_at_each_line(trainer, KeyboardInterrupt)
    assert any(line.startswith("training/optimizers.py") for line in halfway)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_and_so_it_is_with_every_optimizer_and_without_averaging(optimizer: Any, small_text: str) -> None:
    trainer, _ = begin(small_text[:600], config=replace(CONFIG, optimizer=optimizer, learning_rate=1e-3, average=0.0))
    run(trainer, 4)
    assert broken_off_at_each_line(trainer, MemoryError)


def test_a_restoring_that_is_broken_off_gives_no_state_either(small_text: str) -> None:
    trainer, _ = begin(small_text[:600])
    run(trainer, 3)
    state = trainer.state()
    run(trainer, 5)
    with raising_at(0, KeyboardInterrupt, "training/trainer.py") as lines:
        trainer.restore(state)
    given = 0
    for number in range(1, len(lines) + 1):
        trainer.restore(state)
        run(trainer, 5)
        at_five = trainer.state()
        with raising_at(number, KeyboardInterrupt, "training/trainer.py"), pytest.raises(KeyboardInterrupt):
            trainer.restore(state)
        try:
            found = trainer.state()
        except UnfinishedStepError:
            continue
        given += 1
        assert equal(found, at_five) or equal(found, state)
    assert 0 < given < len(lines)


def broken_off_run(path: Path, line: int, error: Callable[[], BaseException]) -> list[str]:
    """A run whose third step, with its validation and its saving, is interrupted before its line-th line."""
    session = TINY.begin(path)
    events = session.events()
    next(events), next(events)
    with raising_at(line, error, *OURS, *KEEPING) as lines:
        if not line:
            next(events)
        else:
            with pytest.raises((type(error()), UnfinishedStepError)):
                next(events)
    return lines


def at_once() -> Interrupted:
    return Interrupted(signal.SIGINT)


def check_broken_off_runs(folder: Path, unbroken: Path, error: Callable[[], BaseException], every: int) -> int:
    whole = broken_off_run(folder / "whole", 0, error)
    assert {line.split(":")[0] for line in whole} == {*OURS, *KEEPING}
    first = {KeyboardInterrupt: 1, MemoryError: 1 + every // 2}.get(error, 1 + every // 3)  # type: ignore[call-overload]
    for number in range(first, len(whole) + 1, every):
        path = folder / "run"
        lines = broken_off_run(path, number, error)
        gc.collect()  # a lock whose release was interrupted
        step = checkpoints.saved_step(path)
        assert step in (0, 2, 3), lines[-1]
        finish(TINY.go_on(path))
        assert differences(path, unbroken) == [], f"interrupted at {lines[-1]}, saved up to {step}"
        shutil.rmtree(path)
    return len(whole)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, at_once])
def test_a_run_that_is_broken_off_at_any_line_ends_as_if_it_had_been_left_alone(
    error: Callable[[], BaseException], tmp_path: Path, unbroken: Path
) -> None:
    check_broken_off_runs(tmp_path, unbroken, error, every=149)


@pytest.mark.slow
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, at_once])
def test_and_so_it_is_at_every_single_line(error: Callable[[], BaseException], tmp_path: Path, unbroken: Path) -> None:
    check_broken_off_runs(tmp_path, unbroken, error, every=1)


class Between:
    """Does something inside the optimizer's step, when some parameters have changed and others have not."""

    def __init__(self, trainer: BaseTrainer[Any, Any], step: int, do: Callable[[], None]) -> None:
        assert isinstance(trainer.optimizer, Together)
        self._optimizers, self._trainer, self._step, self._do = trainer.optimizer._optimizers, trainer, step, do
        trainer.optimizer.step = self._both  # type: ignore[method-assign]

    def _both(self, rate: float) -> None:
        first, second = self._optimizers
        first.step(rate)
        if self._trainer.step == self._step - 1:
            self._do()
        second.step(rate)


def press(*numbers: int) -> Callable[[], None]:
    return lambda: [signal.raise_signal(number) for number in numbers] and None


def interrupted(session: Session, caught: Interruption | None = None) -> None:
    with pytest.raises(KeyboardInterrupt):
        for _ in session.events(caught):
            pass


@pytest.mark.parametrize("presses", [1, 2, 3])
def test_signals_within_a_step_let_it_be_done_and_saved(presses: int, tmp_path: Path, unbroken: Path) -> None:
    session = TINY.begin(tmp_path / "run")
    Between(session.trainer, 5, press(*[signal.SIGINT, signal.SIGTERM, signal.SIGINT][:presses]))
    with catch_signals() as caught:
        interrupted(session, caught)
    assert (session.trainer.step, session.saved_step) == (5, 5)
    finish(TINY.go_on(tmp_path / "run"))
    assert differences(tmp_path / "run", unbroken) == []


def test_somebody_who_insists_gets_the_last_checkpoint_and_never_half_a_step(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "SAME_PRESS", 0.0)
    session = TINY.begin(tmp_path / "run")
    Between(session.trainer, 5, press(signal.SIGINT, signal.SIGINT))
    with catch_signals() as caught:
        interrupted(session, caught)
    assert (session.trainer.step, session.saved_step) == (4, 3), "the step is not waited for, and nothing is saved"
    with pytest.raises(UnfinishedStepError):
        session.save()
    finish(TINY.go_on(tmp_path / "run"))
    assert differences(tmp_path / "run", unbroken) == []


def test_after_somebody_insisted_nothing_is_saved_even_if_it_could_be(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "SAME_PRESS", 0.0)
    disk = WatchedDisk()
    session = TINY.begin(tmp_path / "run", disk)
    loss, operations = Trainer._loss, list[int]()

    def pressed(self: Trainer, batch: Any) -> Any:
        if self.step == 4:
            operations.append(len(disk.operations))
            press(signal.SIGINT, signal.SIGINT)()
        return loss(self, batch)

    monkeypatch.setattr(Trainer, "_loss", pressed)
    with catch_signals() as caught:
        interrupted(session, caught)
    assert operations == [len(disk.operations)]
    assert (session.trainer.step, session.saved_step) == (4, 3)
    session.save()  # the previous step is complete
    assert session.saved_step == 4
    monkeypatch.setattr(Trainer, "_loss", loss)
    finish(TINY.go_on(tmp_path / "run"))
    assert differences(tmp_path / "run", unbroken) == []


class PressingDisk(WatchedDisk):
    """A disk on which Ctrl-C is pressed at the n-th operation."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def operation(self, name: str, perform: Callable[..., Any], *arguments: Any) -> Any:
        result = super().operation(name, perform, *arguments)
        if len(self.operations) == self.at:
            signal.raise_signal(signal.SIGINT)
        return result


@pytest.mark.parametrize("insists", [False, True])
def test_a_signal_at_any_operation_of_the_disk_leaves_a_save_whole_or_absent(
    insists: bool, tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "SAME_PRESS", 0.0)
    disk = WatchedDisk()
    session = TINY.begin(tmp_path / "whole", disk)
    begun = len(disk.operations)
    finish(session)
    for number in range(begun + 1, len(disk.operations) + 1, 11):
        path, pressing = tmp_path / "run", PressingDisk(0)
        session = TINY.begin(path, pressing)
        pressing.at = number
        with catch_signals() as caught:
            if insists:
                caught.ending()
            interrupted(session, caught)
        assert caught.at_once == insists
        if not insists:
            assert session.saved_step == session.trainer.step
        finish(TINY.go_on(path))
        assert differences(path, unbroken) == [], number
        shutil.rmtree(path)


def test_one_press_within_a_step_saves_it_also_where_nobody_catches_signals(tmp_path: Path, unbroken: Path) -> None:
    session = TINY.begin(tmp_path / "run")
    Between(session.trainer, 5, press(signal.SIGINT))
    interrupted(session)
    assert (session.trainer.step, session.saved_step) == (5, 5)
    finish(TINY.go_on(tmp_path / "run"))
    assert differences(tmp_path / "run", unbroken) == []


def test_one_press_within_a_step_of_a_classifiers_fit_saves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts, labels = ["yes", "yeah", "yep", "no", "nope", "nah"] * 4, ["y", "y", "y", "n", "n", "n"] * 4

    def fit(run: str) -> Path:
        settings = {"hidden_size": 4, "embedding_size": 4, "batch_size": 4, "held": 0.25, "device": "cpu"}
        TextClassifier(run=tmp_path / run, steps=6, precision="float32", **settings).fit(texts, labels)  # type: ignore[arg-type]
        return tmp_path / run

    step = Together.step

    def pressed(self: Together, rate: float) -> None:
        self._optimizers[0].step(rate)
        signal.raise_signal(signal.SIGINT)
        self._optimizers[1].step(rate)

    from charloom.classify import experiment as classifying

    whole = fit("whole")
    monkeypatch.setattr(Together, "step", pressed)
    with pytest.raises(KeyboardInterrupt):
        fit("run")
    monkeypatch.setattr(Together, "step", step)
    assert checkpoints.saved_step(tmp_path / "run") == 1
    session = classifying.resume(tmp_path / "run")
    for _ in session.events():
        pass
    assert differences(tmp_path / "run", whole) == []


def test_a_step_is_saved_before_it_is_validated_so_that_a_crash_within_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, seen = TINY.begin(tmp_path / "run"), list[tuple[int, int]]()

    def watched(*arguments: Any) -> Any:
        seen.append((session.trainer.step, session.saved_step))
        return evaluate_estimate(*arguments)

    monkeypatch.setattr("charloom.training.session.evaluate_estimate", watched)
    finish(session)
    assert seen == [(3, 3), (6, 6)]


def test_a_run_whose_time_is_over_is_validated_once_more(tmp_path: Path) -> None:
    session = TINY.begin(tmp_path / "run")
    for event in session.events():
        if event.progress.step == 4:
            session._deadline = 0.0
    assert session.unfinished
    assert [line["step"] for line in session.run.metrics() if "validation" in line] == [3, 4]


def test_an_exception_of_whoever_takes_the_events_loses_nothing(tmp_path: Path) -> None:
    session = TINY.begin(tmp_path / "run")
    with pytest.raises(ZeroDivisionError):
        for event in session.events():
            if event.progress.step == 5:
                raise ZeroDivisionError
    assert session.saved_step == 5


def test_an_error_between_two_steps_loses_nothing_and_is_what_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = TINY.begin(tmp_path / "run")
    loss = Trainer._loss

    def full(self: Trainer, batch: Any) -> Any:
        if self.step == 4:
            raise MemoryError("full")
        return loss(self, batch)

    monkeypatch.setattr(Trainer, "_loss", full)
    with pytest.raises(MemoryError, match="full"):
        finish(session)
    assert session.saved_step == 4


def test_a_loop_can_be_entered_again_after_ctrl_c_unless_somebody_else_went_on(tmp_path: Path, unbroken: Path) -> None:
    session = TINY.begin(tmp_path / "run")
    Between(session.trainer, 5, press(signal.SIGINT))
    interrupted(session)
    finish(session)
    assert differences(tmp_path / "run", unbroken) == []
    first = TINY.begin(tmp_path / "other")
    next(events := first.events())
    events.close()
    second = TINY.go_on(tmp_path / "other")
    with pytest.raises(FolderError, match="by another process"):
        finish(first)
    finish(second)
    with pytest.raises(FolderError, match="resume it again"):
        finish(first)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_run_that_is_interrupted_while_it_is_made_is_not_there_afterwards(
    error: type[BaseException], tmp_path: Path, unbroken: Path
) -> None:
    with raising_at(0, error, *MAKING) as lines:
        TINY.begin(tmp_path / "whole")
    for number in range(1, len(lines) + 1, 131):
        path = tmp_path / "run"
        with raising_at(number, error, *MAKING), pytest.raises(error):
            TINY.begin(path)
        gc.collect()
        left = {entry.name for entry in path.iterdir()} if path.exists() else set()
        assert left <= {"lock", "text.txt", "text.txt.tmp", "config.json.tmp"} or "config.json" in left, lines[
            number - 1
        ]
        finish(TINY.go_on(path))
        assert differences(path, unbroken) == []
        shutil.rmtree(path)


def test_a_signal_while_a_run_is_made_leaves_no_directory(tmp_path: Path) -> None:
    disk = WatchedDisk()
    TINY.begin(tmp_path / "whole", disk)
    for number in range(1, len(disk.operations) + 1, 7):
        with pytest.raises(KeyboardInterrupt):
            TINY.begin(tmp_path / "run", PressingDisk(number))
        assert not (tmp_path / "run").exists(), number


class Died(BaseException):
    """Raised where the process would end."""


class DyingDisk(WatchedDisk):
    """A disk whose process dies at its n-th operation."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self._last = last

    def operation(self, name: str, perform: Callable[..., Any], *arguments: Any) -> Any:
        if len(self.operations) == self._last:
            raise Died
        return super().operation(name, perform, *arguments)


def test_a_removal_that_is_broken_off_leaves_a_run_that_can_be_gone_on_with_or_begun(
    tmp_path: Path, unbroken: Path
) -> None:
    session = TINY.begin(tmp_path / "begun")
    del session
    gc.collect()
    path, whole = tmp_path / "run", WatchedDisk()
    shutil.copytree(tmp_path / "begun", path)
    runs._discard(whole, path)
    assert not path.exists()
    total = len(whole.operations)
    for last in sorted({*range(0, total, 5), *range(total - 5, total)}):
        shutil.copytree(tmp_path / "begun", path)
        with pytest.raises(Died):
            runs._discard(DyingDisk(last), path)
        finish(TINY.go_on(path))
        assert differences(path, unbroken) == [], last
        shutil.rmtree(path)


def test_a_resuming_that_is_interrupted_costs_nothing(tmp_path: Path, unbroken: Path) -> None:
    interrupted_run = tmp_path / "run"
    session = TINY.begin(interrupted_run)
    Between(session.trainer, 5, press(signal.SIGINT))
    interrupted(session)
    files = (*MAKING, "training/experiment.py")
    with raising_at(0, KeyboardInterrupt, *files) as lines:
        del session
        experiment.resume(interrupted_run)
    gc.collect()
    for number in range(1, len(lines) + 1, 83):
        with raising_at(number, KeyboardInterrupt, *files), pytest.raises(KeyboardInterrupt):
            experiment.resume(interrupted_run)
        gc.collect()
        assert checkpoints.saved_step(interrupted_run) == 5
    finish(TINY.go_on(interrupted_run))
    assert differences(interrupted_run, unbroken) == []

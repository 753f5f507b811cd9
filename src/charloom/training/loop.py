"""One sitting of a run, whatever is trained: steps, lines of metrics and checkpoints, in an order that survives any crash.

A validation comes after a checkpoint of its step, so that a crash within it costs nothing; whatever is written between
two checkpoints is written again, byte for byte, when the run resumes from the first of them.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import filelock

from charloom.errors import CharloomError, FolderError, UnfinishedStepError
from charloom.interruption import Interruption
from charloom.machine.hardware import environment, peak_memory
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints
from charloom.training.checkpoints import Position
from charloom.training.runs import Run
from charloom.training.trainer import BaseTrainer, Progress

Line = dict[str, Any]

Found = TypeVar("Found")
"""The result of a validation."""


@dataclass(frozen=True)
class Event(Generic[Found]):
    """A step that was done, and what else happened after it."""

    progress: Progress
    seconds: float
    "Training time of the run so far."
    validation: Found | None = None
    best_step: int = 0
    "Of the model that is kept; 0 before the first validation."
    best_nats: float | None = None
    "What that model reached when it was validated."


@dataclass(frozen=True)
class SaveEvery:
    """How often a checkpoint is made: every n seconds, or every n steps."""

    seconds: float | None = 30.0
    steps: int | None = None


@dataclass(frozen=True)
class Rhythm:
    """After how many steps what is done."""

    log_every: int
    validate_every: int
    save_every: SaveEvery


FIRST = Position(
    step=0,
    characters_seen=0,
    evaluated=-1,
    finished=False,
    best_nats=None,
    best_step=0,
    interval_nats=0.0,
    interval_symbols=0,
    interval_norm=0.0,
    interval_steps=0,
    interval_clipped=0,
    metrics_bytes=0,
)


@dataclass(frozen=True)
class Books:
    """Where a run stands and the lines that were not written yet; replaced as a whole, so that they always agree."""

    position: Position
    metrics: bytes = b""
    clock: bytes = b""


class Sitting(ABC, Generic[Found]):
    """A trainer that writes into a run; how it is validated and when it is over, a subclass says."""

    def __init__(
        self,
        run: Run,
        trainer: BaseTrainer[Any, Any],
        rhythm: Rhythm,
        *,
        disk: Disk,
        position: Position,
        lock: filelock.BaseFileLock,
        clock_bytes: int,
        notices: tuple[str, ...],
    ) -> None:
        self.run, self.trainer, self.notices = run, trainer, notices
        self.resumed_from = position.step
        self._rhythm, self._disk, self._lock = rhythm, disk, lock
        self._books = Books(position)
        self._clock_bytes = clock_bytes
        self._saved = position.name
        self._last_save = (time.monotonic(), position.step)
        self._began, self._seconds_before = time.monotonic(), run.seconds()
        self._characters_before = trainer.characters_seen

    @property
    def seconds(self) -> float:
        """Training time of the run so far, all its sessions together."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def characters_per_second(self) -> float:
        """Speed of this session, validations and saving included."""
        done = self.trainer.characters_seen - self._characters_before
        return done / max(time.monotonic() - self._began, 1e-9)

    @property
    def saved_step(self) -> int:
        """The step up to which all is saved, by what the disk says. Raises `FolderError`."""
        return checkpoints.saved_step(self.run.path)

    @property
    def best_step(self) -> int:
        """The step whose model is kept."""
        return self._position.best_step

    def events(self, interruption: Interruption | None = None) -> Iterator[Event[Found]]:
        """Train to the end, an event after each step. However the loop is left, the last completed step is saved.

        There are three exceptions. Where a signal insists (`charloom.interruption`) and where the disk or the loss failed, the
        last checkpoint stands, and so it does where a step was broken off halfway, as only an error within it can do.
        """
        interruption = interruption or Interruption()
        self._take_lock()
        try:
            if self._due():
                self._validate(interruption)
            while self.trainer.step < self.trainer.total and not self._over():
                with interruption.hold():
                    progress = self.trainer.advance()
                    self._account(progress)
                validation = self._validate(interruption) if self._due() else None
                if self._save_due():
                    with interruption.hold():
                        self.save()
                yield Event(progress, self.seconds, validation, self.best_step, self._position.best_nats)
            self._finish(interruption)
        except (KeyboardInterrupt, GeneratorExit):
            interruption.ending()
            if not interruption.at_once and self._whole:
                with interruption.hold():
                    self.save()
            raise
        except CharloomError:
            raise
        except BaseException:
            if self._whole:
                with interruption.hold(), suppress(Exception):  # what was raised first is what is reported
                    self.save()
            raise
        finally:
            self._lock.release()

    def save(self) -> None:
        """Commit what was done since the last checkpoint.

        Raises `StorageError`, `DivergedError` if it is ruined, or `UnfinishedStepError` if a step was broken off halfway.
        """
        books = self._books
        if self._whole and self._saved == books.position.name:
            return
        self.trainer.check()
        state = self.trainer.state()
        if not self._whole:
            raise UnfinishedStepError(
                f"step {self.trainer.step} was broken off before it was recorded, so it cannot be saved; go on from the last "
                "checkpoint"
            )
        self._before_saving()
        metrics_bytes = books.position.metrics_bytes
        atomic_files.append(self._disk, self.run.path / "metrics.jsonl", books.metrics, at=metrics_bytes)
        atomic_files.append(self._disk, self.run.path / "clock.jsonl", books.clock, at=self._clock_bytes)
        position = replace(books.position, metrics_bytes=metrics_bytes + len(books.metrics))
        checkpoints.save(self._disk, self.run.path, state, position, environment(self.trainer.network.device.type))
        self._books = Books(position)
        self._clock_bytes += len(books.clock)
        self._saved = position.name
        self._last_save = (time.monotonic(), position.step)

    @property
    def _position(self) -> Position:
        return self._books.position

    @property
    def _whole(self) -> bool:
        """Whether the trainer is between two steps, and the last one is in the books."""
        return self.trainer.whole and self.trainer.step == self._position.step

    def _note(self, position: Position, *lines: Line, clock: Line | None = None) -> None:
        """Let the books stand at `position`, with these lines of metrics and of the clock."""
        metrics = self._books.metrics + b"".join(map(strict_json.dump_line, lines))
        self._books = Books(position, metrics, self._books.clock + (strict_json.dump_line(clock) if clock else b""))

    def _take_lock(self) -> None:
        """Take the run's lock again where an earlier loop over this session gave it back. Raises `FolderError`."""
        if self._lock.is_locked:
            return
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise FolderError(
                f"{self.run.path} is being trained by another process; wait for it, or stop it first"
            ) from None
        if checkpoints.saved_name(self.run.path) != self._saved:
            self._lock.release()
            raise FolderError(f"{self.run.path} was trained by another process since; resume it anew")

    @property
    @abstractmethod
    def _validates(self) -> bool:
        """Whether there is anything to validate on."""

    @abstractmethod
    def _over(self) -> bool:
        """Whether training ends before its last step."""

    @abstractmethod
    def _validate(self, interruption: Interruption) -> Found:
        """Save, validate, and keep the model if it is the best so far."""

    @abstractmethod
    def _finish(self, interruption: Interruption) -> None:
        """What is done once after the last step, committed."""

    def _before_saving(self) -> None:
        """What is to lie on the disk before a checkpoint does."""

    def _judged(self, nats: float, line: Line, keep: Callable[[], None]) -> None:
        """This step was validated: the model is kept if it is the best so far, and the line is written."""
        position, step = replace(self._position, evaluated=self.trainer.step), self.trainer.step
        if position.best_nats is None or nats < position.best_nats:
            keep()
            position = replace(position, best_nats=nats, best_step=step)
        self._note(position, {"step": step, **line})

    def _account(self, progress: Progress) -> None:
        position = replace(
            self._position,
            step=progress.step,
            characters_seen=progress.characters_seen,
            finished=False,
            interval_nats=self._position.interval_nats + progress.loss_nats * progress.symbols,
            interval_symbols=self._position.interval_symbols + progress.symbols,
            interval_norm=self._position.interval_norm + progress.gradient_norm,
            interval_steps=self._position.interval_steps + 1,
            interval_clipped=self._position.interval_clipped + progress.clipped,
        )
        if progress.step % self._rhythm.log_every != 0 and progress.step != progress.steps:
            self._note(position)
            return
        line = {
            "step": progress.step,
            "epoch": progress.epoch,
            "characters_seen": progress.characters_seen,
            "loss_nats": position.interval_nats / position.interval_symbols,
            "learning_rate": progress.learning_rate,
            "gradient_norm": position.interval_norm / position.interval_steps,
            "clipped": position.interval_clipped / position.interval_steps,
        }
        clock = {
            "step": progress.step,
            "seconds": round(self.seconds, 3),
            "characters_per_second": round(self.characters_per_second, 1),
            "peak_memory_bytes": peak_memory(self.trainer.network.device.type),
        }
        position = replace(
            position, interval_nats=0.0, interval_symbols=0, interval_norm=0.0, interval_steps=0, interval_clipped=0
        )
        self._note(position, line, clock=clock)

    def _due(self) -> bool:
        step = self.trainer.step
        if self._position.evaluated == step or step == 0 or not self._validates:
            return False
        return step % self._rhythm.validate_every == 0 or step == self.trainer.total

    def _save_due(self) -> bool:
        (then, step), often = self._last_save, self._rhythm.save_every
        if often.steps is not None:
            return self.trainer.step - step >= often.steps
        return time.monotonic() - then >= (often.seconds or 0)


def first_save(disk: Disk, run: Run, trainer: BaseTrainer[Any, Any], files: Mapping[str, bytes]) -> None:
    """The model folder with its files, and the checkpoint of step 0: a full disk is found now, not hours later."""
    if not run.model.exists():
        atomic_files.make_folder(disk, run.model)
    for name, data in files.items():
        atomic_files.replace(disk, run.model / name, data)
    trainer.check()
    checkpoints.save(disk, run.path, trainer.state(), FIRST, environment(trainer.network.device.type))

"""One sitting of a run, whatever is trained: steps, lines of metrics and checkpoints, in an order that survives any crash.

A validation comes after a checkpoint of its step, so that a crash within it costs nothing; whatever is written between
two checkpoints is written again, byte for byte, by the run that goes on from the first of them.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import filelock

from charloom import checkpoints, records
from charloom import disk as disks
from charloom.checkpoints import Position
from charloom.disk import Disk
from charloom.hardware import environment, peak_memory
from charloom.interruption import Interruption
from charloom.runs import Run
from charloom.training import Progress, StepByStep

Line = dict[str, Any]

Found = TypeVar("Found")
"""What a validation comes to."""


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
    """How often a checkpoint is made: after so many seconds, or after so many steps."""

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


class Sitting(ABC, Generic[Found]):
    """A trainer that writes into a run; how it is validated and when it is over, a subclass says."""

    def __init__(
        self,
        run: Run,
        trainer: StepByStep[Any, Any],
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
        self._rhythm, self._disk, self._position, self._lock = rhythm, disk, position, lock
        self._metrics: list[bytes] = []
        self._clock: list[bytes] = []
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
    def best_step(self) -> int:
        """The step whose model is kept."""
        return self._position.best_step

    def events(self, interruption: Interruption | None = None) -> Iterator[Event[Found]]:
        """Train to the end, an event after each step. However the loop is left, the last completed step is saved."""
        interruption = interruption or Interruption()
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
            with interruption.hold():
                self.save()
            raise
        finally:
            self._lock.release()

    def save(self) -> None:
        """Commit what was done since the last checkpoint. Raises `StorageError`, or `DivergedError` if it is ruined."""
        position = self._position
        if self._saved == position.name:
            return
        state = self.trainer.state()
        self._before_saving()
        metrics, clock = b"".join(self._metrics), b"".join(self._clock)
        disks.append(self._disk, self.run.path / "metrics.jsonl", metrics, at=position.metrics_bytes)
        disks.append(self._disk, self.run.path / "clock.jsonl", clock, at=self._clock_bytes)
        position = replace(position, metrics_bytes=position.metrics_bytes + len(metrics))
        checkpoints.save(self._disk, self.run.path, state, position, environment(self.trainer.network.device.type))
        self._position, self._metrics, self._clock = position, [], []
        self._clock_bytes += len(clock)
        self._saved = position.name
        self._last_save = (time.monotonic(), position.step)

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
        if self._position.best_nats is None or nats < self._position.best_nats:
            keep()
            self._position = replace(self._position, best_nats=nats, best_step=self.trainer.step)
        self._metrics.append(records.dump_line({"step": self.trainer.step, **line}))
        self._position = replace(self._position, evaluated=self.trainer.step)

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
        if progress.step % self._rhythm.log_every == 0 or progress.step == progress.steps:
            line = {
                "step": progress.step,
                "epoch": progress.epoch,
                "characters_seen": progress.characters_seen,
                "loss_nats": position.interval_nats / position.interval_symbols,
                "learning_rate": progress.learning_rate,
                "gradient_norm": position.interval_norm / position.interval_steps,
                "clipped": position.interval_clipped / position.interval_steps,
            }
            self._metrics.append(records.dump_line(line))
            clock = {
                "step": progress.step,
                "seconds": round(self.seconds, 3),
                "characters_per_second": round(self.characters_per_second, 1),
                "peak_memory_bytes": peak_memory(self.trainer.network.device.type),
            }
            self._clock.append(records.dump_line(clock))
            position = replace(
                position, interval_nats=0.0, interval_symbols=0, interval_norm=0.0, interval_steps=0, interval_clipped=0
            )
        self._position = position

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


def first_save(disk: Disk, run: Run, trainer: StepByStep[Any, Any], files: Mapping[str, bytes]) -> None:
    """The model folder with its files, and the checkpoint of step 0: a full disk is found now, not hours later."""
    if not run.model.exists():
        disks.make_folder(disk, run.model)
    for name, data in files.items():
        disks.replace(disk, run.model / name, data)
    checkpoints.save(disk, run.path, trainer.state(), FIRST, environment(trainer.network.device.type))

"""The training loop of a run, for any model: steps, validations and checkpoints, in an order that survives any crash.

A checkpoint is saved before each validation, so that a crash during the validation costs nothing. Whatever is written
between two checkpoints is written again, byte for byte, when the run resumes from the first of them.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from charloom.errors import FolderError, NotFiniteError
from charloom.interruption import Interrupted, Interruption
from charloom.machine.hardware import peak_memory
from charloom.storage import atomic_files, strict_json
from charloom.training import checkpoints
from charloom.training.opening import AnyTrainer, Opened
from charloom.training.runs import Run
from charloom.training.trainer import Progress

Line = dict[str, Any]


class Result(Protocol):
    """What a validation measured."""

    @property
    def nats(self) -> float:
        """Mean surprisal, by which models are compared; the lowest is kept."""

    @property
    def remark(self) -> str:
        """Anything else worth showing to a person; may be empty."""

    def summary(self) -> Line:
        """The figures by their names in metrics.jsonl."""


Found = TypeVar("Found", bound=Result)


@dataclass(frozen=True)
class Event(Generic[Found]):
    """A completed step, and what happened after it."""

    progress: Progress
    seconds: float
    "Training time of the run so far."
    validation: Found | None = None
    best_step: int = 0
    "Step of the model that is kept; 0 before the first validation."
    best_nats: float | None = None
    "The nats of that model when it was validated."


@dataclass(frozen=True)
class SaveEvery:
    """How often to save a checkpoint: every n seconds, or every n steps."""

    seconds: float | None = 30.0
    steps: int | None = None


@dataclass(frozen=True)
class Rhythm:
    """How often to log, validate and save."""

    log_every: int
    validate_every: int | None
    "None if there is nothing to validate on."
    patience: int
    "Validations without improvement after which training stops; 0 for never."
    save_every: SaveEvery


class TrainingLoop(ABC, Generic[Found]):
    """Trains a model and writes into its run; a subclass defines the validation and the files of the model.

    `deadline` is the moment (`time.monotonic()`) at which a time budget ends training.
    """

    KEY: ClassVar[str]
    "The name of a validation's result in metrics.jsonl."
    config: Any
    "What the run is, with its `plan`."

    def __init__(
        self, run: Run, opened: Opened, trainer: AnyTrainer, rhythm: Rhythm, deadline: float | None = None
    ) -> None:
        self.run, self.trainer, self.notices = run, trainer, opened.notices
        self.position = opened.position
        self.resumed_from = opened.position.step
        self.final: Found | None = None
        self._rhythm, self._disk, self._lock, self._deadline = rhythm, opened.disk, opened.lock, deadline
        self._metrics, self._clock = b"", b""  # lines since the last checkpoint
        self._clock_bytes = opened.clock_bytes
        self._saved = self.position
        self._last_save = (time.monotonic(), self.position.step)
        self._began, self._seconds_before = time.monotonic(), run.seconds() if self.leads else 0.0
        self._characters_before = trainer.characters_seen

    @property
    def leads(self) -> bool:
        """Whether this process writes the run; of several, the others only compute."""
        return self.trainer.ranks.leads

    @property
    def seconds(self) -> float:
        """Training time of the run so far, over all its sessions."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def characters_per_second(self) -> float:
        """Speed of this session, including validations and saving."""
        done = self.trainer.characters_seen - self._characters_before
        return done / max(time.monotonic() - self._began, 1e-9)

    @property
    def saved_step(self) -> int:
        """The step of the checkpoint on the disk. Raises `FolderError`."""
        return checkpoints.saved_step(self.run.path)

    @property
    def best_step(self) -> int:
        """The step of the model that is kept."""
        return self.position.best_step

    @property
    def stopped_early(self) -> bool:
        """Whether training stops before its last step because validation has not improved; depends on steps alone."""
        position, patience = self.position, self._rhythm.patience * (self._rhythm.validate_every or 0)
        return (
            0 < patience <= position.evaluated - position.best_step
            and position.best_nats is not None
            and position.step < self.trainer.total
        )

    @property
    def unfinished(self) -> bool:
        """Whether a step is left to train; after training, whether the time budget ended it before its last one."""
        return self.trainer.step < self.trainer.total and not self.stopped_early

    def go_on(self, before: Any, changes: Mapping[str, Any]) -> None:
        """Write down what a resumed run is from here on, unless it is what it was `before`.

        `changes` of its plan (`charloom.training.opening.same_precision`) hold if there is a step left to train.
        """
        if changes and self.unfinished:
            reason = changes["precision_reason"]
            if self.resumed_from:
                reason += f"; up to step {self.resumed_from:,} training was in {self.config.plan.precision}"
            plan = replace(self.config.plan, **{**changes, "precision_reason": reason})
            self.config = replace(self.config, plan=plan)
            self.notices = (*self.notices, f"training goes on in {plan.precision}: {reason}")
        if self.config != before and self.leads:
            atomic_files.replace(self._disk, self.run.path / "config.json", strict_json.dump(self.config))

    def events(self, interruption: Interruption | None = None) -> Generator[Event[Found]]:
        """Train to the end and yield an event after each step; can be called once.

        A signal is heeded between two steps: the last one is saved, and `Interrupted` is raised. The same happens if
        the caller stops early. Any exception, such as a full disk or a diverged loss, leaves the last checkpoint.
        Raises `CharloomError`.
        """
        interruption = interruption or Interruption()
        if self._lock is not None and not self._lock.is_locked:
            raise FolderError(f"the training of {self.run.path} has ended here; resume it to go on")
        try:
            with interruption.deferred():
                if self._due():
                    self._validate(interruption)
                while self.unfinished and not self._out_of_time():
                    progress = self.trainer.advance()
                    self._account(progress)
                    self._heed(interruption)
                    validation = self._validate(interruption) if self._due() else None
                    if self._save_due():
                        self.save()
                    yield Event(progress, self.seconds, validation, self.best_step, self.position.best_nats)
                self._heed(interruption)
                self._finish(interruption)
        except GeneratorExit:
            self.save()
            raise
        finally:
            if self._lock is not None:
                self._lock.release()

    def save(self) -> None:
        """Commit everything since the last checkpoint; before the first validation, the current model is kept.

        Raises `StorageError`, and `DivergedError` if the weights are ruined.
        """
        if self.position == self._saved or not self.leads:
            return
        self.trainer.check()
        if self.position.best_nats is None:
            self._keep(None)
        at = self.position.metrics_bytes
        atomic_files.append(self._disk, self.run.path / "metrics.jsonl", self._metrics, at=at)
        atomic_files.append(self._disk, self.run.path / "clock.jsonl", self._clock, at=self._clock_bytes)
        position = replace(self.position, metrics_bytes=at + len(self._metrics))
        checkpoints.save(self._disk, self.run.path, self.trainer.state(), position, self.trainer.environment())
        self.position = self._saved = position
        self._clock_bytes += len(self._clock)
        self._metrics, self._clock = b"", b""
        self._last_save = (time.monotonic(), position.step)

    @abstractmethod
    def _measure(self) -> Found:
        """Validate the current model. Raises `NotFiniteError`."""

    @abstractmethod
    def _weights(self, found: Found | None) -> bytes:
        """The current weights as model.safetensors, with the result of their validation."""

    @abstractmethod
    def _card(self, step: int, found: Found | None, *, final: bool) -> str:
        """README.md for the model of `step`; `final` says that the run has ended and keeps this model."""

    def _measure_final(self) -> Found | None:
        """The final score of the model that a run keeps, if it gets one in addition to the validations."""
        return None

    def _heed(self, interruption: Interruption) -> None:
        """If a signal came, save and raise `Interrupted`; of several processes, the leader's signals count."""
        asked = self.trainer.ranks.decide(lambda: interruption.asked)
        if asked:
            self.save()
            raise Interrupted(asked)

    def _out_of_time(self) -> bool:
        if self._deadline is None:
            return False
        deadline = self._deadline
        return self.trainer.ranks.decide(lambda: time.monotonic() > deadline)

    def _validate(self, interruption: Interruption) -> Found:
        """Save, validate, and keep the model if it is the best so far."""
        self.save()
        with interruption.immediate():
            try:
                found = self.trainer.ranks.decide(self._measure)
            except NotFiniteError:
                raise self.trainer.diverged("validation loss", self.trainer.step) from None
        step = self.trainer.step
        self.position = replace(self.position, evaluated=step)
        if self.position.best_nats is None or found.nats < self.position.best_nats:
            self._keep(found)
            self.position = replace(self.position, best_nats=found.nats, best_step=step)
        self._metrics += strict_json.dump_line({"step": step, self.KEY: found.summary()})
        return found

    def _finish(self, interruption: Interruption) -> None:
        """Measure the final score, write the card of the model that is kept, and commit; only once per run."""
        step = self.trainer.step
        if self.position.finished:  # by an earlier process
            return
        if self._rhythm.validate_every and self.position.evaluated != step:  # time ran out between two validations
            self._validate(interruption)
        self.save()
        with interruption.immediate():
            self.final = self.trainer.ranks.decide(self._measure_final)
        if self.final is not None:
            self._write_card(self.position.best_step, self.final, final=True)
            self._metrics += strict_json.dump_line({"step": step, "final": self.final.summary()})
        self.position = replace(self.position, evaluated=step, finished=True)
        self.save()

    def _keep(self, found: Found | None) -> None:
        """Make the current weights the run's model."""
        if not self.leads:
            return
        atomic_files.replace(self._disk, self.run.model / "model.safetensors", self._weights(found))
        self._write_card(self.trainer.step, found)

    def _write_card(self, step: int, found: Found | None, *, final: bool = False) -> None:
        if not self.leads:
            return
        card = self._card(step, found, final=final)
        atomic_files.replace(self._disk, self.run.model / "README.md", card.encode())

    def _account(self, progress: Progress) -> None:
        """Record a completed step; one in `log_every` gets a line."""
        before = self.position
        self.position = position = replace(
            before,
            step=progress.step,
            characters_seen=progress.characters_seen,
            finished=False,
            interval_nats=before.interval_nats + progress.loss_nats * progress.symbols,
            interval_symbols=before.interval_symbols + progress.symbols,
            interval_norm=before.interval_norm + progress.gradient_norm,
            interval_steps=before.interval_steps + 1,
            interval_clipped=before.interval_clipped + progress.clipped,
        )
        if progress.step % self._rhythm.log_every != 0 and progress.step != progress.steps:
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
        if self.trainer.ranks.count > 1:
            clock["processes"] = self.trainer.ranks.count
        self._metrics += strict_json.dump_line(line)
        self._clock += strict_json.dump_line(clock)
        self.position = replace(
            position, interval_nats=0.0, interval_symbols=0, interval_norm=0.0, interval_steps=0, interval_clipped=0
        )

    def _due(self) -> bool:
        step, every = self.trainer.step, self._rhythm.validate_every
        if self.position.evaluated == step or step == 0 or every is None:
            return False
        return step % every == 0 or step == self.trainer.total

    def _save_due(self) -> bool:
        (then, step), often = self._last_save, self._rhythm.save_every
        if often.steps is not None:
            return self.trainer.step - step >= often.steps
        return time.monotonic() - then >= (often.seconds or 0)

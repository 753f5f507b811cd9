"""One sitting of a run: steps, lines of metrics, validations and checkpoints, in an order that survives any crash.

A validation comes after a checkpoint of its step, so that a crash within it costs nothing; whatever is written between
two checkpoints is written again, byte for byte, by the run that goes on from the first of them.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import filelock

from charloom import checkpoints, records
from charloom import disk as disks
from charloom.checkpoints import Position
from charloom.corpus import Text
from charloom.disk import Disk
from charloom.errors import NotFiniteError
from charloom.evaluation import Score, evaluate, evaluate_folded
from charloom.hardware import environment, peak_memory
from charloom.interruption import Interruption
from charloom.language_model import LanguageModel, load_folder
from charloom.model_card import model_card
from charloom.runs import Run, RunConfig
from charloom.training import Progress, Trainer

Line = dict[str, Any]


@dataclass(frozen=True)
class Validation:
    """A score of the validation text, and how it was taken."""

    score: Score
    protocol: str
    "carried, or folded (in rows, perhaps on a part of the text)."

    def summary(self) -> Line:
        return {**self.score.summary(), "protocol": self.protocol, "characters": self.score.characters}


@dataclass(frozen=True)
class Event:
    """A step that was done, and what else happened after it."""

    progress: Progress
    seconds: float
    "Training time of the run so far."
    validation: Validation | None = None


@dataclass(frozen=True)
class SaveEvery:
    """How often a checkpoint is made: after so many seconds, or after so many steps."""

    seconds: float | None = 30.0
    steps: int | None = None


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


class Session:
    """A trainer that writes into a run."""

    def __init__(
        self,
        run: Run,
        config: RunConfig,
        trainer: Trainer,
        model: LanguageModel,
        validation: Text,
        *,
        disk: Disk,
        position: Position,
        save_every: SaveEvery,
        held: filelock.BaseFileLock,
        clock_bytes: int = 0,
        deadline: float | None = None,
        notices: tuple[str, ...] = (),
    ) -> None:
        self.run, self.config, self.trainer, self.model, self.notices = run, config, trainer, model, notices
        self.resumed_from = position.step
        self.final: Validation | None = None
        self.ended_early = False
        self._validation, self._disk, self._position, self._save_every = validation, disk, position, save_every
        self._deadline, self._held = deadline, held
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

    def final_validation(self) -> Line | None:
        """The figure of the finished run, also where an earlier session finished it."""
        if self.final is not None:
            return self.final.summary()
        lines = [line["final"] for line in self.run.metrics() if "final" in line and line["step"] == self.trainer.step]
        return lines[-1] if lines else None

    def events(self, interruption: Interruption | None = None) -> Iterator[Event]:
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
                yield Event(progress, self.seconds, validation)
            self._finish(interruption)
        except (KeyboardInterrupt, GeneratorExit):
            with interruption.hold():
                self.save()
            raise
        finally:
            self._held.release()

    def save(self) -> None:
        """Commit what was done since the last checkpoint. Raises `StorageError`, or `DivergedError` if it is ruined."""
        position = self._position
        if self._saved == position.name:
            return
        state = self.trainer.state()
        if position.best_nats is None:
            self._keep(None, "")
        metrics, clock = b"".join(self._metrics), b"".join(self._clock)
        disks.append(self._disk, self.run.path / "metrics.jsonl", metrics, at=position.metrics_bytes)
        disks.append(self._disk, self.run.path / "clock.jsonl", clock, at=self._clock_bytes)
        position = replace(position, metrics_bytes=position.metrics_bytes + len(metrics))
        checkpoints.save(self._disk, self.run.path, state, position, environment(self.trainer.network.device.type))
        self._position, self._metrics, self._clock = position, [], []
        self._clock_bytes += len(clock)
        self._saved = position.name
        self._last_save = (time.monotonic(), position.step)

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
        if progress.step % self.config.plan.log_every == 0 or progress.step == progress.steps:
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
                "peak_memory_bytes": peak_memory(self.config.plan.device),
            }
            self._clock.append(records.dump_line(clock))
            position = replace(
                position, interval_nats=0.0, interval_symbols=0, interval_norm=0.0, interval_steps=0, interval_clipped=0
            )
        self._position = position

    def _due(self) -> bool:
        step = self.trainer.step
        if self._position.evaluated == step or step == 0 or self.config.plan.validation_characters == 0:
            return False
        return step % self.config.plan.validate_every == 0 or step == self.trainer.total

    def _over(self) -> bool:
        return self._deadline is not None and time.monotonic() > self._deadline

    def _save_due(self) -> bool:
        then, step = self._last_save
        if self._save_every.steps is not None:
            return self.trainer.step - step >= self._save_every.steps
        return time.monotonic() - then >= (self._save_every.seconds or 0)

    def _validate(self, interruption: Interruption) -> Validation:
        """Save, score the validation text, and keep the model if it is the best so far."""
        with interruption.hold():
            self.save()
        try:
            validation = Validation(evaluate_folded(self.model, self._part()), "folded")
        except NotFiniteError:
            raise self.trainer.diverged("validation loss", self.trainer.step) from None
        with interruption.hold():
            nats, best = validation.score.nats_per_character, self._position.best_nats
            if best is None or nats < best:
                self._keep(validation.score, "folded")
                self._position = replace(self._position, best_nats=nats, best_step=self.trainer.step)
            self._metrics.append(records.dump_line({"step": self.trainer.step, "validation": validation.summary()}))
            self._position = replace(self._position, evaluated=self.trainer.step)
        return validation

    def _finish(self, interruption: Interruption) -> None:
        """Score the model that was kept, once, write its card, and commit."""
        step = self.trainer.step
        self.ended_early = step < self.trainer.total
        if self._position.finished:  # by an earlier session
            return
        if self.ended_early and self._position.evaluated != step and self.config.plan.validation_characters:
            self._validate(interruption)
        if self.config.plan.final_validation == "carried":
            self.final = Validation(evaluate(load_folder(self.run.model), self._validation), "carried")
        elif self.config.plan.final_validation == "folded":
            self.final = Validation(evaluate_folded(load_folder(self.run.model), self._part()), "folded")
        with interruption.hold():
            if self.final is not None:
                self._write_card(self.final.score, self.final.protocol, self._position.best_step)
                self._metrics.append(records.dump_line({"step": step, "final": self.final.summary()}))
            self._position = replace(self._position, evaluated=step, finished=True)
            self.save()

    def _part(self) -> Text:
        """What of the validation text is looked at during the run."""
        return self._validation.slice(0, min(self.config.plan.validation_characters, self._validation.characters))

    def _keep(self, score: Score | None, protocol: str) -> None:
        """Make the present weights the run's model."""
        disks.replace(self._disk, self.run.model / "model.safetensors", self.model.weights())
        self._write_card(score, protocol, self.trainer.step)

    def _write_card(self, score: Score | None, protocol: str, step: int) -> None:
        card = model_card(self.config, step, score, protocol)
        disks.replace(self._disk, self.run.model / "README.md", card.encode())

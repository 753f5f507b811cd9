"""One sitting of a classifier's run: steps, metrics, validations and checkpoints, in an order that survives any crash.

As with language models (`charloom.session`), a validation comes after a checkpoint of its step, and whatever is written between
two checkpoints is written again, byte for byte, by the run that goes on from the first of them.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import filelock
import numpy as np
import torch
from numpy.typing import NDArray

from charloom import checkpoints, records
from charloom import disk as disks
from charloom.applications.classify.calibration import best_temperature, surprise_nats
from charloom.applications.classify.measures import measure
from charloom.applications.classify.model import Classifier, softmax
from charloom.applications.classify.rows import Rows
from charloom.applications.classify.runs import ClassifierRun, ClassifierRunConfig, card
from charloom.applications.classify.training import ClassifierTrainer
from charloom.checkpoints import Position
from charloom.disk import Disk
from charloom.errors import NotFiniteError
from charloom.hardware import environment
from charloom.interruption import Interruption
from charloom.session import SaveEvery
from charloom.training import Progress

LOG_EVERY = 10


@dataclass(frozen=True)
class Step:
    """A step that was done, and the figures of the held rows where they were taken after it."""

    progress: Progress
    seconds: float
    held: dict[str, float] | None = None


class ClassifierSession:
    """A trainer that writes into a run."""

    def __init__(
        self,
        run: ClassifierRun,
        config: ClassifierRunConfig,
        trainer: ClassifierTrainer,
        classifier: Classifier,
        held: Rows,
        *,
        disk: Disk,
        position: Position,
        save_every: SaveEvery,
        lock: filelock.BaseFileLock,
        clock_bytes: int = 0,
        notices: tuple[str, ...] = (),
    ) -> None:
        self.run, self.config, self.trainer, self.classifier, self.notices = run, config, trainer, classifier, notices
        self.resumed_from = position.step
        self._held = held
        places = {name: place for place, name in enumerate(classifier.classes)}
        self._labels: NDArray[np.int64] = np.array([places[label] for label in held.labels], np.int64)
        self._disk, self._position, self._save_every, self._lock = disk, position, save_every, lock
        self._metrics: list[bytes] = []
        self._clock: list[bytes] = []
        self._clock_bytes = clock_bytes
        self._saved = position.name
        self._last_save = (time.monotonic(), position.step)
        self._began, self._seconds_before = time.monotonic(), run.seconds()

    @property
    def seconds(self) -> float:
        """Training time of the run so far, all its sessions together."""
        return self._seconds_before + time.monotonic() - self._began

    @property
    def stopped_early(self) -> bool:
        """Whether the held rows were not predicted better for so long that going on was given up."""
        patience = self.config.classification.patience * self.config.plan.validate_every
        position = self._position
        return position.best_nats is not None and position.evaluated - position.best_step >= patience

    @property
    def best_step(self) -> int:
        """The step whose model is kept."""
        return self._position.best_step

    def best(self) -> dict[str, float] | None:
        """The figures of the held rows at the model that is kept."""
        lines = [line["held"] for line in self.run.metrics() if "held" in line and line["step"] == self.best_step]
        return lines[-1] if lines else None

    def steps(self, interruption: Interruption | None = None) -> Iterator[Step]:
        """Train to the end, a record after each step. However the loop is left, the last completed step is saved."""
        interruption = interruption or Interruption()
        try:
            if self._due():
                self._validate(interruption)
            while self.trainer.step < self.trainer.total and not self.stopped_early:
                with interruption.hold():
                    progress = self.trainer.advance()
                    self._account(progress)
                held = self._validate(interruption) if self._due() else None
                if self._save_due():
                    with interruption.hold():
                        self.save()
                yield Step(progress, self.seconds, held)
            with interruption.hold():
                if not self._position.finished:
                    self._position = replace(self._position, evaluated=self.trainer.step, finished=True)
                    if self._position.best_nats is None:
                        self._keep(None, 1.0)
                    self.save()
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
        before = self._position
        position = replace(
            before,
            step=progress.step,
            characters_seen=progress.characters_seen,
            finished=False,
            interval_nats=before.interval_nats + progress.loss_nats * progress.symbols,
            interval_symbols=before.interval_symbols + progress.symbols,
            interval_norm=before.interval_norm + progress.gradient_norm,
            interval_steps=before.interval_steps + 1,
        )
        if progress.step % LOG_EVERY == 0 or progress.step == progress.steps:
            line = {
                "step": progress.step,
                "epoch": progress.epoch,
                "characters_seen": progress.characters_seen,
                "loss_nats": position.interval_nats / position.interval_symbols,
                "learning_rate": progress.learning_rate,
                "gradient_norm": position.interval_norm / position.interval_steps,
            }
            self._metrics.append(records.dump_line(line))
            self._clock.append(records.dump_line({"step": progress.step, "seconds": round(self.seconds, 3)}))
            position = replace(position, interval_nats=0.0, interval_symbols=0, interval_norm=0.0, interval_steps=0)
        self._position = position

    def _due(self) -> bool:
        step = self.trainer.step
        if not len(self._held) or step == 0 or self._position.evaluated == step:
            return False
        return step % self.config.plan.validate_every == 0 or step == self.trainer.total

    def _save_due(self) -> bool:
        then, step = self._last_save
        if self._save_every.steps is not None:
            return self.trainer.step - step >= self._save_every.steps
        return time.monotonic() - then >= (self._save_every.seconds or 0)

    def _validate(self, interruption: Interruption) -> dict[str, float]:
        """Save, classify the held rows, and keep the model, calibrated, if it is the best so far."""
        with interruption.hold():
            self.save()
        try:
            logits = self.classifier.logits(self._held.texts)
        except NotFiniteError:
            raise self.trainer.diverged("output", self.trainer.step) from None
        temperature = best_temperature(logits, self._labels)
        nats = surprise_nats(logits, self._labels, temperature)
        found = measure(softmax(logits), self._labels)
        held = {"nats_per_text": nats, "accuracy": found.accuracy, "macro_f1": found.macro_f1}
        with interruption.hold():
            if self._position.best_nats is None or nats < self._position.best_nats:
                self._keep(held, temperature)
                self._position = replace(self._position, best_nats=nats, best_step=self.trainer.step)
            self._metrics.append(records.dump_line({"step": self.trainer.step, "held": held}))
            self._position = replace(self._position, evaluated=self.trainer.step)
        return held

    @torch.no_grad()
    def _keep(self, held: dict[str, float] | None, temperature: float) -> None:
        """Make the present weights the run's model."""
        network = self.classifier.network
        network.temperature.fill_(temperature)
        disks.replace(self._disk, self.run.model / "model.safetensors", self.classifier.weights())
        network.temperature.fill_(1.0)
        text = card(self.config, self.classifier.classes, self.trainer.step, held)
        disks.replace(self._disk, self.run.model / "README.md", text.encode())

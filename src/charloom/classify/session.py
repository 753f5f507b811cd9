"""One sitting of a classifier's run: how it is validated on the rows held out, and which model is kept, calibrated."""

from dataclasses import replace
from functools import cached_property

import filelock

from charloom.classify.batches import held_parts
from charloom.classify.calibration import best_pool, best_temperature, surprise_nats
from charloom.classify.measures import measure
from charloom.classify.model import Classifier, Floats, softmax
from charloom.classify.rows import Rows
from charloom.classify.runs import ClassifierRun, ClassifierRunConfig, card
from charloom.classify.symbols import Symbols
from charloom.classify.training import ClassifierTrainer
from charloom.errors import NotFiniteError
from charloom.interruption import Interruption
from charloom.storage import atomic_files
from charloom.storage.atomic_files import Disk
from charloom.training.checkpoints import Position
from charloom.training.loop import Rhythm, SaveEvery, Sitting

LOG_EVERY = 10

Figures = dict[str, float]
"""Of the held rows: nats_per_text, accuracy, macro_f1."""


class ClassifierSession(Sitting[Figures]):
    """A classifier's trainer that writes into a run."""

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
        rhythm = Rhythm(LOG_EVERY, config.plan.validate_every, save_every)
        super().__init__(
            run, trainer, rhythm, disk=disk, position=position, lock=lock, clock_bytes=clock_bytes, notices=notices
        )
        self.config, self.classifier = config, classifier
        self._held, self._labels = held, classifier.places(held.labels)

    @property
    def stopped_early(self) -> bool:
        """Whether the held rows were not predicted better for so long that going on was given up."""
        patience = self.config.classification.patience * self.config.plan.validate_every
        position = self._position
        return position.best_nats is not None and position.evaluated - position.best_step >= patience

    def best(self) -> Figures | None:
        """The figures of the held rows at the model that is kept."""
        lines = [line["held"] for line in self.run.metrics() if "held" in line and line["step"] == self.best_step]
        return lines[-1] if lines else None

    @cached_property
    def _symbols(self) -> list[Symbols]:
        crops, seed = self.config.classification.crops, self.config.training.seed
        return held_parts(self._held.texts, self.classifier.table, crops=crops, seed=seed)

    @cached_property
    def _counted(self) -> Floats | None:
        return self.classifier.counted(self._symbols)

    @property
    def _validates(self) -> bool:
        return len(self._held) > 0

    def _over(self) -> bool:
        return self.stopped_early

    def _validate(self, interruption: Interruption) -> Figures:
        """Save, classify the held rows, and keep the model, calibrated, if it is the best so far."""
        with interruption.hold():
            self.save()
        try:
            logits = self.classifier.network_logits(self._symbols)
        except NotFiniteError:
            raise self.trainer.diverged("output", self.trainer.step) from None
        counts, weight = self._counted, 1.0
        if counts is None:
            temperature = best_temperature(logits, self._labels)
        else:
            temperature, weight = best_pool(logits, counts, self._labels)
            logits = logits + weight * counts
        nats = surprise_nats(logits, self._labels, temperature)
        found = measure(softmax(logits), self._labels)
        held = {"nats_per_text": nats, "accuracy": found.accuracy, "macro_f1": found.macro_f1}
        with interruption.hold():
            self._judged(nats, {"held": held}, lambda: self._keep(held, temperature, weight))
        return held

    def _finish(self, interruption: Interruption) -> None:
        with interruption.hold():
            if not self._position.finished:
                if self._position.best_nats is None:
                    self._keep(None, 1.0, 1.0)
                self._note(replace(self._position, evaluated=self.trainer.step, finished=True))
                self.save()

    def _keep(self, held: Figures | None, temperature: float, count_weight: float) -> None:
        """Make the present weights the run's model."""
        data = self.classifier.calibrated_weights(temperature, count_weight)
        atomic_files.replace(self._disk, self.run.model / "model.safetensors", data)
        text = card(self.config, self.classifier.classes, self.trainer.step, held)
        atomic_files.replace(self._disk, self.run.model / "README.md", text.encode())

"""Training a classifier: validation and calibration on the held-out rows."""

from dataclasses import dataclass
from functools import cached_property

from charloom.classify.batches import held_parts
from charloom.classify.calibration import best_pool, best_temperature, surprise_nats
from charloom.classify.card import classifier_card
from charloom.classify.measures import measure
from charloom.classify.model import Floats, softmax
from charloom.classify.preparation import Prepared
from charloom.classify.runs import ClassifierRun, ClassifierRunConfig
from charloom.classify.symbols import Symbols
from charloom.classify.training import ClassifierTrainer
from charloom.training.loop import Rhythm, SaveEvery, TrainingLoop
from charloom.training.opening import Opened

LOG_EVERY = 10

Figures = dict[str, float]
"""nats_per_text, accuracy and macro_f1 on the held-out rows."""


@dataclass(frozen=True)
class Held:
    """How well the held-out rows were classified, with the calibration that fits them best."""

    nats_per_text: float
    accuracy: float
    macro_f1: float
    temperature: float
    count_weight: float

    @property
    def nats(self) -> float:
        """Nats per text."""
        return self.nats_per_text

    @property
    def remark(self) -> str:
        """The accuracy."""
        return f"{self.accuracy:.1%} right"

    def summary(self) -> Figures:
        """The figures without the calibration, which is part of the model."""
        return {"nats_per_text": self.nats_per_text, "accuracy": self.accuracy, "macro_f1": self.macro_f1}


class ClassifierSession(TrainingLoop[Held]):
    """Trains a classifier in its run."""

    KEY = "held"

    def __init__(
        self,
        opened: Opened,
        config: ClassifierRunConfig,
        trainer: ClassifierTrainer,
        prepared: Prepared,
        save_every: SaveEvery,
    ) -> None:
        every = config.plan.validate_every if len(prepared.held) else None
        rhythm = Rhythm(LOG_EVERY, every, config.classification.patience, save_every)
        super().__init__(ClassifierRun(opened.path), opened, trainer, rhythm)
        self.config, self.classifier = config, prepared.classifier.with_network(trainer.average)
        self._held, self._labels = prepared.held, prepared.held_labels

    def best(self) -> Figures | None:
        """The figures of the model that is kept, on the held-out rows."""
        lines = [line["held"] for line in self.run.metrics() if "held" in line and line["step"] == self.best_step]
        return lines[-1] if lines else None

    @cached_property
    def _symbols(self) -> list[Symbols]:
        crops, seed = self.config.classification.crops, self.config.training.seed
        return held_parts(self._held.texts, self.classifier.table, crops=crops, seed=seed)

    @cached_property
    def _counted(self) -> Floats | None:
        return self.classifier.counted(self._symbols)

    def _measure(self) -> Held:
        logits = self.classifier.network_logits(self._symbols)
        counts, weight = self._counted, 1.0
        if counts is None:
            temperature = best_temperature(logits, self._labels)
        else:
            temperature, weight = best_pool(logits, counts, self._labels)
            logits = logits + weight * counts
        nats = surprise_nats(logits, self._labels, temperature)
        measures = measure(softmax(logits), self._labels)
        return Held(nats, measures.accuracy, measures.macro_f1, temperature, weight)

    def _weights(self, found: Held | None) -> bytes:
        if found is None:
            return self.classifier.weights()
        return self.classifier.calibrated_weights(found.temperature, found.count_weight)

    def _card(self, step: int, found: Held | None, *, final: bool) -> str:
        return classifier_card(self.config, self.classifier.classes, step, found.summary() if found else {})

"""How good a classifier is: counts first, ratios at the end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.classify.calibration import bins, calibration_error
from charloom.classify.model import Floats


@dataclass(frozen=True, eq=False)
class Measures:
    """Measures on texts whose class is known."""

    confusion: NDArray[np.int64]
    "(C, C): texts of the row's class that were predicted as the column's class."
    nats: float
    "Sum of the surprisals of the right classes."
    calibration_error: float

    @property
    def texts(self) -> int:
        """Number of texts."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the texts whose class was predicted correctly."""
        return float(np.trace(self.confusion) / self.texts)

    @property
    def recalls(self) -> Floats:
        """(C,) Share of each class's texts that was predicted correctly; NaN for a class without texts."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def precisions(self) -> Floats:
        """(C,) Share of the texts predicted as a class that belong to it; NaN for a class never predicted."""
        return _ratio(np.diag(self.confusion), self.confusion.sum(0))

    @property
    def f1(self) -> Floats:
        """(C,) Harmonic mean of precision and recall; NaN for a class without texts and never predicted."""
        return _ratio(2 * np.diag(self.confusion), self.confusion.sum(0) + self.confusion.sum(1))

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the classes that occur, as labels or as predictions."""
        return float(np.nanmean(self.f1))

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall over the classes that have texts."""
        return float(np.nanmean(self.recalls))

    def summary(self) -> dict[str, float]:
        """The figures by their names in JSON."""
        return {
            "accuracy": self.accuracy,
            "macro_f1": self.macro_f1,
            "balanced_accuracy": self.balanced_accuracy,
            "nats_per_text": self.nats / self.texts,
            "calibration_error": self.calibration_error,
        }


def measure(probabilities: Floats, labels: NDArray[np.int64]) -> Measures:
    """The measures of `probabilities` (N, C) for the right classes `labels` (N,); N must be at least 1."""
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, probabilities.argmax(1)), 1)
    right = probabilities[np.arange(len(labels)), labels]
    nats = float(-np.log(np.maximum(right, 1e-300)).sum())
    return Measures(confusion, nats, calibration_error(bins(probabilities, labels)))


def _ratio(above: NDArray[np.int64], below: NDArray[np.int64]) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return above / below

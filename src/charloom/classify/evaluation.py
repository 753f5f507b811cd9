"""A classifier against rows whose labels are known: measures, where it errs, and a picture of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charloom.classify.calibration import Bin, bins
from charloom.classify.measures import Measures, measure
from charloom.classify.model import Classifier
from charloom.classify.rows import Rows
from charloom.errors import TextError, did_you_mean, shown
from charloom.plotting import style


@dataclass(frozen=True)
class Mistake:
    """A text that was taken for another class."""

    text: str
    label: str
    predicted: str
    probability: float
    "Of the predicted class."
    label_probability: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came out."""

    classes: tuple[str, ...]
    measures: Measures
    calibration: list[Bin]
    mistakes: list[Mistake]
    "The surest first."

    def confusions(self) -> list[tuple[str, str, int]]:
        """Label, what it was taken for, and how often: the most frequent first."""
        found = self.measures.confusion.copy()
        np.fill_diagonal(found, 0)
        pairs = [
            (self.classes[row], self.classes[column], int(found[row, column])) for row, column in np.argwhere(found)
        ]
        return sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))


def evaluate(classifier: Classifier, rows: Rows, where: str = "the rows") -> Evaluation:
    """Classify `rows` and compare. Raises `TextError` for a label that the classifier does not know."""
    known = set(classifier.classes)
    for number, label in enumerate(rows.labels, 1):
        if label not in known:
            raise TextError(
                f"{where}: row {number} has the label {shown(label)[:80]!r}, which this classifier does not know"
                f"{did_you_mean(shown(label), classifier.classes[:40])}"
            )
    labels = classifier.places(rows.labels)
    probabilities = classifier.probabilities(rows.texts)
    best = probabilities.argmax(1)
    wrong = np.flatnonzero(best != labels)
    wrong = wrong[np.argsort(-probabilities[wrong, best[wrong]], kind="stable")]
    mistakes = [
        Mistake(
            rows.texts[place],
            rows.labels[place],
            classifier.classes[best[place]],
            float(probabilities[place, best[place]]),
            float(probabilities[place, labels[place]]),
        )
        for place in wrong
    ]
    return Evaluation(classifier.classes, measure(probabilities, labels), bins(probabilities, labels), mistakes)


def picture(found: Evaluation, title: str) -> bytes:
    """A PNG: the confusion table, each row's shares adding up to 1, and how sure against how often right."""
    from matplotlib.colors import PowerNorm

    confusion = found.measures.confusion  # the root of the shares is shown, or rare confusions could not be seen
    there = np.flatnonzero(confusion.sum(1) + confusion.sum(0))
    names = [shown(found.classes[place])[:16] for place in there]
    counts = confusion[np.ix_(there, there)]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = min(16.0, max(3.6, 0.24 * len(there) + 1.6))
    figure = style.figure(size + 4.2, max(4.0, size))
    left, right = figure.subplots(1, 2, width_ratios=[size, 3.6])
    image = left.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))
    small = max(6.5, min(9.0, 160 / len(there)))
    left.set_xticks(range(len(there)), names, rotation=90, fontsize=small, parse_math=False)
    left.set_yticks(range(len(there)), names, fontsize=small, parse_math=False)
    left.set_xlabel("taken for")
    left.set_ylabel("is")
    left.set_title(style.wrapped(title, figure), fontsize=10, loc="left", parse_math=False)
    if len(there) <= 24:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.3 else "black"
            left.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=small - 2)
    figure.colorbar(image, ax=left, shrink=0.6, label="share of the row")
    _reliability(right, found.calibration, found.measures.calibration_error)
    return style.rendered(figure, grow=True)


def _reliability(place: object, calibration: Sequence[Bin], error: float) -> None:
    axes = style.axes(place, f"calibration error {error:.1%}", "probability of the predicted class", "share right")
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    axes.plot(
        [each.confidence for each in calibration],
        [each.accuracy for each in calibration],
        color=style.COLOURS[0],
        marker="o",
    )
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_aspect("equal")

"""Whether probabilities mean what they say: 70 % of the predictions made with 70 % confidence should be right.

Reliability curve and expected calibration error of the most probable symbol: Guo et al. 2017 (arXiv 1706.04599). The
temperature that would calibrate the model is chosen on the first half of the text, and its gain is measured on the
second.
"""

from dataclasses import dataclass

import numpy as np

from charloom.plotting import style
from charloom.report.predictions import TEMPERATURES, Floats, Predictions

BINS = 20


@dataclass(frozen=True)
class Bin:
    """Predictions of similar confidence."""

    confidence: float
    "Mean probability of the most probable symbol."
    right: float
    "Share that were right."
    symbols: int


@dataclass(frozen=True)
class Calibration:
    """The gap between confidence and accuracy."""

    bins: tuple[Bin, ...]
    expected_error: float
    "Mean gap between confidence and accuracy, weighted by symbols."
    temperature: float
    "The temperature at which the first half of the text is most likely."
    gain: float
    "Its gain over temperature 1 on the second half, in nats per symbol; negative for a loss."
    nats_by_temperature: tuple[tuple[float, float], ...]
    "Nats per symbol of the whole text with the logits divided by each temperature."

    def finding(self) -> str:
        """The finding, in one sentence."""
        confidence, right = (
            sum(part * one.symbols for one, part in zip(self.bins, parts, strict=True))
            / sum(b.symbols for b in self.bins)
            for parts in ([one.confidence for one in self.bins], [one.right for one in self.bins])
        )
        if abs(confidence - right) < 0.005:
            lean = "as sure as it is right"
        else:
            lean = "surer than it is right" if confidence > right else "right more often than it is sure"
        error = f"expected calibration error {self.expected_error:.1%}"
        figures = f"{confidence:.1%} confident on average, {right:.1%} right; {error}"
        return f"The model is {lean}: {figures}"


def calibration(predictions: Predictions) -> Calibration:
    """The calibration of predictions."""
    places = np.minimum((predictions.confidence * BINS).astype(np.int64), BINS - 1)
    counts, sure, right = (
        np.bincount(places, weights, BINS) for weights in (None, predictions.confidence, predictions.right)
    )
    bins = tuple(
        Bin(float(sure[n] / counts[n]), float(right[n] / counts[n]), int(counts[n])) for n in range(BINS) if counts[n]
    )
    error = sum(one.symbols * abs(one.confidence - one.right) for one in bins) / len(predictions.targets)
    half = int(np.searchsorted(np.cumsum(predictions.sizes), predictions.sizes.sum() / 2)) + 1
    one = TEMPERATURES.index(1.0)
    chosen, gain = 1.0, 0.0
    if half < len(predictions.sizes):
        first, second = (
            predictions.tempered[:half].sum(0),
            predictions.tempered[half:].sum(0) / predictions.sizes[half:].sum(),
        )
        chosen = _lowest(first)
        gain = float(second[one] - np.interp(np.log(chosen), np.log(TEMPERATURES), second))
    overall = predictions.tempered.sum(0) / predictions.sizes.sum()
    return Calibration(bins, error, chosen, gain, tuple(zip(TEMPERATURES, overall.tolist(), strict=True)))


def draw(measured: Calibration) -> bytes:
    """A PNG: the reliability curve, and the likelihood against the temperature."""
    picture = style.figure(10, 4.4)
    picture.suptitle(style.wrapped(measured.finding(), picture), fontsize=11)
    left, right = picture.subplots(1, 2)
    axes = style.axes(left, "", "probability of the most probable character", "share that were right")
    axes.plot((0, 1), (0, 1), color="0.5", linestyle="--", linewidth=1)
    axes.text(0.34, 0.36, "as sure as right", ha="center", va="bottom", color="0.4", fontsize=8, rotation=40)
    most = max(one.symbols for one in measured.bins)
    axes.plot(
        [one.confidence for one in measured.bins],
        [one.right for one in measured.bins],
        color=style.COLOURS[0],
        linewidth=1.5,
    )
    axes.scatter(
        [one.confidence for one in measured.bins],
        [one.right for one in measured.bins],
        [10 + 90 * one.symbols / most for one in measured.bins],
        color=style.COLOURS[0],
    )
    axes.text(0.02, 0.97, "larger dots: more characters", transform=axes.transAxes, va="top", fontsize=8, color="0.3")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    temperatures, nats = zip(*measured.nats_by_temperature, strict=True)
    title = f"most likely at temperature {measured.temperature:.2f}"
    axes = style.axes(right, title, "temperature", "nats per character")
    axes.plot(temperatures, nats, color=style.COLOURS[0], marker=".")
    axes.axvline(1, color="0.5", linestyle="--", linewidth=1)
    axes.axvline(measured.temperature, color=style.COLOURS[1], linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks((0.5, 0.7, 1, 1.4, 2), ("0.5", "0.7", "1", "1.4", "2"))
    axes.set_xticks((), minor=True)
    return style.rendered(picture)


def _lowest(nats: Floats) -> float:
    """The temperature at the bottom of the parabola through the lowest value and its neighbours."""
    logs, place = np.log(TEMPERATURES), int(np.argmin(nats))
    if not 0 < place < len(nats) - 1:
        return TEMPERATURES[place]
    curve = np.polyfit(logs[place - 1 : place + 2], nats[place - 1 : place + 2], 2)
    return float(np.exp(-curve[1] / (2 * curve[0])))

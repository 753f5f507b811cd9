"""Which hidden units follow something that a person can read: Karpathy, Johnson and Fei-Fei 2015 (arXiv 1506.02078).

For each feature, the unit that correlates with it most in the first half of the text is chosen, and its correlation in
the second half is reported, so that the best of a thousand units is not just a lucky one. A unit's values are those of
`charloom.models.state.unit_values`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.generation.numpy_steps import Stepper
from charloom.models.state import unit_values
from charloom.plotting import style
from charloom.plotting.heat_map import glyph
from charloom.report.features import features_of
from charloom.report.predictions import Characters, Integers

READ = 20_000
"""How many characters are read."""

WIDTH, LINES = 80, 3
"""Length of the passage in the picture, in characters."""


@dataclass(frozen=True, eq=False)
class Follower:
    """A hidden unit and the feature that it follows."""

    feature: str
    layer: int
    "From 1."
    unit: int
    "From 0."
    correlation: float
    "Pearson's correlation over the second half of what was read."
    start: int
    "Start of the passage in which the feature changes most."
    values: NDArray[np.float32]
    "The unit's values over the passage, between -1 and 1."


def followers(stepper: Stepper, symbols: Integers, characters: Characters, boundary: int) -> list[Follower]:
    """The best unit for each feature of a text, best first; `symbols` (n,) are the symbols of the characters."""
    count = min(READ, len(characters.codes))
    memory = activations(stepper, symbols[: characters.last[count - 1] + 1], boundary)[characters.last[:count]]
    half = count // 2
    made = []
    for name, values in features_of(characters.codes[:count]).items():
        first = correlations(memory[:half], values[:half])
        unit = int(np.argmax(np.abs(first)))
        second = float(correlations(memory[half:, unit : unit + 1], values[half:])[0])
        start = half + _liveliest(values[half:])
        passage = memory[start : start + WIDTH * LINES, unit]
        size = stepper.config.hidden_size
        made.append(Follower(name, unit // size + 1, unit % size, second, start, passage))
    return sorted(made, key=lambda one: -abs(one.correlation))


def activations(stepper: Stepper, symbols: Integers, boundary: int) -> NDArray[np.float32]:
    """The values of all units of all layers (T, layers H) after each symbol, reset at each boundary."""
    made = np.empty((len(symbols), stepper.config.layers * stepper.config.hidden_size), np.float32)
    for place, rows in enumerate(stepper.follow(symbols.tolist(), boundary)):
        made[place] = unit_values(stepper.config.cell, rows.state).ravel()
    return made


def correlations(memory: NDArray[np.float32], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation (units,) of each unit (T, units) with a feature (T,); 0 if either does not vary."""
    centred = values - values.mean()
    means, spread = memory.mean(0, dtype=np.float64), memory.std(0, dtype=np.float64)
    shared = (centred @ memory - centred.sum() * means) / len(values)
    scale = spread * values.std()
    correlation: NDArray[np.float64] = np.divide(shared, scale, out=np.zeros_like(shared), where=scale > 1e-9)
    return correlation


def finding(ranked: list[Follower]) -> str:
    """The finding, in one sentence."""
    best = ranked[0]
    return f"Unit {best.unit} of layer {best.layer} follows: {best.feature} (correlation {best.correlation:+.2f})"


def draw(ranked: list[Follower], codes: NDArray[np.int64], most: int = 5) -> bytes:
    """A PNG: the best units over a passage of text, purple below zero and orange above."""
    chosen = ranked[:most]
    picture = style.figure(12.5, 0.35 + 0.98 * len(chosen))
    picture.suptitle(style.wrapped(finding(ranked), picture), fontsize=11)
    for axes, one in zip(np.atleast_1d(picture.subplots(len(chosen), 1)), chosen, strict=True):
        grid = np.full(WIDTH * LINES, np.nan)
        grid[: len(one.values)] = one.values
        limit = max(1e-6, float(np.abs(one.values).max()))
        axes.imshow(grid.reshape(LINES, WIDTH), cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
        for place, code in enumerate(codes[one.start : one.start + len(one.values)].tolist()):
            strong = abs(one.values[place]) > 0.75 * limit
            axes.text(
                place % WIDTH,
                place // WIDTH,
                glyph(chr(code) if code >= 0 else ""),
                ha="center",
                va="center",
                size=7.5,
                family="DejaVu Sans Mono",
                color="white" if strong else "black",
                parse_math=False,
            )
        axes.set_title(
            f"{one.feature}: layer {one.layer}, unit {one.unit}, correlation {one.correlation:+.2f}",
            fontsize=8,
            loc="left",
            pad=2,
        )
        axes.set_xticks(())
        axes.set_yticks(())
        axes.spines[:].set_visible(False)
    picture.supxlabel("orange: the unit is above zero; purple: below; darker is further", fontsize=8)
    return style.rendered(picture)


def _liveliest(values: NDArray[np.float64]) -> int:
    """Start of the passage in which a feature varies most; the first of several."""
    size = WIDTH * LINES
    if len(values) <= size:
        return 0
    sums, squares = (np.concatenate(([0.0], np.cumsum(each))) for each in (values, values**2))
    spread = (squares[size:] - squares[:-size]) / size - ((sums[size:] - sums[:-size]) / size) ** 2
    return int(np.argmax(spread > spread.max() - 1e-9))

"""The pictures of a study. Each title states the finding, computed from the figures that are drawn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charloom.plotting import style
from charloom.study.curves import Curve, Point
from charloom.study.findings import by_context, context_finding, cost_finding, finding, gradient_finding, leader_finding
from charloom.study.learning_curves import Learning, learning
from charloom.study.trials import Value

DPI = 95

BLUE, RED, GREEN = style.COLOURS[0], style.COLOURS[1], style.COLOURS[2]


def draw_curve(curve: Curve, noise: float | None, budget: str, centre: Value | None) -> bytes:
    """A PNG: held-out loss against the values, one point per seed, with a band from the lowest to the highest.

    `centre` is the value used in the trials of the other factors, if any.
    """
    figure = style.figure(7, 4)
    axes = style.axes(figure, finding(curve, noise, budget), curve.factor.words, "held-out nats per character")
    places = _places(axes, curve)
    known = [point for point in curve.points if point.nats]
    if known:
        at = [places[point] for point in known]
        axes.fill_between(
            at, [min(p.nats) for p in known], [max(p.nats) for p in known], color=BLUE, alpha=0.18, linewidth=0
        )
        line = "-" if curve.factor.more else ""
        axes.plot(at, [point.mean for point in known], linestyle=line, marker="_", markersize=14, color=BLUE)
        for number, (place, point) in enumerate(zip(at, known, strict=True)):
            axes.plot([place] * len(point.nats), point.nats, "o", color=BLUE, markersize=4, alpha=0.8, linewidth=0)
            axes.annotate(
                f"{point.mean:.3f}",
                (place, max(point.nats)),
                (0, 7 + 10 * (number % 2)),
                textcoords="offset points",
                fontsize=8,
                ha="center",
            )
    for point, place in places.items():
        if point.value == centre:
            axes.axvline(place, color="0.6", linestyle=":", linewidth=1, zorder=0)
            axes.annotate("centre", (place, 0.02), (3, 0), xycoords=axes.get_xaxis_transform(),
                          textcoords="offset points", fontsize=8, color="0.4")  # fmt: skip
    _mark_diverged(axes, curve, places)
    axes.margins(y=0.18)
    return style.reduced(style.rendered(figure, dpi=DPI))


def draw_learning(curve: Curve, run: Callable[[str], Path]) -> bytes:
    """A PNG: the training loss against characters seen and against time, one colour per value, one line per seed."""
    figure = style.figure(8.6, 4)
    left, right = figure.subplots(1, 2, sharey=True)
    learned = {point: _learned(point, run) for point in curve.points}
    learned = {point: lines for point, lines in learned.items() if lines}
    title, limit = _leaders(curve, learned)
    figure.suptitle(style.wrapped(title, figure), fontsize=11)
    unit, scale = _unit([line.characters[-1] for lines in learned.values() for line in lines])
    style.axes(left, "", f"characters seen ({unit})", "training loss (nats per character)")
    style.axes(right, "", "seconds of training", "")
    for number, (point, lines) in enumerate(learned.items()):
        colour = _colour(curve, number, len(learned))
        for seed, line in enumerate(lines):
            label = point.label if seed == 0 else None
            left.plot(line.characters / scale, line.nats, color=colour, linewidth=1.1, label=label)
            right.plot(line.seconds, line.nats, color=colour, linewidth=1.1)
    if limit is not None:
        left.set_ylim(*limit)
    left.set_xlim(left=0)
    right.set_xlim(left=0)
    right.tick_params(labelleft=True)
    if learned:
        figure.legend(title=curve.factor.words, loc="outside right center", frameon=False)
    return style.reduced(style.rendered(figure, dpi=DPI))


def draw_cost(curve: Curve) -> bytes:
    """A PNG: speed, memory and parameters against the values."""
    figure = style.figure(8.6, 3.1)
    figure.suptitle(style.wrapped(cost_finding(curve), figure), fontsize=11)
    panels = (
        ("characters_per_second", "thousand characters a second", 1e3, BLUE),
        ("peak_memory_bytes", "peak memory (MB)", 2**20, RED),
        ("parameters", "parameters (thousands)", 1e3, GREEN),
    )
    for place, (name, words, scale, colour) in zip(figure.subplots(1, 3), panels, strict=True):
        axes = style.axes(place, "", curve.factor.words, words)
        places = _places(axes, curve)
        known = [(places[point], value / scale) for point in curve.points if (value := point.figure(name)) is not None]
        axes.plot([at for at, _ in known], [value for _, value in known], color=colour, marker="o", markersize=4)
        axes.set_ylim(0, 1.12 * axes.get_ylim()[1])
        axes.tick_params(labelsize=8)
    return style.reduced(style.rendered(figure, dpi=DPI))


def draw_gradient(curve: Curve) -> bytes:
    """A PNG: the gradient norm, and the share of clipped steps, against the values."""
    figure = style.figure(8.6, 3.1)
    figure.suptitle(style.wrapped(gradient_finding(curve), figure), fontsize=11)
    panels = (("gradient_norm", "norm of the gradient", 1, BLUE), ("clipped", "clipped steps (%)", 0.01, RED))
    for place, (name, words, scale, colour) in zip(figure.subplots(1, 2), panels, strict=True):
        axes = style.axes(place, "", curve.factor.words, words)
        places = _places(axes, curve)
        for point in curve.points:
            values = [getattr(outcome.figures, name) / scale for outcome in point.outcomes if outcome.figures]
            axes.plot([places[point]] * len(values), values, "o", color=colour, markersize=4, linewidth=0)
        known = [(places[point], point.figure(name)) for point in curve.points]
        line = [(at, value / scale) for at, value in known if value is not None]
        axes.plot([at for at, _ in line], [value for _, value in line], color=colour, linewidth=1)
        axes.set_ylim(0, 1.12 * axes.get_ylim()[1])
    return style.reduced(style.rendered(figure, dpi=DPI))


def draw_context(curve: Curve) -> bytes | None:
    """A PNG: loss against context length, one line per value; None if that was not measured."""
    title = context_finding(curve)
    if title is None:
        return None
    figure = style.figure(7, 4)
    axes = style.axes(figure, title, "symbols of context", "nats per symbol")
    known = [(point.label, losses) for point in curve.finished if (losses := by_context(point))]
    for number, (label, losses) in enumerate(known):
        colour = _colour(curve, number, len(known))
        axes.plot(list(losses), list(losses.values()), color=colour, marker="o", markersize=3, label=label)
    ticks = sorted({context for _, losses in known for context in losses})
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.legend(title=curve.factor.words, frameon=False)
    return style.reduced(style.rendered(figure, dpi=DPI))


def _leaders(curve: Curve, learned: dict[Point, list[Learning]]) -> tuple[str, tuple[float, float] | None]:
    """The title of the learning picture, and the range of losses it shows."""
    if not learned:
        return f"No trial of the {curve.factor.words} recorded a loss", None
    seen = min(line.characters[-1] for lines in learned.values() for line in lines)
    spent = min(line.seconds[-1] for lines in learned.values() for line in lines)
    by_characters = {point.label: float(np.mean([line.at(seen) for line in lines])) for point, lines in learned.items()}
    by_time = {point.label: float(np.mean([line.after(spent) for line in lines])) for point, lines in learned.items()}
    unit, scale = _unit([seen])
    title = leader_finding(curve, by_characters, by_time, (f"{seen / scale:.3g} {unit}", f"{spent:.3g} s"))
    ends = [line.nats[-1] for point, lines in learned.items() for line in lines if point.nats or len(learned) == 1]
    low = min(float(line.nats.min()) for lines in learned.values() for line in lines)
    return title, (low - 0.05, max(low + 1.2, min(max(map(float, ends), default=low) + 0.1, low + 3)))


def _learned(point: Point, run: Callable[[str], Path]) -> list[Learning]:
    lines = [
        learning(run(trial.name), outcome.figures.steps)
        for trial, outcome in zip(point.trials, point.outcomes, strict=True)
        if outcome.figures is not None
    ]
    return [line for line in lines if line is not None]


def _places(axes: Any, curve: Curve) -> dict[Point, float]:
    """The place of each point along the axis, which is labelled with the values."""
    if not curve.factor.more:
        places = {point: float(number) for number, point in enumerate(curve.points)}
    else:
        places = {point: float(point.value) for point in curve.points}
        if curve.factor.logarithmic:
            axes.set_xscale("log")
            axes.minorticks_off()
    labels = list[str]()
    at = np.log(list(places.values())) if axes.get_xscale() == "log" else np.array(list(places.values()))
    room = 0.09 * max(float(np.ptp(at)), 1e-9) if len(at) > 1 else 0.0
    for number, point in enumerate(places):  # if two would overlap, the second goes lower
        crowded = number > 0 and at[number] - at[number - 1] < room and not labels[-1].startswith("\n")
        labels.append("\n" * bool(crowded) + point.label)
    axes.set_xticks(list(places.values()), labels)
    if len(places) > 1:
        axes.margins(x=0.08)
    if len(places) > 5:
        axes.tick_params(axis="x", labelsize=8)
    return places


def _mark_diverged(axes: Any, curve: Curve, places: dict[Point, float]) -> None:
    """A labelled cross at the top for each value at which a trial diverged."""
    for point in curve.points:
        if point.diverged:
            share = f"{point.diverged} of {len(point.outcomes)} " if point.nats else ""
            where = (places[point], 0.93)
            axes.plot(*where, "x", color=RED, markersize=9, markeredgewidth=2, transform=axes.get_xaxis_transform())
            axes.annotate(
                f"{share}diverged", where, (0, -14), xycoords=axes.get_xaxis_transform(),
                textcoords="offset points", ha="center", fontsize=8, color=RED,
            )  # fmt: skip


def _colour(curve: Curve, number: int, count: int) -> Any:
    """A colour for each value: from dark to light if they are ordered."""
    if not curve.factor.more:
        return style.COLOURS[number % len(style.COLOURS)]
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * number / max(1, count - 1))


def _unit(counts: Sequence[float]) -> tuple[str, float]:
    most = max(counts, default=0)
    return ("millions", 1e6) if most >= 1e6 else ("thousands", 1e3)

"""What a search found: the finding, its progress, and the loss against each setting that was searched."""

import math

from charloom.plotting import style
from charloom.study.curves import Outcomes, Point
from charloom.study.drawings import BLUE, DPI, GREEN, RED
from charloom.study.findings import alike
from charloom.study.space import Choice, Space
from charloom.study.trials import Trial, value_text


def first_of(settings: list[Point]) -> Point:
    """The point of the first trial, which has the centre's settings."""
    return min(settings, key=lambda point: str(point.value))


def finding(settings: list[Point], noise: float | None) -> str:
    """The finding, in one sentence without its full stop; `settings` are sorted, best first."""
    first, best = first_of(settings), settings[0]
    if not best.nats:
        return "No trial has a result"
    if not first.nats:
        return (
            f"The best of {len(settings)} settings, {best.value}, reaches {best.mean:.4f} nats; "
            "the recipe's own trial did not finish"
        )
    if best is first:
        return f"None of the {len(settings) - 1} other settings is better than the recipe's, {first.mean:.4f} nats"
    seeds = f", mean of {len(best.nats)} seeds each" if len(best.nats) > 1 else ""
    said = (
        f"The best of {len(settings)} settings, {best.value}, reaches {best.mean:.4f} nats, the recipe "
        f"{first.mean:.4f}{seeds}: {first.mean - best.mean:.4f} less"
    )
    if noise is None:
        return f"{said} (one seed, so some of this may be chance)"
    return f"{said}, which is within the seeds' spread" if alike(first, best, noise) else said


def draw_course(outcomes: Outcomes, title: str) -> bytes:
    """A PNG: each trial's loss in search order, and the best so far; stopped trials are marked at the top."""
    figure = style.figure(7, 4)
    axes = style.axes(figure, title, "trial", "held-out nats per character")
    trials = sorted((trial for trial in outcomes if "-seed-" not in trial.name), key=lambda trial: trial.name)
    known = [
        (number, outcomes[trial].look) for number, trial in enumerate(trials) if outcomes[trial].state == "finished"
    ]
    losses = [(number, look.nats) for number, look in known if look is not None]
    axes.plot(*zip(*losses, strict=True) if losses else ((), ()), "o", color=BLUE, markersize=5, label="finished")
    best, steps = math.inf, []
    for number, nats in losses:
        best = min(best, nats)
        steps.append((number, best))
    if steps:
        axes.step(*zip(*steps, strict=True), where="post", color=GREEN, linewidth=1.5, label="best so far")
        axes.annotate("recipe", losses[0], (6, 4), textcoords="offset points", fontsize=8)
        low = min(nats for _, nats in losses)
        high = max(nats for _, nats in losses)
        axes.set_ylim(low - 0.08 * (high - low) - 0.01, min(high, low + 1) + 0.12 * (min(high, low + 1) - low) + 0.01)
    for state, mark, colour in (("pruned", "|", "0.4"), ("diverged", "x", RED), ("failed", "x", "black")):
        at = [number for number, trial in enumerate(trials) if outcomes[trial].state == state]
        if at:
            axes.plot(at, [0.97] * len(at), mark, color=colour, transform=axes.get_xaxis_transform(), label=state)
    axes.legend(frameon=False, fontsize=8)
    return style.reduced(style.rendered(figure, dpi=DPI))


def draw_settings(outcomes: Outcomes, space: Space, title: str) -> bytes:
    """A PNG of small multiples: the loss of the finished trials against each searched setting."""
    columns = min(3, len(space))
    rows = -(-len(space) // columns)
    figure = style.figure(8.6, 2.5 * rows + 0.5)
    figure.suptitle(style.wrapped(title, figure), fontsize=11)
    places = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten()
    finished = [
        (trial, outcome.look.nats)
        for trial, outcome in outcomes.items()
        if outcome.state == "finished" and outcome.look and "-seed-" not in trial.name
    ]
    best = min(finished, key=lambda pair: pair[1], default=None)
    for place, (setting, dimension) in zip(places, space.items(), strict=False):
        axes = style.axes(place, "", setting.split(".")[1].replace("_", " "), "")
        named = isinstance(dimension, Choice)
        order = list(dimension.values) if isinstance(dimension, Choice) else []
        for trial, nats in finished:
            value = _value(trial, setting)
            at = order.index(value) if named and value in order else value
            axes.plot([at], [nats], "o", color=RED if best and trial is best[0] else BLUE, markersize=4, alpha=0.8)
        if named:
            axes.set_xticks(range(len(order)), [value_text(value) for value in order])
        elif not isinstance(dimension, Choice) and dimension.logarithmic:
            axes.set_xscale("log")
            axes.minorticks_off()
            ticks = (dimension.low, math.sqrt(dimension.low * dimension.high), dimension.high)
            axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.tick_params(labelsize=8)
    for place in places[len(space) :]:
        place.set_visible(False)
    for place in places[::columns]:
        place.set_ylabel("held-out nats")
    return style.reduced(style.rendered(figure, dpi=DPI))


def settings_finding(outcomes: Outcomes, space: Space) -> str:
    """The range of the best third of the finished trials, for the setting in which it is narrowest."""
    finished = [
        (outcome.look.nats, trial)
        for trial, outcome in outcomes.items()
        if outcome.state == "finished" and outcome.look and "-seed-" not in trial.name
    ]
    ranked = [trial for _, trial in sorted(finished, key=lambda pair: pair[0])]
    third = ranked[: max(2, len(ranked) // 3)]
    widths = {}
    for setting in space:
        values = [_value(trial, setting) for trial in ranked]
        if len(third) < len(ranked) and all(isinstance(value, (int, float)) for value in values):
            numbers = [float(value) for value in values]  # type: ignore[arg-type]
            best = numbers[: len(third)]
            if max(numbers) > min(numbers):
                widths[setting] = ((max(best) - min(best)) / (max(numbers) - min(numbers)), min(best), max(best))
    if not widths:
        return "Too few trials finished to say which setting matters"
    setting, (_, low, high) = min(widths.items(), key=lambda pair: pair[1][0])
    words = setting.split(".")[1].replace("_", " ")
    span = f"of {low:.3g}" if low == high else f"from {low:.3g} to {high:.3g}"
    return f"The best third of the trials that finished has a {words} {span}"


def _value(trial: Trial, setting: str) -> object:
    group, name = setting.split(".")
    return getattr(getattr(trial, group), name)

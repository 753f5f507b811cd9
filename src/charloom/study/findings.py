"""What a study found, in sentences computed from its figures.

Two settings differ if their means are further apart than twice the standard error of the difference. The spread between
seeds is estimated from all settings of the study, because two or three seeds of one setting say little; a setting with
a larger spread uses its own. With one seed the spread is unknown, and the sentence says so.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from charloom.durations import duration
from charloom.study.curves import Curve, Point
from charloom.study.trials import Request

ERRORS = 2.0

ALIKE_SPEED = 1.2
"""Speeds with a smaller ratio count as equal: a machine with other work varies this much."""

ENOUGH_NATS = 0.01
"""A context is long enough if its loss is at most this far above that of the longest."""


def budget_words(request: Request) -> str:
    """The budget of a trial in words."""
    if request.budget_seconds is not None:
        seconds = request.budget_seconds
        return f"{seconds:g} s" if seconds < 120 else duration(seconds)
    return f"{request.characters or 0:,} characters"


def alike(one: Point, other: Point, noise: float | None) -> bool:
    """Whether two settings differ by no more than their seeds do."""
    if noise is None or math.isinf(one.mean) or math.isinf(other.mean):
        return one.mean == other.mean
    error = math.hypot(*(max(noise, point.spread) / math.sqrt(len(point.nats)) for point in (one, other)))
    return abs(one.mean - other.mean) <= ERRORS * error


def finding(curve: Curve, noise: float | None, budget: str) -> str:
    """The effect of a factor on the held-out loss, in one sentence without its full stop."""
    points, words = curve.finished, curve.factor.words
    lost = [point.label for point in curve.points if point.diverged and not point.nats]
    behind = f"; {_listed(lost)} {'diverges' if len(lost) == 1 else 'diverge'}" if lost else ""
    shaky = [point.label for point in curve.points if point.diverged and point.nats]
    behind += f"; at {_listed(shaky)} some seeds diverge" if shaky else ""
    if not points:
        return f"Every {words} diverges" if lost else f"No trial of the {words} finished"
    if len(points) == 1:
        return f"Only one {words}, {points[0].label}, has a result{behind}"
    said = _ordered(curve, points, noise, budget) if curve.factor.more else _named(curve, points, noise, budget)
    return said + behind + ("" if noise is not None else " (one seed, so some of this may be chance)")


def _named(curve: Curve, points: list[Point], noise: float | None, budget: str) -> str:
    """The finding for values without an order."""
    best, *others = sorted(points, key=lambda point: point.mean)
    equal = [point for point in others if alike(best, point, noise)]
    if len(equal) == len(others):
        return f"Which {curve.factor.words} makes no difference beyond the seeds' spread in {budget}"
    worse = [point for point in others if point not in equal]
    costs = _costs(best, worse)
    if equal:
        return f"{_listed([best.label, *(point.label for point in equal)])} cannot be told apart in {budget}; {costs}"
    return f"{best.label} is the best {curve.factor.words} in {budget}; {costs}"


def _ordered(curve: Curve, points: list[Point], noise: float | None, budget: str) -> str:
    best = min(points, key=lambda point: point.mean)
    equal = [alike(best, point, noise) for point in points]
    words, more, within = curve.factor.words, curve.factor.more, f"in {budget}"
    if all(equal):
        span = f"from {points[0].label} to {points[-1].label}"
        return f"The {words} makes no difference beyond the seeds' spread {span} {within}"
    low, high = equal.index(True), len(points) - 1 - equal[::-1].index(True)
    steady = all(equal[low : high + 1]) and _falls(points[: low + 1], noise) and _falls(points[high:][::-1], noise)
    if not steady:
        worse = [point for point, same in zip(points, equal, strict=True) if not same]
        return f"{best.label} is the best {words} {within}, but the loss follows no order; {_costs(best, worse)}"
    helps = f"{_capital(more)} up to {points[low].label} {within}"
    if low == 0:
        smallest = (
            f"{points[0].label} is enough"
            if high == 0
            else f"{points[0].label} to {points[high].label} cannot be told apart"
        )
        no = _capital(more.replace(" helps", " does not help"))
        return f"{no} {within}: {smallest}, {_cost(best, points[-1])}"
    if high == len(points) - 1:
        if low == high:
            return f"{helps}, the most that was tried: {_gain(best, points[0])}"
        return f"{helps}; from there to {points[-1].label} it makes no difference beyond the seeds' spread"
    if low < high:
        return f"{helps}, {points[low].label} to {points[high].label} cannot be told apart, {_cost(best, points[-1])}"
    return f"{helps}, and {_cost(best, points[-1])}"


def _falls(points: Sequence[Point], noise: float | None) -> bool:
    """Whether the loss falls from each point to the next, within the spread of the seeds."""
    return all(later.mean < earlier.mean or alike(earlier, later, noise) for earlier, later in pairwise(points))


def _cost(best: Point, other: Point) -> str:
    return f"{other.label} costs {other.mean - best.mean:.3f} nats"


def _gain(best: Point, other: Point) -> str:
    return f"{other.mean - best.mean:.3f} nats less than {other.label}"


def _costs(best: Point, others: list[Point]) -> str:
    lost = sorted((point.mean - best.mean, point.label) for point in others)
    if len(lost) == 1:
        return f"{lost[0][1]} costs {lost[0][0]:.3f} nats"
    return f"the others cost {lost[0][0]:.3f} ({lost[0][1]}) to {lost[-1][0]:.3f} nats ({lost[-1][1]})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def cost_finding(curve: Curve) -> str:
    """The effect of a factor on speed, memory and parameters, in one sentence without its full stop."""
    measured = [point for point in curve.points if point.figure("characters_per_second")]
    if len(measured) < 2:
        return f"The cost of the {curve.factor.words}"
    speeds = [(point.figure("characters_per_second") or 0.0, point) for point in measured]
    (slow, slowest), (fast, fastest) = min(speeds, key=lambda pair: pair[0]), max(speeds, key=lambda pair: pair[0])
    said = (
        f"{fastest.label} reads {fast / slow:.1f} times as fast as {slowest.label}"
        if fast / slow > ALIKE_SPEED
        else f"The {curve.factor.words} does not change the speed"
    )
    memories = [(point.figure("peak_memory_bytes") or 0.0, point) for point in measured]
    if all(memory for memory, _ in memories):
        (little, least), (much, most) = min(memories, key=lambda pair: pair[0]), max(memories, key=lambda pair: pair[0])
        if much / little < 1.05:
            said += "; memory is the same"
        else:
            said += f"; {most.label} takes {(much - little) / 2**20:,.0f} MB more memory than {least.label}"
    return said


def gradient_finding(curve: Curve) -> str:
    """The effect of a factor on the gradient norm and on how often it is clipped."""
    measured = [(point, point.figure("gradient_norm"), point.figure("clipped")) for point in curve.points]
    known = [(point, norm, share) for point, norm, share in measured if norm is not None and share is not None]
    if not known:
        return "No trial recorded a gradient"
    (first, low, rare), (last, high, often) = known[0], known[-1]
    if len(known) == 1:
        return f"At {first.label} the gradient norm is {low:.2f}, and {rare:.1%} of the steps are clipped"
    return (
        f"From {first.label} to {last.label} the gradient norm goes from {low:.2f} to {high:.2f}, "
        f"the share of clipped steps from {rare:.1%} to {often:.1%}"
    )


def leader_finding(
    curve: Curve, at_characters: dict[str, float], at_time: dict[str, float], along: tuple[str, str]
) -> str:
    """Which value leads after equal characters and after equal time, given the losses at both points."""
    if len(at_characters) < 2 or len(at_time) < 2:
        return f"Loss while training, by {curve.factor.words}"
    first, second = min(at_characters, key=at_characters.__getitem__), min(at_time, key=at_time.__getitem__)
    if first == second:
        return f"{first} is ahead at equal characters ({along[0]}) and at equal time ({along[1]})"
    return f"{first} is ahead at equal characters ({along[0]}), {second} at equal time ({along[1]})"


def context_finding(curve: Curve) -> str | None:
    """How much context the models trained with each value use, in one sentence; None if not measured."""
    known = [(point.label, losses) for point in curve.finished if (losses := by_context(point))]
    if len(known) < 2:
        return None
    longest = max(known[0][1])
    enough = [
        (label, min(context for context, nats in losses.items() if nats <= losses[max(losses)] + ENOUGH_NATS))
        for label, losses in known
    ]
    (first, few), (last, many) = enough[0], enough[-1]
    if few == many:
        return (
            f"Trained with {first} or {last}, models use about {few} symbols of context (of {longest} that were tried)"
        )
    return f"Trained with {first}, models use about {few} symbols of context; trained with {last}, about {many}"


def by_context(point: Point) -> dict[int, float]:
    """The loss by context length, averaged over the trials of a point."""
    sums: dict[int, list[float]] = {}
    for outcome in point.outcomes:
        for step in outcome.look.context if outcome.look else ():
            sums.setdefault(step.context, []).append(step.nats)
    return {context: sum(losses) / len(losses) for context, losses in sums.items()}

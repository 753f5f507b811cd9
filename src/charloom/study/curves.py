"""The trials of a study, sorted: for each factor the points of its curve, each with the results of its seeds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from charloom.study.outcomes import Outcome
from charloom.study.trials import FACTORS, Factor, Study, Trial, Value, value_text

Outcomes = Mapping[Trial, Outcome]

MANY = 5
"""With this many settings of several seeds, the spread becomes a median."""


@dataclass(frozen=True)
class Point:
    """One value of a factor, and the trials with it; all other settings are equal."""

    value: Value
    trials: tuple[Trial, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def label(self) -> str:
        """The value, as people write it."""
        return value_text(self.value)

    @property
    def nats(self) -> list[float]:
        """The held-out loss of each trial that finished."""
        return [outcome.look.nats for outcome in self.outcomes if outcome.state == "finished" and outcome.look]

    @property
    def mean(self) -> float:
        """The mean of those; infinite if none finished."""
        return statistics.fmean(self.nats) if self.nats else math.inf

    @property
    def spread(self) -> float:
        """The standard deviation of those; 0 if there is only one."""
        return statistics.stdev(self.nats) if len(self.nats) > 1 else 0.0

    @property
    def diverged(self) -> int:
        """Number of trials that diverged."""
        return sum(outcome.state == "diverged" for outcome in self.outcomes)

    def figure(self, name: str) -> float | None:
        """The mean of a field of `Figures` over the trials that have it."""
        values = [getattr(outcome.figures, name) for outcome in self.outcomes if outcome.figures is not None]
        values = [value for value in values if value is not None]
        return statistics.fmean(values) if values else None


@dataclass(frozen=True)
class Curve:
    """A factor and its points, in the order of its values."""

    factor: Factor
    points: tuple[Point, ...]

    @property
    def finished(self) -> list[Point]:
        """The points that have a result."""
        return [point for point in self.points if point.nats]


def curves(study: Study, outcomes: Outcomes) -> list[Curve]:
    """A curve for each factor of a sweep. On a grid, each value gets the best of the other settings tried."""
    made = []
    for factor in FACTORS:
        if factor.name in study.request.values():
            made.append(Curve(factor, _points(study, factor, outcomes)))
    return made


def settings_of(outcomes: Outcomes) -> list[Point]:
    """All settings that were tried, with the seeds of one setting together: most seeds first, then best first.

    The `value` of such a point is its name without the seed.
    """
    groups: dict[object, dict[int, Trial]] = {}
    for trial in outcomes:  # a search may try a setting twice; that is not a second seed
        groups.setdefault(trial.settings, {}).setdefault(trial.training.seed, trial)
    points = []
    for seeds in groups.values():
        trials = list(seeds.values())
        points.append(_point(trials[0].name.rpartition("-seed-")[0] or trials[0].name, trials, outcomes))
    return sorted(points, key=lambda point: (-len(point.nats), point.mean))


def noise(outcomes: Outcomes) -> float | None:
    """The standard deviation of the held-out loss between seeds of one setting, from all settings; None with one seed.

    The root of the mean variance. From `MANY` settings on, the median of the variances instead, each divided by the
    median that it would have for a normal variable (Wilson and Hilferty 1931), so that one trial in which the machine
    stalled does not dominate.
    """
    samples = [point.nats for point in settings_of(outcomes) if len(point.nats) > 1]
    if not samples:
        return None
    variances = [(statistics.variance(sample), len(sample) - 1) for sample in samples]
    if len(samples) >= MANY:
        return math.sqrt(statistics.median(variance / (1 - 2 / (9 * free)) ** 3 for variance, free in variances))
    return math.sqrt(math.fsum(variance * free for variance, free in variances) / sum(free for _, free in variances))


def _points(study: Study, factor: Factor, outcomes: Outcomes) -> tuple[Point, ...]:
    centre = Trial("", study.network, study.training)
    groups: dict[Value, dict[object, list[Trial]]] = {}
    for trial in outcomes:
        if study.request.grid or _differs_only_in(trial, centre, factor):
            groups.setdefault(trial.value(factor), {}).setdefault(trial.settings, []).append(trial)
    points = [
        min((_point(value, trials, outcomes) for trials in alike.values()), key=lambda point: point.mean)
        for value, alike in groups.items()
    ]
    if factor.name == "cell":  # in the requested order
        order = list(study.request.cells)
        return tuple(sorted(points, key=lambda point: order.index(point.value) if point.value in order else -1))
    return tuple(sorted(points, key=lambda point: point.value))


def _point(value: Value, trials: Sequence[Trial], outcomes: Outcomes) -> Point:
    return Point(value, tuple(trials), tuple(outcomes[trial] for trial in trials))


def _differs_only_in(trial: Trial, centre: Trial, factor: Factor) -> bool:
    others = [other for other in FACTORS if other is not factor]
    return all(trial.value(other) == centre.value(other) for other in others)

"""How a trial learned: its loss against characters seen and against time, read from its run without torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charloom.study.outcomes import quick_lines
from charloom.training.runs import Run

Floats = NDArray[np.float64]

PARTS = 40
"""Number of points in a curve; each is the mean over its interval."""


@dataclass(frozen=True, eq=False)
class Learning:
    """The training loss of a run, at a few dozen points."""

    characters: Floats
    seconds: Floats
    nats: Floats

    def at(self, characters: float) -> float:
        """The loss after a given number of characters."""
        return float(np.interp(characters, self.characters, self.nats))

    def after(self, seconds: float) -> float:
        """The loss after a given time."""
        return float(np.interp(seconds, self.seconds, self.nats))


def learning(run: Path, steps: int) -> Learning | None:
    """How a run learned up to a step; None if it recorded nothing."""
    lines = [
        line
        for line in quick_lines(run / "metrics.jsonl", Run(run).metrics)
        if "loss_nats" in line and line["step"] <= steps
    ]
    clock = quick_lines(run / "clock.jsonl", Run(run).clock)
    if not lines or not clock:
        return None
    at, characters, nats = (
        np.array([line[key] for line in lines], np.float64) for key in ("step", "characters_seen", "loss_nats")
    )
    seconds = np.interp(at, [line["step"] for line in clock], [line["seconds"] for line in clock])
    ends = np.unique(np.linspace(0, len(lines), min(PARTS, len(lines)) + 1).astype(int))
    counts = np.diff(ends)

    def mean(values: Floats) -> Floats:
        means: Floats = np.add.reduceat(values, ends[:-1]) / counts
        return means

    return Learning(mean(characters), mean(seconds), mean(nats))

"""The outcome of a trial: read from its run, stored next to it, and read back without torch."""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from charloom.errors import FolderError
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training.checkpoints import record
from charloom.training.runs import Run

State = Literal["finished", "pruned", "diverged", "failed"]

HOPELESS = 1.1
"""A loss this many times that of a uniform model counts as a divergence, even if it is finite."""

Lines = list[dict[str, Any]]


@dataclass(frozen=True)
class Figures:
    """The figures that a trial's run recorded."""

    steps: int
    planned_steps: int
    characters_seen: int
    seconds: float
    "Seconds of training, with validations and saving; without process start and final validation."
    parameters: int
    peak_memory_bytes: int | None
    training_nats: float
    "Nats per character, over the last lines of the run."
    gradient_norm: float
    "Before clipping, mean over steps."
    clipped: float
    "Share of steps with a clipped gradient."
    precision: str

    @property
    def characters_per_second(self) -> float:
        """Characters per second, validations and saving included."""
        return self.characters_seen / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class ContextLoss:
    """The loss of predictions with at most a given number of symbols of context."""

    context: int
    nats: float


@dataclass(frozen=True)
class Look:
    """What is measured in the same way for every trained trial."""

    nats: float
    "Nats per character of the held-out text, read in sixteen rows."
    characters: int
    "Characters of the held-out text that were read."
    sample: str
    "What it writes after the study's prompt, with the same seed as all trials."
    known_words: float
    "Share of the words it writes that occur in the text."
    context: tuple[ContextLoss, ...]
    "Loss by context length, for trials of a sequence length."


@dataclass(frozen=True)
class Outcome:
    """How a trial ended."""

    state: State
    message: str
    "What its process said, if it did not finish."
    wall_seconds: float
    "From start to end of its process, in the last session."
    figures: Figures | None
    look: Look | None
    format: Literal["charloom-outcome-1"] = "charloom-outcome-1"


def read_outcome(path: Path) -> Outcome | None:
    """The outcome in a file; None if the file does not exist. Raises `FolderError`."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}; fix that") from None
    return strict_json.load(Outcome, strict_json.parse(data, str(path)), str(path))


def keep_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome, completely or not at all."""
    atomic_files.replace(Disk(), path, strict_json.dump(outcome))


def finished(run: Path) -> bool:
    """Whether a run has ended, according to its newest checkpoint."""
    try:
        return bool(record(run)["position"]["finished"])
    except FolderError:
        return False


def measure(run: Path) -> Figures:
    """The figures of a run that has taken steps. Raises `FolderError`."""
    config = Run(run).config()
    lines = [line for line in quick_lines(run / "metrics.jsonl", Run(run).metrics) if "loss_nats" in line]
    clock = quick_lines(run / "clock.jsonl", Run(run).clock)
    if not lines or not clock:
        raise FolderError(f"{run} has no metrics yet; train it for some steps first")
    steps = [0, *(line["step"] for line in lines)]
    weights = [later - earlier for earlier, later in pairwise(steps)]
    last = lines[-max(1, len(lines) // 20) :]
    return Figures(
        steps=steps[-1],
        planned_steps=config.plan.steps,
        characters_seen=lines[-1]["characters_seen"],
        seconds=float(clock[-1]["seconds"]),
        parameters=config.plan.parameters,
        peak_memory_bytes=max((line.get("peak_memory_bytes") or 0 for line in clock), default=0) or None,
        training_nats=math.fsum(line["loss_nats"] for line in last) / len(last),
        gradient_norm=_mean([line["gradient_norm"] for line in lines], weights),
        clipped=_mean([line["clipped"] for line in lines], weights),
        precision=config.plan.precision,
    )


def diverged(nats: float, uniform_nats: float) -> bool:
    """Whether a loss is too high for a model that learned anything."""
    return not nats < HOPELESS * uniform_nats


def quick_lines(path: Path, strictly: Any) -> Lines:
    """The complete lines of a JSON-lines file, parsed in one go; `strictly` explains what is wrong with a bad one."""
    try:
        *whole, _ = path.read_bytes().split(b"\n")
        lines = json.loads(b"[" + b",".join(whole) + b"]")
        if len(lines) == len(whole) and all(type(line["step"]) is int for line in lines):
            return lines  # type: ignore[no-any-return]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return strictly()  # type: ignore[no-any-return]


def _mean(values: list[float], weights: list[int]) -> float:
    return math.fsum(value * weight for value, weight in zip(values, weights, strict=True)) / max(1, sum(weights))

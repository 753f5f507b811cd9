"""Turns a time budget into a number of steps: speed is measured once, and from then on only steps count."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from charloom.data.batches import Streams
from charloom.data.text import Text
from charloom.evaluation.reading import carried_batches
from charloom.evaluation.score import evaluate_folded
from charloom.machine.hardware import Choice
from charloom.models.language_model import LanguageModel
from charloom.models.network import CharRNN, reading
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.training.processes import Processes
from charloom.training.tasks import Task, assign
from charloom.training.trainer import Trainer

SHARE = 0.97
"""Share of the budget that is planned; the rest is a reserve in case the machine slows down."""

_SAVE_SECONDS, _SAVED_A_SECOND = 0.03, 10e6
"""Seconds per save, plus one for this many parameters (each is stored four times), on a slow disk."""

_PROBE = 4096

_ENOUGH = 0.5
"""Seconds of steps that measure a speed."""

MANY = 1_000_000
"""Steps of a trainer that only measures."""


@dataclass(frozen=True)
class Speed:
    """Seconds that each operation takes on this machine."""

    step: float
    folded_character: float
    carried_character: float
    save: float
    "Estimated, not measured."


@dataclass(frozen=True)
class Allowance:
    """What fits in a budget."""

    steps: int
    validation_characters: int
    carried: bool
    "Whether the final score can be measured with carried state in a twentieth of the budget."


USUAL = TrainingConfig(optimizer="adamw", batch_size=32, sequence_length=64)
"""The settings with which `recipes.SIZES` were measured."""


def characters_per_second(
    device: Choice,
    precision: Choice,
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = USUAL,
    characters: int = 1_000_000,
    processes: Processes | None = None,
) -> float:
    """How fast this machine trains a network on a text of `characters` characters; takes about half a second.

    With `processes`, how fast all of them do together.
    """
    length = max(1, min(characters, training.batch_size * training.sequence_length))
    name: Literal["float32", "bfloat16"] = "bfloat16" if precision.name == "bfloat16" else "float32"
    task = Task(CorpusConfig(), network, training, MANY, device.name, name, text=None, random_characters=length)
    assign(processes, task)
    trainer = practice(task, processes)
    steps = iter(trainer.steps())
    return length / len(trainer.batches) / _seconds(lambda: next(steps), times=4)


def practice(task: Task, processes: Processes | None) -> Trainer:
    """A trainer on random symbols."""
    network, training = task.network, task.training
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = CharRNN(network, inputs=66, outputs=65).to(task.device)
    ids = np.random.Generator(np.random.PCG64(0)).integers(0, 65, task.random_characters, np.uint8)
    batches = Streams(ids, boundary=65, batch_size=training.batch_size, sequence_length=training.sequence_length)
    return Trainer(untrained, batches, training, steps=task.steps, precision=task.precision, processes=processes)


def measure(trainer: Trainer, model: LanguageModel, validation: Text, budget: float) -> Speed:
    """Measure the speed of steps and of scoring with a few throw-away ones.

    Takes about 1.5 % of the budget, but at least half a second and at most 5 seconds; three steps, if they take no more
    than 5 % of it.
    """
    steps = iter(trainer.steps())
    next(steps, None)
    times: list[float] = []
    end = time.monotonic() + min(5.0, max(_ENOUGH, 0.015 * budget))
    late = max(end, time.monotonic() + 0.05 * budget)
    while not times or time.monotonic() < (late if len(times) < 3 else end):
        began = time.monotonic()
        if next(steps, None) is None:
            break
        times.append(time.monotonic() - began)
    step = statistics.fmean(times) if times else 0.0
    save = _SAVE_SECONDS + model.network.parameter_count() / _SAVED_A_SECOND
    if validation.characters == 0:
        return Speed(step, 0.0, 0.0, save)
    probe = validation.slice(0, min(validation.characters, _PROBE))
    folded = _seconds(lambda: evaluate_folded(model, probe))
    ids = model.encode(validation.slice(0, min(validation.characters, 512)))

    def read_carried() -> None:
        with reading(model.network):
            for batch in carried_batches(model, ids, 512):
                model.network(batch.inputs.to(model.network.device))

    carried = _seconds(read_carried)
    return Speed(step, folded / probe.characters, carried / min(validation.characters, 512), save)


def allow(
    budget: float, spent: float, speed: Speed, validation: Text, config: TrainingConfig, *, save_every: float
) -> Allowance:
    """What `budget` seconds allow after `spent` of them."""
    characters = validation.characters
    part = characters
    if speed.folded_character:
        part = min(characters, max(2048, int(0.03 * budget / config.validations / speed.folded_character)))
    carried = characters * speed.carried_character <= max(1.0, 0.05 * budget)
    final = characters * speed.carried_character if carried else part * speed.folded_character
    overhead = config.validations * (part * speed.folded_character + speed.save) + final + 2 * speed.save
    usable = SHARE * budget - spent - overhead
    per_step = speed.step * (1 + speed.save / max(save_every, 1.0))
    return Allowance(max(1, int(usable / per_step)) if per_step else 1, part, carried)


def _seconds(do: Callable[[], object], times: int = 1) -> float:
    """The fastest of `times` calls, after one untimed call; of fewer calls if they take more than half a second."""
    do()
    durations: list[float] = []
    while not durations or (len(durations) < times and sum(durations) < _ENOUGH):
        began = time.monotonic()
        do()
        durations.append(time.monotonic() - began)
    return min(durations)

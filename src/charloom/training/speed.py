"""How fast this machine trains and reads a network, measured with a few throw-away steps."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from charloom.data.batches import Streams
from charloom.data.text import Text
from charloom.evaluation.reading import carried_batches
from charloom.evaluation.score import evaluate_folded
from charloom.machine.hardware import Choice
from charloom.models.language_model import LanguageModel
from charloom.models.network import CharRNN, reading
from charloom.settings import NetworkConfig, TrainingConfig
from charloom.training.distributed import ALONE, Ranks
from charloom.training.trainer import Trainer

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


USUAL = TrainingConfig(optimizer="adamw", batch_size=32, sequence_length=64)
"""The settings with which `recipes.SIZES` were measured."""


def characters_per_second(
    device: Choice,
    precision: Choice,
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = USUAL,
    characters: int = 1_000_000,
    ranks: Ranks = ALONE,
) -> float:
    """How fast this machine, or all `ranks` together, train a network on a text of `characters` characters; takes about
    half a second."""
    length = max(1, min(characters, training.batch_size * training.sequence_length))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        untrained = CharRNN(network, inputs=66, outputs=65).to(device.name)
    ids = np.random.Generator(np.random.PCG64(0)).integers(0, 65, length, np.uint8)
    batches = Streams(ids, boundary=65, batch_size=training.batch_size, sequence_length=training.sequence_length)
    trainer = Trainer(untrained, batches, training, steps=MANY, precision=precision.name, ranks=ranks)
    seconds = _seconds(trainer.advance, times=4, ranks=ranks)
    return ranks.decide(lambda: length / len(batches) / seconds)


def measure(trainer: Trainer, model: LanguageModel, validation: Text, budget: float) -> Speed:
    """Measure the speed of steps and of scoring with a few throw-away ones.

    Takes about 1.5 % of the budget, but at least half a second and at most 5 seconds; three steps, if they take no more
    than 5 % of it.
    """
    ranks = trainer.ranks
    trainer.advance()
    times: list[float] = []
    end = time.monotonic() + min(5.0, max(_ENOUGH, 0.015 * budget))
    late = max(end, time.monotonic() + 0.05 * budget)
    while not times or ranks.decide(lambda: time.monotonic() < (late if len(times) < 3 else end)):
        began = time.monotonic()
        trainer.advance()
        times.append(time.monotonic() - began)
    step = statistics.fmean(times)
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


def _seconds(do: Callable[[], object], times: int = 1, ranks: Ranks = ALONE) -> float:
    """The fastest of `times` calls, after one untimed call; of fewer calls if they take more than half a second."""
    do()
    durations: list[float] = []
    while not durations or (len(durations) < times and ranks.decide(lambda: sum(durations) < _ENOUGH)):
        began = time.monotonic()
        do()
        durations.append(time.monotonic() - began)
    return min(durations)

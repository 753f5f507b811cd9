"""Settings for a text, a machine and a time: tables based on experiments (docs/explanation/recipes.md).

`reach`, the characters that a 1x512 LSTM could be trained on in the time, decides the size of the network, but a short
text does not get a large one. The epochs that this network can train, times its recurrent weights, divided by the
characters of the text, are the `pressure` to memorize the text; it decides how strongly the network is regularized.
Where the time or the text is short, steps are small, so that there are more. The length of the text also decides how
many epochs help at all.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from charloom.settings import NetworkConfig, TrainingConfig

Settings = dict[str, Any]
"""Values by name, for example `network.hidden_size`."""

_HALF = {"training.sequence_length": 64}
_QUARTER = _HALF | {"training.batch_size": 16}

SIZES: tuple[tuple[float, Settings], ...] = (
    (0.1e6, {"network.hidden_size": 128, "network.embedding_size": 32} | _HALF),
    (3e6, {"network.hidden_size": 256, "network.embedding_size": 64} | _HALF),
    (6e6, {"network.hidden_size": 384, "network.embedding_size": 128} | _HALF),
    (30e6, {"network.hidden_size": 512, "network.embedding_size": 128}),
    (120e6, {"network.hidden_size": 768, "network.embedding_size": 128}),
    (math.inf, {"network.hidden_size": 1024, "network.embedding_size": 128}),
)
"""The largest reach for which a row applies, and the row."""

RESTRAINTS: tuple[tuple[float, Settings], ...] = (
    (6, {"network.dropout": 0.1, "network.weight_dropout": 0.0, "training.weight_decay": 0.05}),
    (12, {"network.dropout": 0.3, "network.weight_dropout": 0.02, "training.weight_decay": 0.1}),
    (30, {"network.dropout": 0.4, "network.weight_dropout": 0.05, "training.weight_decay": 0.15}),
    (100, {"network.dropout": 0.5, "network.weight_dropout": 0.2, "training.weight_decay": 0.15}),
    (250, {"network.dropout": 0.5, "network.weight_dropout": 0.3, "training.weight_decay": 0.15}),
    (math.inf, {"network.dropout": 0.5, "network.weight_dropout": 0.5, "training.weight_decay": 0.15}),
)
"""The largest pressure for which a row applies, and the row."""

ALWAYS: Settings = {"training.learning_rate": 12e-3}

PATIENCE = 0.3
"""Share of a run's validations that may pass without improvement."""


@dataclass(frozen=True)
class Length:
    """What the length of a text decides."""

    characters: float
    "The longest training text for which this applies."
    most_units: int
    "The largest network that is chosen, however much time there is."
    steps: Settings
    "How the text is cut into steps: a short text into small ones, because an epoch has few."
    most_epochs: float
    "The most epochs that are planned, however much time there is: more would not help."
    tuning: Settings
    "How a model of another text is fine-tuned."
    most_epochs_tuning: float
    "Like `most_epochs`, for fine-tuning."


_GENTLE = {
    "network.dropout": 0.3,
    "network.weight_dropout": 0.05,
    "training.weight_decay": 0.05,
    "training.learning_rate": 2e-3,
}

LENGTHS: tuple[Length, ...] = (
    Length(60_000, 256, _QUARTER, 40, _GENTLE | _HALF, 12),
    Length(300_000, 256, _HALF, 60, _GENTLE | _HALF, 10),
    Length(600_000, 512, _HALF, 60, _GENTLE | _HALF, 10),
    Length(math.inf, 1024, {}, 100, _GENTLE, 100),
)


def patience(validations: int) -> Settings:
    """The patience of a run with this many validations, which stops it if it only gets worse."""
    return {"training.patience": math.ceil(PATIENCE * validations)}


MEASURED = 1_000_000
"""Longer texts count as this long in the pressure, because longer ones were not measured."""

FEW_READINGS = 20
"""Epochs of a very short text below which the pressure is reduced; falls to 0 epochs at `MEASURED` characters."""

CHOOSES = frozenset(
    name
    for settings in (
        *(row for _, row in (*SIZES, *RESTRAINTS)),
        *(row.steps | row.tuning for row in LENGTHS),
        ALWAYS,
        patience(10),
    )
    for name in settings
)
"""Every setting that a recipe may choose."""


@dataclass(frozen=True)
class Recipe:
    """What was chosen for the user, and why; the values are in the run's `network` and `training`."""

    reason: str
    settings: tuple[str, ...]
    "Names, such as `network.hidden_size`."
    characters_per_second: float
    "Training speed of the network when it was chosen."

    def planned(self, network: NetworkConfig, epochs: float, most: float) -> "Recipe":
        """This recipe, with a reason for the planned epochs; `most` is what the time would allow."""
        return replace(self, reason=reason(network, self.characters_per_second, epochs, most))


def size(characters: int, reach: float) -> Settings:
    """The size of the network for a training text of this length, and how the text is cut into steps."""
    length = _length(characters)
    fits = [row for limit, row in SIZES if row["network.hidden_size"] <= length.most_units]
    return {**min(_row(SIZES, reach), fits[-1], key=lambda row: int(row["network.hidden_size"])), **length.steps}


def restraint(network: NetworkConfig, characters: int, epochs: float) -> Settings:
    """How strongly to regularize a network that reads the text this often, and how fast it learns."""
    return {**_row(RESTRAINTS, pressure(network, characters, epochs)), **ALWAYS}


def pressure(network: NetworkConfig, characters: int, epochs: float) -> float:
    """Recurrent weights per character of the text, times the epochs; for a 1x512 LSTM on 1 MB about the epochs.

    Lower for a short text that is read only a few times, because by then a network has hardly learned anything.
    """
    blocks = {"lstm": 4, "gru": 3}.get(network.cell, 1)
    length = min(max(1, characters), MEASURED)
    few = FEW_READINGS * (1 - length / MEASURED)
    return min(1.0, epochs / few if few else 1.0) * epochs * blocks * network.layers * network.hidden_size**2 / length


def tuning(characters: int) -> Settings:
    """How to fine-tune a model of another text on one of this length."""
    return dict(_length(characters).tuning)


def most_epochs(characters: int, *, tuning: bool = False) -> float:
    """The number of epochs beyond which more do not help, on a training text of this length."""
    length = _length(characters)
    return length.most_epochs_tuning if tuning else length.most_epochs


def reason(network: NetworkConfig, characters_per_second: float, epochs: float, most: float) -> str:
    """Why these settings were chosen, in a sentence without its period."""
    name = f"{network.layers}x{network.hidden_size} {network.cell.upper() if '-' not in network.cell else network.cell}"
    said = f"this machine trains a {name} on {characters_per_second:,.0f} characters a second"
    if epochs < 0.97 * most:
        return (
            f"{said} and could read the text {times(most)} in the time there is; more than {times(epochs)} "
            "would not help a text this short, so the run ends sooner"
        )
    return f"{said}, which reads the text {times(epochs)} in the time there is"


def fill_in(
    network: NetworkConfig, training: TrainingConfig, settings: Mapping[str, Any], chosen: Collection[str]
) -> tuple[NetworkConfig, TrainingConfig, tuple[str, ...]]:
    """The configurations with everything not in `chosen` taken from `settings`, and the names of what was taken."""
    left = {name: value for name, value in settings.items() if name not in chosen}
    if network.tied and "network.hidden_size" in settings:  # both sizes are one, and the user may have chosen either
        size = next(
            (getattr(network, name) for name in ("hidden_size", "embedding_size") if f"network.{name}" in chosen),
            left.get("network.hidden_size", network.hidden_size),
        )
        left |= {name: size for name in ("network.hidden_size", "network.embedding_size") if name not in chosen}
    parts = {
        prefix: {name.split(".")[1]: value for name, value in left.items() if name.startswith(prefix)}
        for prefix in ("network", "training")
    }
    return replace(network, **parts["network"]), replace(training, **parts["training"]), tuple(sorted(left))


def times(epochs: float) -> str:
    """A number of epochs in words."""
    return f"{epochs:,.0f} times" if epochs >= 10 else f"{epochs:.2g} times"


def _row(table: tuple[tuple[float, Settings], ...], value: float) -> Settings:
    return next(settings for limit, settings in table if value <= limit)


def _length(characters: int) -> Length:
    return next(length for length in LENGTHS if characters <= length.characters)

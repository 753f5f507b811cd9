"""What settings for this text, this machine and this much time: a table, made by experiments (docs/recipes.md).

A recipe depends on two numbers. `reach`: the characters that a 1x512 LSTM could read, while training, in the time there is;
it decides the size of the network. `readings`: reach over the characters of the training text; it decides how hard the
network is kept from learning the text by heart.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from charloom.settings import NetworkConfig, TrainingConfig

Settings = dict[str, Any]
"""Values by name, as in `network.hidden_size`."""

SIZES: tuple[tuple[float, Settings], ...] = (
    (0.1e6, {"network.hidden_size": 128, "network.embedding_size": 32}),
    (3e6, {"network.hidden_size": 256, "network.embedding_size": 64}),
    (6e6, {"network.hidden_size": 384, "network.embedding_size": 128}),
    (30e6, {"network.hidden_size": 512, "network.embedding_size": 128}),
    (120e6, {"network.hidden_size": 768, "network.embedding_size": 128}),
    (math.inf, {"network.hidden_size": 1024, "network.embedding_size": 128}),
)
"""Reach up to which a row holds, and the row."""

RESTRAINTS: tuple[tuple[float, Settings], ...] = (
    (6, {"network.dropout": 0.1, "network.weight_dropout": 0.0, "training.weight_decay": 0.05}),
    (12, {"network.dropout": 0.3, "network.weight_dropout": 0.02, "training.weight_decay": 0.1}),
    (30, {"network.dropout": 0.4, "network.weight_dropout": 0.05, "training.weight_decay": 0.15}),
    (100, {"network.dropout": 0.5, "network.weight_dropout": 0.2, "training.weight_decay": 0.15}),
    (math.inf, {"network.dropout": 0.5, "network.weight_dropout": 0.3, "training.weight_decay": 0.15}),
)
"""Readings up to which a row holds, and the row."""

ALWAYS: Settings = {"training.learning_rate": 12e-3}

CHOOSES = frozenset(name for row in (*SIZES, *RESTRAINTS, (0, ALWAYS)) for name in row[1])
"""Every setting that a recipe may choose."""


MOST_EPOCHS = 100
"""A small text is not read more often than this, whatever the budget: it would be learned by heart."""


@dataclass(frozen=True)
class Recipe:
    """What was chosen for the user, and why; the values stand in the run's `network` and `training`."""

    reason: str
    settings: tuple[str, ...]
    "Names, as in `network.hidden_size`."


def choose(characters: int, seconds: float, characters_per_second: float) -> tuple[Settings, str]:
    """Settings by name for a training text of so many characters, and why.

    `characters_per_second`: how fast a 1x512 LSTM is trained here.
    """
    reach = seconds * characters_per_second
    readings = reach / max(1, characters)
    settings = {**_row(SIZES, reach), **_row(RESTRAINTS, readings), **ALWAYS}
    reason = (
        f"this machine trains a 1x512 LSTM on {characters_per_second:,.0f} characters a second, "
        f"which would read the text {readings:,.{0 if readings >= 10 else 1}f} times in the time there is"
    )
    return settings, reason


def fill_in(
    network: NetworkConfig, training: TrainingConfig, settings: Mapping[str, Any], chosen: Collection[str]
) -> tuple[NetworkConfig, TrainingConfig, tuple[str, ...]]:
    """The configurations with what nobody chose taken from `settings`, and the names of what was taken."""
    left = {name: value for name, value in settings.items() if name not in chosen}
    if network.tied:  # both sizes are one; whichever the user chose is it
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


def _row(table: tuple[tuple[float, Settings], ...], value: float) -> Settings:
    return next(settings for limit, settings in table if value <= limit)

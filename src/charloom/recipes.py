"""What settings for this text, this machine and this much time: a table, made by experiments (docs/recipes.md).

A recipe depends on two numbers. `reach`: the characters that a 1x512 LSTM could read, while training, in the time there is;
it decides the size of the network. `readings`: reach over the characters of the training text; it decides how hard the
network is kept from learning the text by heart.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from charloom.settings import NetworkConfig, TrainingConfig

SIZES = ((0.15e6, 128), (1.2e6, 256), (30e6, 512))
LARGEST = 768
"""(reach up to, units of the layer), and the units beyond."""

DROPOUTS = ((6, 0.1), (12, 0.3))
MOST_DROPOUT = 0.5
"""(readings up to, dropout), and the dropout beyond."""


@dataclass(frozen=True)
class Recipe:
    """What was chosen for the user, and why; the values stand in the run's `network` and `training`."""

    reason: str
    settings: tuple[str, ...]
    "Names, as in `network.hidden_size`."


def choose(characters: int, seconds: float, characters_per_second: float) -> tuple[dict[str, Any], str]:
    """Settings by name for a training text of so many characters, and why.

    `characters_per_second`: how fast a 1x512 LSTM is trained here.
    """
    reach = seconds * characters_per_second
    readings = reach / max(1, characters)
    size = next((size for limit, size in SIZES if reach <= limit), LARGEST)
    dropout = next((share for limit, share in DROPOUTS if readings <= limit), MOST_DROPOUT)
    settings = {
        "network.hidden_size": size,
        "network.embedding_size": min(128, size // 4),
        "network.dropout": dropout,
    }
    reason = (
        f"this machine trains a 1x512 LSTM on {characters_per_second:,.0f} characters a second, "
        f"which would read the text {readings:.2g} times in the time there is"
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

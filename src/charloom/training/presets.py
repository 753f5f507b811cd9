"""Named settings.

What a preset leaves out comes from a recipe if there is a time budget, otherwise from the defaults in
`charloom.settings`.
"""

from dataclasses import asdict
from typing import Any

from charloom.errors import SettingsError, did_you_mean
from charloom.settings import NetworkConfig, TrainingConfig

PRESETS: dict[str, dict[str, Any]] = {
    "default": {"network": asdict(NetworkConfig()), "training": asdict(TrainingConfig())},
    "reference": {
        "epochs": 12,
        "network": {"cell": "lstm", "hidden_size": 512, "layers": 1, "embedding_size": 128, "dropout": 0.3},
        "training": {
            "batch_size": 32,
            "sequence_length": 128,
            "optimizer": "adamw",
            "learning_rate": 3e-3,
            "beta1": 0.9,
            "beta2": 0.99,
            "warmup": 0.05,
            "schedule": "cosine",
            "final_learning_rate": 0.02,
            "weight_decay": 0.01,
            "clip": 1.0,
            "average": 0.98,
        },
    },
    "quick": {
        "network": {"hidden_size": 256, "embedding_size": 64, "dropout": 0.1},
        "training": {"optimizer": "muon", "learning_rate": 8e-3},
    },
    "small": {
        "network": {"hidden_size": 128, "embedding_size": 32, "dropout": 0.1},
        "training": {"sequence_length": 64, "optimizer": "muon", "learning_rate": 8e-3},
    },
}
"""What each is for.

default: the defaults of `charloom.settings`. reference: the settings behind the README's figures. quick: learns most of
half a megabyte in a minute or two. small: shows how training works in a few seconds.
"""


def preset(name: str) -> dict[str, Any]:
    """The settings called `name`. Raises `SettingsError`."""
    if name not in PRESETS:
        raise SettingsError(f"there is no preset {name!r}{did_you_mean(name, PRESETS)}")
    return PRESETS[name]

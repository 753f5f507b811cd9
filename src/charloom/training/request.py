"""What a run is asked for: how long it trains, and with which settings."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from charloom.errors import SettingsError, arguments
from charloom.settings import CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig


@dataclass(frozen=True)
class Length:
    """How long to train: one of three."""

    steps: int | None = None
    epochs: float | None = None
    budget: float | None = None
    "Seconds, from the start of the command to the saved model."

    def __post_init__(self) -> None:
        lengths = {"--steps": self.steps, "--epochs": self.epochs, "--time-budget": self.budget}
        given = {name: value for name, value in lengths.items() if value is not None}
        for value in given.values():
            arguments.number("a run's length", value)
        if len(given) > 1:
            raise SettingsError(f"a run has one length; give only one of {' and '.join(given)}")
        for value in given.values():
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"a run's length is {value:g}; it must be above 0")

    def in_steps(self, steps_per_epoch: int) -> int:
        """The steps of a run that has no time budget; without any length it is one epoch."""
        return self.steps or max(1, round((self.epochs or 1) * steps_per_epoch))


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for whatever is trained."""

    length: Length = Length()
    "Without one, a language model takes four minutes, and a classifier reads its rows as often as suits their number."
    origin: Path | None = None
    "A run or model folder of a language model whose weights to start from; cell and sizes are then that model's."
    device: Device = "auto"
    precision: Precision = "auto"


@dataclass(frozen=True)
class RunRequest(Request):
    """The settings with which a language model is to be trained."""

    corpus: CorpusConfig = CorpusConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    chosen: Collection[str] | None = None
    "The settings that the user chose, as in `network.hidden_size`: a recipe fills in the others. None leaves all as they are."

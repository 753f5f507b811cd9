"""What a user asks of a run: how long to train, and with which settings."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from os import PathLike

from charloom.errors import SettingsError, arguments
from charloom.errors.options import option
from charloom.settings import CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig

AUTO = "auto"
"""The origin of a run whose text decides where it starts."""


@dataclass(frozen=True)
class Length:
    """How long to train: at most one of steps, epochs and a time budget. Raises `SettingsError`."""

    steps: int | None = None
    epochs: float | None = None
    budget: float | None = None
    "Seconds, from the start of the command to the saved model."

    def __post_init__(self) -> None:
        lengths = {"steps": self.steps, "epochs": self.epochs, "time_budget": self.budget}
        chosen = {name: value for name, value in lengths.items() if value is not None}
        for value in chosen.values():
            arguments.number("a run's length", value)
        if self.steps is not None:
            arguments.whole("a run's number of steps", self.steps)
        if len(chosen) > 1:
            raise SettingsError(f"a run has one length; give only one of {' and '.join(map(option, chosen))}")
        for value in chosen.values():
            if not (math.isfinite(value) and value > 0):
                raise SettingsError(f"a run's length is {value:g}; it must be above 0")

    def in_steps(self, steps_per_epoch: int) -> int:
        """The number of steps of a run without a time budget; one epoch if no length is given."""
        return self.steps or max(1, round((self.epochs or 1) * steps_per_epoch))


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks of any training."""

    length: Length = Length()
    "By default a language model takes four minutes, and a classifier as many epochs as suit the size of its data."
    origin: str | PathLike[str] | None = None
    "A run or model folder of a language model to start from, which also sets the cell and sizes."
    device: Device = "auto"
    precision: Precision = "auto"


@dataclass(frozen=True)
class RunRequest(Request):
    """The settings for training a language model."""

    corpus: CorpusConfig = CorpusConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    automatic: bool = False
    "Whether a small English text may start from the ready-made model, if there is no origin."
    chosen: Collection[str] | None = None
    "The settings that the user chose, such as `network.hidden_size`; a recipe fills in the others. None: no recipe."

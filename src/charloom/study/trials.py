"""What a study tries: factors, settings around one shared centre, and a trial for each setting and seed; no torch.

One-factor sweeps change one setting of the centre at a time, so any difference between two trials of a factor is due to
that factor. The centre itself is a point on every factor's curve and is trained once for each seed.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from charloom.settings import Cell, CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig

Value = float | int | str


@dataclass(frozen=True)
class Factor:
    """A setting that a study varies, and its wording."""

    name: str
    "Its name in trials and pictures."
    setting: str
    "Its setting, such as `network.hidden_size`."
    words: str
    more: str
    "A clause about more of it: a larger hidden size helps."
    logarithmic: bool = True
    "Whether its values are compared by their ratios."


FACTORS = (
    Factor("learning-rate", "training.learning_rate", "learning rate", "a higher learning rate helps"),
    Factor("hidden-size", "network.hidden_size", "hidden size", "a larger hidden size helps"),
    Factor("layers", "network.layers", "number of layers", "one layer more helps", logarithmic=False),
    Factor("sequence-length", "training.sequence_length", "sequence length", "a longer sequence length helps"),
    Factor("cell", "network.cell", "cell", ""),
)


@dataclass(frozen=True)
class Request:
    """A user's request; equal requests are the same study."""

    text_sha256: str
    corpus: CorpusConfig
    learning_rates: tuple[float, ...]
    hidden_sizes: tuple[int, ...]
    layers: tuple[int, ...]
    sequence_lengths: tuple[int, ...]
    cells: tuple[Cell, ...]
    grid: bool
    search: int
    "Number of trials of a search; 0 for a sweep."
    space: str
    "The search space as TOML, if the user gave one."
    shared: bool
    "Whether the search's trials are in a storage shared by several machines."
    seeds: int
    budget_seconds: float | None
    "Seconds per trial; None if `characters` is the budget."
    characters: int | None
    network: NetworkConfig
    training: TrainingConfig
    chosen: tuple[str, ...]
    "Settings that no recipe may change, such as `network.hidden_size`."
    device: Device
    precision: Precision
    prompt: str

    def values(self) -> dict[str, tuple[Value, ...]]:
        """The values of each varied factor, in order, by its name."""
        given: tuple[tuple[Value, ...], ...] = (
            self.learning_rates,
            self.hidden_sizes,
            self.layers,
            self.sequence_lengths,
            self.cells,
        )
        return {factor.name: values for factor, values in zip(FACTORS, given, strict=True) if values}


@dataclass(frozen=True)
class Study:
    """The content of `study.json`: a request, and what was decided before the first trial."""

    request: Request
    name: str
    "SHA-256 of the text."
    source: str
    "Where trials read it: a path, 'corpus NAME', or 'copy' for the study's text.txt."
    training_characters: int
    symbols: int
    "Number of distinct symbols in the text."
    network: NetworkConfig
    "The centre's network."
    training: TrainingConfig
    "The centre's training."
    reason: str
    "The reason for this centre."
    space: str
    "The search space as TOML; empty for a sweep."
    format: Literal["charloom-study-1"] = "charloom-study-1"

    @property
    def uniform_nats(self) -> float:
        """The loss of a model that knows nothing but the symbols."""
        return math.log(self.symbols)


@dataclass(frozen=True)
class Trial:
    """One training: its name, and every setting."""

    name: str
    network: NetworkConfig
    training: TrainingConfig

    def value(self, factor: Factor) -> Value:
        """This trial's value of a factor."""
        group, field = factor.setting.split(".")
        setting: Value = getattr(getattr(self, group), field)
        return setting

    @property
    def settings(self) -> tuple[NetworkConfig, TrainingConfig]:
        """All settings except the seed."""
        return self.network, replace(self.training, seed=0)


def changed(name: str, network: NetworkConfig, training: TrainingConfig, settings: Mapping[str, Value]) -> Trial:
    """A trial with some settings, such as `network.hidden_size`, replaced in the centre. Raises `SettingsError`."""
    parts = {
        group: {key.split(".")[1]: value for key, value in settings.items() if key.startswith(f"{group}.")}
        for group in ("network", "training")
    }
    if network.tied and "hidden_size" in parts["network"]:
        parts["network"]["embedding_size"] = parts["network"]["hidden_size"]
    return Trial(name, replace(network, **parts["network"]), replace(training, **parts["training"]))  # type: ignore[arg-type]


def planned(study: Study) -> tuple[Trial, ...]:
    """The trials of a sweep, seed by seed: every setting is tried once before any is tried twice.

    Equal settings are one trial. Raises `SettingsError` for a value outside its range.
    """
    trials: dict[tuple[NetworkConfig, TrainingConfig], Trial] = {}
    for number in range(study.request.seeds):
        training = replace(study.training, seed=study.training.seed + number)
        for name, settings in _settings(study.request):
            trial = changed(f"{name}-seed-{training.seed}", study.network, training, settings)
            trials.setdefault((trial.network, trial.training), trial)
    return tuple(trials.values())


def _settings(request: Request) -> Iterator[tuple[str, dict[str, Value]]]:
    """Names, and differences from the centre."""
    factors = {factor.name: factor for factor in FACTORS}
    values = request.values()
    if request.grid:
        for combination in itertools.product(*values.values()):
            chosen = dict(zip(values, combination, strict=True))
            name = "-".join(f"{factor}-{value_text(value)}" for factor, value in chosen.items())
            yield name, {factors[factor].setting: value for factor, value in chosen.items()}
        return
    yield "centre", {}
    for name, each in values.items():
        for value in each:
            yield f"{name}-{value_text(value)}", {factors[name].setting: value}


def value_text(value: Value) -> str:
    """A value as written in names and on axes."""
    return f"{value:g}" if isinstance(value, float) else str(value)

"""A search space: for each setting a range or a list, as TOML; the built-in one is centred on the recipe's settings.

[training.learning_rate]
low = 0.003
high = 0.03
logarithmic = true

[training.batch_size]
values = [16, 32, 64]
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields

from charloom.errors import SettingsError, did_you_mean
from charloom.settings import NetworkConfig, TrainingConfig
from charloom.study.toml_files import value as as_toml
from charloom.study.trials import Value

KNOWN = tuple(
    f"{group}.{field.name}"
    for group, kind in (("network", NetworkConfig), ("training", TrainingConfig))
    for field in fields(kind)
    if field.name != "seed"
)


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; if both are whole, whole numbers in steps of `step` from `low`."""

    low: float | int
    high: float | int
    step: int = 1
    logarithmic: bool = False

    def nearest(self, value: Value) -> Value:
        """The nearest value in the range."""
        assert not isinstance(value, str), "a number is compared with a range"
        if isinstance(self.low, float):
            return min(max(float(value), self.low), self.high)
        steps = round((min(max(value, self.low), self.high) - self.low) / self.step)
        return self.low + self.step * min(steps, int(self.high - self.low) // self.step)


@dataclass(frozen=True)
class Choice:
    """One of several values."""

    values: tuple[Value, ...]

    def nearest(self, value: Value) -> Value:
        """The value itself, else the nearest number, else the first value."""
        if value in self.values:
            return value
        numbers = [each for each in self.values if isinstance(each, (int, float))]
        if numbers and not isinstance(value, str):
            return min(numbers, key=lambda each: abs(each - value))
        return self.values[0]


Space = Mapping[str, Range | Choice]
"""A range or a choice for each setting, such as `network.hidden_size`."""


def default_space(network: NetworkConfig, training: TrainingConfig) -> Space:
    """Ranges around a centre, which is inside all of them."""
    rate = training.learning_rate
    space: dict[str, Range | Choice] = {
        "training.learning_rate": Range(_figures(rate / 4), _figures(rate * 2.5), logarithmic=True),
        "training.batch_size": _around(training.batch_size, 8, 0.5, 2),
        "training.sequence_length": _around(training.sequence_length, 16, 0.25, 2),
        "network.hidden_size": _around(network.hidden_size, 32, 0.5, 2),
        "network.dropout": Range(0.0, max(0.4, network.dropout)),
        "network.layers": Choice(tuple(sorted({1, 2, network.layers}))),
    }
    return space


def parse_space(text: str, where: str) -> Space:
    """The space described by a TOML text. Raises `SettingsError`."""
    try:
        groups = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where} is not TOML: {error}; fix that line") from None
    space: dict[str, Range | Choice] = {}
    for group, members in groups.items():
        for name, entry in members.items() if isinstance(members, dict) else [("", None)]:
            setting = f"{group}.{name}".rstrip(".")
            if setting not in KNOWN:
                raise SettingsError(f"{where} has {setting!r}, which is not a setting{did_you_mean(setting, KNOWN)}")
            space[setting] = _dimension(entry, f"{where}: {setting}")
    if not space:
        raise SettingsError(f"{where} names no setting; give at least one, as in [training.learning_rate]")
    return space


def space_file(space: Space) -> str:
    """The TOML text of a space."""
    blocks = []
    for setting, dimension in space.items():
        lines = [f"[{setting}]"]
        for field in fields(dimension):
            value = getattr(dimension, field.name)
            if not (field.name in ("step", "logarithmic") and value == field.default):
                lines.append(f"{field.name} = {as_toml(value)}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _dimension(entry: object, where: str) -> Range | Choice:
    wanted = "give low and high, or values"
    if not isinstance(entry, dict):
        raise SettingsError(f"{where} is {entry!r}; {wanted}")
    for key in entry:
        if key not in ("low", "high", "step", "logarithmic", "values"):
            raise SettingsError(
                f"{where} has {key!r}{did_you_mean(key, ('low', 'high', 'step', 'logarithmic', 'values'))}"
            )
    if "values" in entry:
        values = entry["values"]
        if (
            len(entry) > 1
            or not isinstance(values, list)
            or not values
            or not all(isinstance(each, (str, int, float)) for each in values)
        ):
            raise SettingsError(f"{where} should have a list of values and nothing else")
        return Choice(tuple(values))
    low, high = entry.get("low"), entry.get("high")
    step, logarithmic = entry.get("step", 1), entry.get("logarithmic", False)
    numbers = all(type(each) in (int, float) for each in (low, high))
    if not numbers or type(step) is not int or step < 1 or not isinstance(logarithmic, bool):
        raise SettingsError(f"{where} has no range; {wanted}, as in low = 0.003, high = 0.03, logarithmic = true")
    if type(low) is not type(high):
        low, high = float(low), float(high)  # type: ignore[arg-type]
    if not (low < high and (low > 0 or not logarithmic) and math.isfinite(high)):  # type: ignore[operator, arg-type]
        raise SettingsError(
            f"{where} goes from {low} to {high}; low must be below high, and above 0 if it is logarithmic"
        )
    if step > 1 and (isinstance(low, float) or logarithmic):
        raise SettingsError(f"{where} has a step, which only a linear range of whole numbers takes")
    return Range(low, high, step, logarithmic)  # type: ignore[arg-type]


def _around(value: int, step: int, least: float, most: float) -> Range:
    """Whole numbers around a value, such that the value is one of the steps."""
    below = int((value - value * least) // step)
    low = value - below * step
    return Range(low, max(low + step, value + int((value * most - value) // step) * step), step)


def _figures(value: float) -> float:
    return float(f"{value:.2g}")

"""Settings: each has a range, an error outside it, and a help text."""

import ast
import dataclasses
import math
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from charloom import settings
from charloom.errors import SettingsError
from charloom.settings import (
    ClassificationConfig,
    ClassifierNetworkConfig,
    ClassifierTrainingConfig,
    CorpusConfig,
    NetworkConfig,
    SamplingConfig,
    TrainingConfig,
)

KINDS = (CorpusConfig, NetworkConfig, TrainingConfig, SamplingConfig, ClassificationConfig)
FIELDS = [(kind, field.name, get_type_hints(kind)[field.name]) for kind in KINDS for field in dataclasses.fields(kind)]
NUMBERS = [(kind, name, hint) for kind, name, hint in FIELDS if hint in (int, float)]
CHOICES = [(kind, name, hint) for kind, name, hint in FIELDS if get_origin(hint) is Literal]

RANGES = [
    (CorpusConfig, "shuffle", 0, 2**63 - 1),
    (NetworkConfig, "hidden_size", 1, 16_384),
    (NetworkConfig, "layers", 1, 32),
    (NetworkConfig, "embedding_size", 0, 16_384),
    (NetworkConfig, "dropout", 0, 0.99),
    (NetworkConfig, "weight_dropout", 0, 0.99),
    (TrainingConfig, "batch_size", 1, 65_536),
    (TrainingConfig, "sequence_length", 1, 65_536),
    (TrainingConfig, "learning_rate", 5e-324, 1_000),
    (TrainingConfig, "beta1", 0, 0.999999),
    (TrainingConfig, "beta2", 0, 0.999999),
    (TrainingConfig, "average", 0, 0.999999),
    (TrainingConfig, "weight_decay", 0, 1_000),
    (TrainingConfig, "warmup", 0, 1),
    (TrainingConfig, "final_learning_rate", 0, 1),
    (TrainingConfig, "clip", 0, 1e9),
    (TrainingConfig, "validations", 1, 100_000),
    (TrainingConfig, "patience", 0, 100_000),
    (TrainingConfig, "seed", 0, 2**63 - 1),
    (SamplingConfig, "temperature", 5e-324, 1e300),
    (SamplingConfig, "top_k", 0, 2**31),
    (SamplingConfig, "top_p", 5e-324, 1),
    (SamplingConfig, "min_p", 0, 1),
    (SamplingConfig, "repetition_penalty", 5e-324, 1_000),
    (ClassificationConfig, "label_smoothing", 0, 0.9),
    (ClassificationConfig, "class_weights", 0, 1),
    (ClassificationConfig, "character_dropout", 0, 0.9),
    (ClassificationConfig, "crops", 0, 1),
    (ClassificationConfig, "next_character", 0, 100),
    (ClassificationConfig, "every_place", 0, 100),
    (ClassificationConfig, "n_grams", 0, 16),
    (ClassificationConfig, "held", 0, 0.5),
    (ClassificationConfig, "patience", 1, 100_000),
]
"""The smallest and the largest value that a setting takes."""


def refused(kind: type, /, **values: object) -> str:
    """The error message for settings."""
    with pytest.raises(SettingsError) as caught:
        kind(**values)
    said = str(caught.value)
    assert "\n" not in said
    assert not said.endswith(".")
    assert ". " not in said
    return said


def just_outside(low: Any, high: Any) -> list[Any]:
    if isinstance(low, int) and isinstance(high, int) and high > 1:
        return [low - 1, high + 1]
    return [math.nextafter(low, -math.inf), math.nextafter(high, math.inf)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_set_by_default_is_allowed(kind: type) -> None:
    assert kind() == kind()


def test_each_number_has_a_range() -> None:
    assert {(kind, name) for kind, name, *_ in RANGES} == {(kind, name) for kind, name, _ in NUMBERS}


@pytest.mark.parametrize(("kind", "name", "low", "high"), RANGES)
def test_the_ends_of_a_range_are_allowed(kind: type, name: str, low: Any, high: Any) -> None:
    for value in (low, high):
        assert getattr(kind(**{name: value}), name) == value


@pytest.mark.parametrize(("kind", "name", "low", "high"), RANGES)
def test_what_lies_just_outside_a_range_is_refused_by_its_name(kind: type, name: str, low: Any, high: Any) -> None:
    for value in just_outside(low, high):
        said = refused(kind, **{name: value})
        assert f"{name} is {value:g}; it must be " in said


@pytest.mark.parametrize(("kind", "name", "hint"), NUMBERS)
def test_what_is_no_finite_number_is_refused_by_its_name(kind: type, name: str, hint: type) -> None:
    for value in (math.nan, math.inf, -math.inf):
        assert f"{name} is {value:g}; it must be " in refused(kind, **{name: value})


@pytest.mark.parametrize(("kind", "name", "hint"), NUMBERS)
def test_a_number_that_no_float_can_hold_is_refused_like_any_other(kind: type, name: str, hint: type) -> None:
    for value in (10**400, -(10**400)):
        assert f"{name} is too large; it must be " in refused(kind, **{name: value})


@pytest.mark.parametrize(("kind", "name", "hint"), CHOICES)
def test_each_choice_can_be_made(kind: type, name: str, hint: Any) -> None:
    for choice in get_args(hint):
        assert getattr(kind(**{name: choice}), name) == choice


@pytest.mark.parametrize(("kind", "name", "hint"), CHOICES)
def test_a_choice_that_there_is_not_is_met_with_those_there_are(kind: type, name: str, hint: Any) -> None:
    said = refused(kind, **{name: "zzz"})
    assert f"{name} is 'zzz'; it is one of {', '.join(get_args(hint))}" in said


def test_a_choice_that_is_nearly_right_is_met_with_the_right_one() -> None:
    assert "network.cell is 'ltsm'; did you mean 'lstm'?" in refused(NetworkConfig, cell="ltsm")


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ((0.9, 0.2, 0.0), "split is 0.9,0.2,0, which adds up to 1.1; the three shares must add up to 1"),
        ((0.9, 0.0, 0.0), "adds up to 0.9"),
        ((0.9, 0.1), "split is 0.9,0.1; give three shares from 0 to 1, as in 0.9,0.1,0"),
        ((0.8, 0.1, 0.1, 0.0), "give three shares"),
        ((1.1, -0.1, 0.0), "give three shares from 0 to 1"),
        ((math.nan, 0.5, 0.5), "give three shares from 0 to 1"),
        ((math.inf, 0.0, 0.0), "give three shares from 0 to 1"),
        ((10**400, 0.0, 0.0), "give three shares from 0 to 1"),
        ((0.0, 1.0, 0.0), "leaves nothing to train on"),
    ],
)
def test_shares_that_are_no_split_are_refused(split: tuple[float, ...], said: str) -> None:
    assert said in refused(CorpusConfig, split=split)


@pytest.mark.parametrize("split", [(0.7, 0.2, 0.1), (1.0, 0.0, 0.0), (1 / 3, 1 / 3, 1 / 3), (0.98, 0.01, 0.01)])
def test_shares_that_add_up_to_one_but_for_rounding_are_allowed(split: tuple[float, float, float]) -> None:
    assert CorpusConfig(split=split).split == split


def test_tied_weights_need_two_equal_sizes() -> None:
    said = refused(NetworkConfig, tied=True, embedding_size=128, hidden_size=512)
    assert "128 and 512; set both to the same number" in said
    assert NetworkConfig(tied=True, embedding_size=64, hidden_size=64).tied


@pytest.mark.parametrize("kind", KINDS)
def test_settings_cannot_be_changed(kind: type) -> None:
    for field in dataclasses.fields(kind):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(kind(), field.name, None)


def test_each_setting_is_followed_by_its_help_text() -> None:
    tree = ast.parse(Path(settings.__file__).read_text(encoding="utf-8"))
    described, silent = set(), []
    for owner in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for node, following in zip(owner.body, [*owner.body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign):
                text = following.value if isinstance(following, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str) and text.value.endswith("."):
                    described.add((owner.name, ast.unparse(node.target)))
                else:
                    silent.append((owner.name, ast.unparse(node.target)))
    assert silent == []
    others = {
        (kind.__name__, name)
        for kind in (ClassifierNetworkConfig, ClassifierTrainingConfig)
        for name in kind.__annotations__  # what they set differently from their base class
    }
    assert described == {(kind.__name__, name) for kind, name, _ in FIELDS} | others

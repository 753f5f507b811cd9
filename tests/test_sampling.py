"""From logits to a symbol: what each filter keeps, and which symbol is drawn."""

import dataclasses
import inspect
import math
from dataclasses import replace
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from charloom.errors import CharloomError
from charloom.generation.batched_generation import generate_many
from charloom.generation.generate import generate
from charloom.generation.sampling import REPETITION_WINDOW, SamplingKeywords, distribution, draw
from charloom.settings import SamplingConfig

Vector = NDArray[np.float64]

LOGITS = st.lists(st.floats(-30, 30) | st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=30).map(np.array)
"""Logits, some of them the same."""
DISTINCT = st.lists(st.integers(-50, 50), min_size=1, max_size=30, unique=True).map(lambda x: np.array(x) / 4)
CONFIGS = st.builds(
    SamplingConfig,
    temperature=st.floats(0.05, 20),
    top_k=st.integers(0, 32),
    top_p=st.floats(0.01, 1),
    min_p=st.floats(0, 1),
    repetition_penalty=st.floats(0.2, 5),
    greedy=st.booleans(),
)


def softmax(logits: Vector) -> Vector:
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def logits_of(*probabilities: float) -> Vector:
    return np.log(np.array(probabilities)) + 7


def kept(probabilities: Vector) -> set[int]:
    return set(np.flatnonzero(probabilities).tolist())


def recent_of(data: st.DataObject, logits: Vector) -> list[int]:
    return data.draw(st.lists(st.integers(0, len(logits) - 1), max_size=80))


# --- all settings ---


@given(LOGITS, CONFIGS, st.data())
def test_probabilities_add_up_to_one(logits: Vector, config: SamplingConfig, data: st.DataObject) -> None:
    probabilities = distribution(logits, config, recent_of(data, logits))
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert probabilities.min() >= 0


@given(DISTINCT, CONFIGS, st.sampled_from([-64.0, 3.0, 64.0, 1024.0]), st.data())
def test_adding_a_constant_to_all_logits_changes_nothing(
    logits: Vector, config: SamplingConfig, constant: float, data: st.DataObject
) -> None:
    config = replace(config, top_p=1.0, min_p=0.0)  # their thresholds amplify rounding into a choice
    recent = recent_of(data, logits)
    one, other = (distribution(given, config, recent) for given in (logits, logits + constant))
    assert other == pytest.approx(one, abs=1e-12)


@given(LOGITS)
def test_without_settings_the_probabilities_are_the_softmax(logits: Vector) -> None:
    assert distribution(logits, SamplingConfig()) == pytest.approx(softmax(logits), abs=1e-15)


def test_the_keywords_are_the_fields_of_the_configuration() -> None:
    fields = {field.name: field.type for field in dataclasses.fields(SamplingConfig)}
    assert fields == get_type_hints(SamplingKeywords)
    for function in (generate, generate_many):
        parameters = inspect.signature(function).parameters
        defaults = {name: parameters[name].default for name in fields}
        assert defaults == dataclasses.asdict(SamplingConfig())


@given(LOGITS, CONFIGS, st.data())
def test_the_logits_are_left_as_they_were(logits: Vector, config: SamplingConfig, data: st.DataObject) -> None:
    before = logits.copy()
    distribution(logits, config, recent_of(data, logits))
    assert np.array_equal(logits, before)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_refused(broken: float) -> None:
    with pytest.raises(CharloomError, match="weights are damaged"):
        distribution(np.array([0, broken, 1]), SamplingConfig())


def test_logits_as_large_as_a_float_can_be_are_no_trouble() -> None:
    largest = np.array([3e38, -3e38, 0], np.float32)
    config = SamplingConfig(temperature=1e-3, repetition_penalty=2)
    assert distribution(largest, config, [1]).tolist() == [1, 0, 0]


# --- temperature ---


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-300])
@given(DISTINCT)
def test_temperature_towards_zero_is_greedy(temperature: float, logits: Vector) -> None:
    cold = distribution(logits, SamplingConfig(temperature=temperature))
    assert cold == pytest.approx(distribution(logits, SamplingConfig(greedy=True)), abs=1e-12)


@given(LOGITS)
def test_greedy_takes_the_first_of_the_most_probable(logits: Vector) -> None:
    assert kept(distribution(logits, SamplingConfig(greedy=True))) == {logits.tolist().index(logits.max())}


@given(LOGITS, st.floats(0.1, 10))
def test_temperature_divides_the_logits(logits: Vector, temperature: float) -> None:
    assert distribution(logits, SamplingConfig(temperature=temperature)) == pytest.approx(softmax(logits / temperature))


def test_temperature_without_end_is_uniform() -> None:
    assert distribution(np.array([5.0, 0, -5]), SamplingConfig(temperature=1e9)) == pytest.approx([1 / 3] * 3)


# --- filters ---


@given(LOGITS, st.integers(1, 32))
def test_top_k_keeps_exactly_k_also_where_some_are_equal(logits: Vector, k: int) -> None:
    assert len(kept(distribution(logits, SamplingConfig(top_k=k)))) == min(k, len(logits))


@given(LOGITS, st.integers(1, 32))
def test_top_k_keeps_the_most_probable_and_of_equal_ones_the_first(logits: Vector, k: int) -> None:
    order = sorted(range(len(logits)), key=lambda symbol: (-softmax(logits)[symbol], symbol))
    assert kept(distribution(logits, SamplingConfig(top_k=k))) == set(order[:k])


@given(LOGITS, st.floats(0.01, 0.999))
def test_top_p_keeps_a_set_that_holds_p_and_would_not_without_its_least_symbol(logits: Vector, p: float) -> None:
    whole = softmax(logits)
    held = kept(distribution(logits, SamplingConfig(top_p=p)))
    assert sum(whole[symbol] for symbol in held) >= p - 1e-12
    assert sum(sorted(whole[symbol] for symbol in held)[1:]) < p + 1e-12
    assert max([whole[symbol] for symbol in range(len(whole)) if symbol not in held], default=0) <= min(
        whole[symbol] for symbol in held
    )


def test_top_p_keeps_the_first_of_equal_symbols() -> None:
    assert kept(distribution(np.zeros(4), SamplingConfig(top_p=0.5))) == {0, 1}


@given(DISTINCT, st.floats(0.001, 1))
def test_min_p_keeps_what_has_that_share_of_the_most_probable(logits: Vector, share: float) -> None:
    whole = softmax(logits)
    clear = np.abs(whole - share * whole.max()) > 1e-12
    survived = np.isin(np.arange(len(whole)), list(kept(distribution(logits, SamplingConfig(min_p=share)))))
    assert np.array_equal(survived[clear], (whole >= share * whole.max())[clear])


@given(LOGITS, CONFIGS.map(lambda config: replace(config, temperature=1.0, repetition_penalty=1.0, greedy=False)))
def test_what_a_filter_keeps_stays_in_proportion(logits: Vector, config: SamplingConfig) -> None:
    whole, filtered = softmax(logits), distribution(logits, config)
    held = sorted(kept(filtered))
    assert filtered[held] == pytest.approx(whole[held] / whole[held].sum())


# --- the order of the filters ---


def test_the_penalty_comes_before_temperature() -> None:
    found = distribution(logits_of(0.5, 0.5), SamplingConfig(temperature=0.5, repetition_penalty=2), [0])
    assert found == pytest.approx([0.2, 0.8])  # the other way round: 1/3 and 2/3


def test_temperature_comes_before_top_p() -> None:
    assert kept(distribution(logits_of(0.6, 0.3, 0.1), SamplingConfig(temperature=2, top_p=0.6))) == {0, 1}


def test_temperature_comes_before_min_p() -> None:
    assert kept(distribution(logits_of(0.64, 0.32, 0.04), SamplingConfig(temperature=2, min_p=0.25))) == {0, 1, 2}


def test_top_k_comes_before_top_p() -> None:
    assert kept(distribution(logits_of(0.4, 0.3, 0.2, 0.1), SamplingConfig(top_k=2, top_p=0.55))) == {0}


def test_top_p_comes_before_min_p() -> None:
    assert kept(distribution(logits_of(0.5, 0.3, 0.2), SamplingConfig(top_p=0.6, min_p=0.5))) == {0, 1}


# --- the repetition penalty ---


@given(LOGITS, st.floats(1.01, 10), st.data())
def test_the_penalty_makes_a_seen_symbol_less_probable(logits: Vector, penalty: float, data: st.DataObject) -> None:
    symbol = data.draw(st.integers(0, len(logits) - 1))
    before = softmax(logits)[symbol]
    after = distribution(logits, SamplingConfig(repetition_penalty=penalty), [symbol])[symbol]
    assert after <= before + 1e-12
    if before < 0.999:
        assert after < before


@given(LOGITS, st.floats(1.01, 10), st.data())
def test_the_penalty_leaves_the_proportions_of_unseen_symbols(
    logits: Vector, penalty: float, data: st.DataObject
) -> None:
    recent = recent_of(data, logits)
    unseen = sorted(set(range(len(logits))) - set(recent[-REPETITION_WINDOW:]))
    before, after = softmax(logits)[unseen], distribution(logits, SamplingConfig(repetition_penalty=penalty), recent)
    if unseen:
        assert after[unseen] / after[unseen].sum() == pytest.approx(before / before.sum())


@given(LOGITS, st.data())
def test_without_a_penalty_it_does_not_matter_what_was_seen(logits: Vector, data: st.DataObject) -> None:
    found = distribution(logits, SamplingConfig(), recent_of(data, logits))
    assert found.tolist() == distribution(logits, SamplingConfig()).tolist()


@given(st.integers(1, 100))
def test_a_symbol_is_penalized_once_however_often_it_was_seen(times: int) -> None:
    config = SamplingConfig(repetition_penalty=1.5)
    assert distribution(np.array([1.0, 2, 3]), config, [1] * times) == pytest.approx(
        distribution(np.array([1.0, 2, 3]), config, [1]), abs=0
    )


def test_the_penalty_forgets_what_lies_further_back_than_its_window() -> None:
    logits, config = np.array([1.0, 2, 3]), SamplingConfig(repetition_penalty=2)
    within, beyond = [0] + [1] * (REPETITION_WINDOW - 1), [0] + [1] * REPETITION_WINDOW
    assert distribution(logits, config, beyond).tolist() == distribution(logits, config, [1]).tolist()
    assert distribution(logits, config, within).tolist() == distribution(logits, config, [0, 1]).tolist()


def test_the_penalty_multiplies_the_log_probability() -> None:
    found = distribution(logits_of(0.5, 0.3, 0.2), SamplingConfig(repetition_penalty=3), [0, 2])
    assert found == pytest.approx(np.array([0.5**3, 0.3, 0.2**3]) / (0.5**3 + 0.3 + 0.2**3))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=9), st.floats(1.01, 10))
def test_greedy_avoids_what_was_seen_where_the_penalty_is_large_enough(weights: list[int], penalty: float) -> None:
    logits = np.log(np.array(weights))
    first = int(logits.argmax())
    whole = softmax(logits)
    chosen = kept(distribution(logits, SamplingConfig(greedy=True, repetition_penalty=penalty), [first]))
    others = np.delete(whole, first)
    if not math.isclose(whole[first] ** penalty, others.max(), rel_tol=1e-9):
        assert (chosen == {first}) == (whole[first] ** penalty > others.max())


# --- drawing ---


def first_to_exceed(probabilities: Vector, uniform: float) -> int:
    """The rule, written out."""
    cumulative = 0.0
    for symbol, probability in enumerate(probabilities.tolist()):
        cumulative += probability
        if cumulative > uniform:
            return symbol
    return max(symbol for symbol, probability in enumerate(probabilities) if probability > 0)


@given(LOGITS, CONFIGS, st.floats(0, 1, exclude_max=True))
def test_the_symbol_drawn_is_the_first_at_which_the_cumulative_probability_exceeds_the_number(
    logits: Vector, config: SamplingConfig, uniform: float
) -> None:
    probabilities = distribution(logits, config)
    assert draw(probabilities, uniform) == first_to_exceed(probabilities, uniform)


@pytest.mark.parametrize(("uniform", "symbol"), [(0.0, 1), (0.25, 3), (math.nextafter(0.25, 0), 1), (0.75, 4)])
def test_a_number_that_equals_a_cumulative_probability_goes_to_the_next_symbol(uniform: float, symbol: int) -> None:
    assert draw(np.array([0, 0.25, 0, 0.5, 0.25, 0]), uniform) == symbol


def test_rounding_at_the_top_never_draws_what_has_no_probability() -> None:
    probabilities = np.array([0.1] * 10 + [0.0])
    assert probabilities.cumsum()[-1] < 1
    assert draw(probabilities, math.nextafter(1, 0)) == 9


@given(LOGITS, CONFIGS, st.floats(0, 1, exclude_max=True))
def test_what_was_filtered_out_is_never_drawn(logits: Vector, config: SamplingConfig, uniform: float) -> None:
    probabilities = distribution(logits, config)
    assert draw(probabilities, uniform) in kept(probabilities)


def test_symbols_are_drawn_as_often_as_they_are_probable() -> None:
    probabilities = distribution(np.arange(10) / 4, SamplingConfig(temperature=1.3))
    uniforms = np.random.Generator(np.random.PCG64(1)).random(20_000)
    seen = np.bincount([draw(probabilities, u) for u in uniforms], minlength=10)
    expected = probabilities * len(uniforms)
    assert (
        (seen - expected) ** 2 / expected
    ).sum() < 27.88  # chi-square of 9 degrees of freedom: 1 in 1,000 exceeds it

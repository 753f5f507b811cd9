"""Differences between pairs: their margins are those of Student's t, and no sentence claims more than they allow."""

import math

import numpy as np
import pytest

from charloom.errors import CharloomError
from charloom.evaluation import Difference, paired
from charloom.evaluation.pairs import students_t


def mass(t: float, freedom: int) -> float:
    """The probability that Student's distribution gives to values between -t and t."""
    x = np.linspace(0, t, 200_001)
    density = np.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    return float(2 * np.trapezoid(density * (1 + x**2 / freedom) ** (-(freedom + 1) / 2), x))


@pytest.mark.parametrize("pairs", [*range(2, 30), 100, 5000])
def test_a_margin_has_95_percent_of_students_distribution(pairs: int) -> None:
    assert mass(students_t(pairs), pairs - 1) == pytest.approx(0.95, abs=2e-5)


def test_a_margin_covers_the_true_difference_in_95_of_100_cases() -> None:
    draws = np.random.Generator(np.random.PCG64(1)).normal(0.3, 2.0, (4000, 4))
    covered = [abs(found.mean - 0.3) <= found.margin for found in (paired(row, 0.0) for row in draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_what_pairs_share_is_no_difference() -> None:
    shared = np.array([5.0, -3.0, 80.0, 0.5])
    found = paired(shared + 0.25, shared)
    assert found.clear
    assert (found.mean, found.spread, found.margin) == pytest.approx((0.25, 0, 0), abs=1e-12)


def test_of_two_sources_of_chance_the_larger_counts() -> None:
    by_seed = np.array([[0.0], [1.0], [2.0]]) + np.zeros(12)
    assert paired(by_seed, 0.0) == paired(by_seed[:, 0], 0.0)
    by_part = np.zeros((3, 1)) + np.arange(12.0)
    assert paired(by_part, 0.0) == paired(by_part[0], 0.0)


@pytest.mark.parametrize(
    ("ones", "others", "sentence"),
    [
        ([3.0, 3.1, 3.2], [1.0, 1.0, 1.1], "a costs more (+2.067 ± 0.143 nats; 3 pairs with a spread of 0.058)"),
        ([1.0, 1.0, 1.1], [3.0, 3.1, 3.2], "a costs less (-2.067 ± 0.143 nats; 3 pairs with a spread of 0.058)"),
        ([1.0, 2.0], [1.5, 1.0], "a and b cannot be told apart (+0.250 ± 9.530 nats; 2 pairs with a spread of 1.061)"),
        ([1.0, 2.0], [1.0, 2.0], "a and b cannot be told apart (+0.000 ± 0.000 nats; 2 pairs with a spread of 0.000)"),
    ],
)
def test_the_sentence_follows_from_the_figures(ones: list[float], others: list[float], sentence: str) -> None:
    assert paired(ones, others).sentence("a costs more", "a costs less", "a and b") == sentence


def test_a_difference_as_large_as_its_margin_is_not_clear() -> None:
    assert not Difference(0.5, 0.5, 0.1, 3).clear


@pytest.mark.parametrize(
    ("ones", "others"),
    [([1.0], [2.0]), ([], []), ([1.0, 2.0], [1.0, 2.0, 3.0]), ([math.nan, 1.0], 0.0), ([[1.0, 2.0]], 0.0), (1.0, 2.0)],
)
def test_what_does_not_form_pairs_is_refused(ones: object, others: object) -> None:
    with pytest.raises(CharloomError):
        paired(ones, others)  # type: ignore[arg-type]

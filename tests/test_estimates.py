"""A figure on part of a text estimates the whole, and says how far off it may be."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.data.text import Text
from charloom.evaluation.score import evaluate, evaluate_folded, evaluate_pieces
from charloom.training.estimates import FEWEST, MOST, evaluate_estimate, spread, standard_error
from charloom.training.session import Validation, how_measured
from models import several_texts, small_model


@given(st.integers(1, 100_000), st.integers(1, 120_000))
def test_the_pieces_are_as_long_as_asked_and_spread_over_the_whole(length: int, characters: int) -> None:
    places = spread(Text(memoryview(b"x" * length), length), characters)
    if characters >= length:
        assert places == ((0, length),)
        return
    sizes = {stop - start for start, stop in places}
    assert len(places) <= MOST
    assert len(sizes) == 1
    assert characters - MOST < sum(stop - start for start, stop in places) <= characters
    assert len(places) >= min(FEWEST, characters)
    for number, (start, stop) in enumerate(places):
        assert number * length // len(places) <= start < stop <= (number + 1) * length // len(places)


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_each_piece_lies_in_the_middle_of_its_part(length: int, characters: int) -> None:
    found = spread(Text(memoryview(bytes(length)), length), characters)
    for number, (start, stop) in enumerate(found):
        first, last = (place * length // len(found) for place in (number, number + 1))
        assert abs((start - first) - (last - stop)) <= 1


@given(st.lists(st.text("ab", max_size=30), min_size=1, max_size=400), st.integers(1, 2000))
def test_pieces_of_lines_are_whole_lines(lines: list[str], characters: int) -> None:
    text = "\n".join(lines) + "\n"
    places = spread(Text.of(text), characters, whole_lines=True)
    assert places
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(places))
    for start, stop in places:
        assert start == 0 or text[start - 1] == "\n"
        assert stop == len(text) or text[stop - 1] == "\n"
        assert start < stop


@pytest.mark.parametrize("kind", ["characters", "bytes", "lines", "byte-lines", "ends"])
def test_each_piece_is_scored_from_a_zero_state_and_the_symbol_before_it(kind: str) -> None:
    model = small_model(
        "abcdefgh \né",
        kind="bytes" if "byte" in kind else "characters",
        documents="lines" if "lines" in kind else "none",
        predicts_end=kind == "ends" or "lines" in kind,
    )
    text = (
        several_texts("head é\nbad\n\ncafe\n" * 3, "abba\ngaff é\n" * 4)
        if kind == "ends"
        else Text.of("head é\nbad\n\ncafe\n" * 9)
    )
    places = [(0, 7), (12, 29), (34, 45)] if "lines" in kind else [(0, 5), (9, 14), (20, 37)]
    if "lines" in kind:
        whole = str(text)
        places = [(start, stop) for start, stop in ((0, 7), (11, 17), (24, 35))]
        assert all(start == 0 or whole[start - 1] == "\n" for start, _ in places)
    score, nats = evaluate_pieces(model, text, places)
    expected = []
    for start, stop in places:
        before, ids = (
            model.encode(text.slice(max(0, start - 1), start)).tolist(),
            model.encode(text.slice(start, stop)).tolist(),
        )
        expected.append(_brute_force(model, before[-1:], ids))
    assert nats == pytest.approx(expected, rel=1e-4)
    assert score.nats == pytest.approx(sum(expected), rel=1e-4)
    assert score.characters == sum(stop - start for start, stop in places)
    assert score.symbols == sum(len(model.encode(text.slice(start, stop))) for start, stop in places)


def _brute_force(model: object, before: list[int], ids: list[int]) -> float:
    """Nats of symbols, read singly from a zero state and one symbol before; a line's boundary resets the state."""
    network, boundary = model.network, model.vocabulary.boundary  # type: ignore[attr-defined]
    lines = model.config.documents != "none"  # type: ignore[attr-defined]
    state, symbol, total = None, before[0] if before else boundary, 0.0
    with torch.no_grad():
        for following in ids:
            if lines and symbol == boundary:
                state = None
            logits, state = network(torch.tensor([[symbol]]), state)
            total -= float(torch.log_softmax(logits[0, 0].double(), -1)[following])
            symbol = following
    return total


def changing_text() -> Text:
    """A text that a model finds harder and harder, in a hundred chapters: its beginning says little about the whole."""
    draw = np.random.Generator(np.random.PCG64(0))
    return Text.of("".join("".join(draw.choice(list("abcdefgh")[: 1 + chapter // 13], 400)) for chapter in range(100)))


def test_a_figure_of_a_part_is_that_of_the_whole_within_its_error() -> None:
    text, model = changing_text(), small_model("abcdefgh", sharpness=0.5)
    with torch.no_grad():
        model.network.output.bias[:] = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0])
    whole = evaluate(model, text).nats_per_character
    for characters in (800, 4_000, 16_000):
        found = evaluate_estimate(model, text, characters)
        assert found.standard_error is not None
        assert abs(found.score.nats_per_character - whole) < 3 * found.standard_error
        assert found.standard_error < 0.25 * whole
    first = evaluate_folded(model, text.slice(0, 4_000)).nats_per_character
    assert abs(first - whole) > 0.5 * whole  # the part that was used before


def test_of_the_whole_text_there_is_no_error() -> None:
    text, model = changing_text(), small_model("abcdefgh")
    found = evaluate_estimate(model, text, text.characters)
    assert found.standard_error is None
    assert found.score == evaluate_folded(model, text)


def test_the_standard_error_is_the_spread_of_estimates() -> None:
    """Pieces drawn at random from a population, 4,000 times: the claimed error is the actual error."""
    draw = np.random.Generator(np.random.PCG64(0))
    population = draw.gamma(4.0, 1.0, 200) * 100
    truth = population.sum() / (200 * 50)
    errors, claims = [], []
    for _ in range(4000):
        nats = draw.choice(population, 20, replace=False)
        claims.append(standard_error(nats.tolist(), [50] * 20, 200 * 50))
        errors.append(nats.sum() / (20 * 50) - truth)
    assert float(np.sqrt(np.mean(np.square(claims)))) == pytest.approx(
        float(np.sqrt(np.mean(np.square(errors)))), rel=0.05
    )
    assert standard_error([3.0], [2], 10) is None
    assert standard_error([3.0, 4.0], [5, 5], 10) == 0
    assert standard_error([2.0, 4.0], [2, 2], 1000) == pytest.approx(math.sqrt((1 - 4 / 1000) * 2 * 2) / 4)


def test_a_figure_says_of_what_it_is() -> None:
    model, text = small_model("abcdefgh"), changing_text()
    found = evaluate_estimate(model, text, 1_600)
    part = Validation(found.score, "folded", text.characters, found.standard_error)
    assert part.summary()["of_characters"] == text.characters
    assert part.summary()["standard_error_nats"] == found.standard_error
    assert how_measured(part.summary()) == (
        "1,600 of 40,000 validation characters, spread over them, state folded, standard error "
        f"{found.standard_error:.4f} nats"
    )
    whole = Validation(evaluate(model, text), "carried", text.characters)
    assert how_measured(whole.summary()) == "40,000 validation characters, state carried"

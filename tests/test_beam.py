"""Beam search finds the same as enumerating everything."""

import itertools
import math

import numpy as np
import pytest
import torch

from charloom.errors import SettingsError
from charloom.generation.beam import beam_search
from charloom.generation.generate import generate
from charloom.models.language_model import LanguageModel
from charloom.settings import Cell
from conftest import CELLS
from models import log_probabilities, small_model


def nats_of(model: LanguageModel, prompt: str, continuation: list[int]) -> float:
    """Surprisal of a continuation of `prompt`, one symbol at a time."""
    before = model.encode(prompt).tolist()
    rows = log_probabilities(model, [*before, *continuation])
    return float(-sum(rows[len(before) + place][symbol] for place, symbol in enumerate(continuation)))


@pytest.mark.parametrize("cell", CELLS)
def test_a_beam_that_is_wide_enough_finds_the_best_of_all_continuations(cell: Cell) -> None:
    model = small_model("abcd", cell, sharpness=1)
    every = {
        "".join(text): nats_of(model, "ad", model.encode("".join(text)).tolist())
        for text in itertools.product("abcd", repeat=4)
    }
    best = sorted(every, key=lambda text: every[text])
    found = beam_search(model, "ad", length=4, width=4**4)
    assert [continuation.text for continuation in found] == best
    assert [continuation.nats for continuation in found] == pytest.approx([every[text] for text in best], rel=1e-4)
    assert sum(continuation.probability for continuation in found) == pytest.approx(1, rel=1e-4)


def test_a_beam_of_one_is_greedy() -> None:
    model = small_model("abcdefgh")
    (found,) = beam_search(model, "bad", length=40, width=1)
    assert found.text == "".join(generate(model, "bad", length=40, greedy=True))
    assert found.stop_reason == "length"


def test_endings_count_in_the_probability_and_are_not_in_the_text() -> None:
    model = small_model("ab \n", documents="lines", sharpness=1)
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 1
        model.network.output.bias[model.vocabulary.characters.index("\n")] -= 40  # it never occurs in such a text
    found = beam_search(model, "a", length=6, width=300, stop=[" "])
    space, boundary = model.vocabulary.characters.index(" "), model.vocabulary.boundary
    assert {continuation.stop_reason for continuation in found} == {"length", "stop", "end"}
    assert not any(set(" \n") & set(continuation.text) for continuation in found)
    for continuation in found:
        ending = {"length": [], "stop": [space], "end": [boundary]}[continuation.stop_reason]
        ids = [*model.vocabulary.encode(continuation.text).tolist(), *ending]
        assert continuation.nats == pytest.approx(nats_of(model, "a", ids), rel=1e-4)
    assert sum(continuation.probability for continuation in found) == pytest.approx(1, abs=1e-3)


def test_what_was_read_before_can_be_gone_on_from() -> None:
    model = small_model("abcdefgh")
    whole, rest = beam_search(model, "badcafe", length=8), beam_search(model, "fe", length=8, state=model.read("badca"))
    assert [c.text for c in whole] == [c.text for c in rest]
    assert [c.nats for c in whole] == pytest.approx([c.nats for c in rest], rel=1e-4)


def test_bytes_come_as_whole_characters_as_many_as_asked_for() -> None:
    model = small_model("añ日", kind="bytes", sharpness=0.3)
    for length in (1, 2, 3):
        found = beam_search(model, "añ", length=length, width=300)
        assert len({continuation.text for continuation in found}) == len(found)
        assert all(len(continuation.text) == length for continuation in found)


def test_a_stop_string_is_found_wherever_it_ends() -> None:
    model = small_model("abc", sharpness=0.5)
    found = beam_search(model, "a", length=5, width=3**5, stop=["ab", "bca"])
    assert not any("ab" in c.text or "bca" in c.text for c in found)
    assert sum(c.probability for c in found) == pytest.approx(1, rel=1e-3)


def test_nothing_to_write_is_certain() -> None:
    (found,) = beam_search(small_model("abc"), "a", length=0)
    assert (found.text, found.probability, found.stop_reason) == ("", 1.0, "length")


def test_the_probability_is_that_of_the_nats() -> None:
    found = beam_search(small_model("abc"), "a", length=2)
    assert all(c.probability == pytest.approx(math.exp(-c.nats)) for c in found)
    assert np.all(np.diff([c.nats for c in found]) >= 0)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"length": -1}, {"stop": [""]}])
def test_a_setting_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        beam_search(small_model("abc"), "a", **wrong)  # type: ignore[arg-type]

"""Slips: which kinds lead from one word to another, and what they cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.correct.edits import DEFAULT_COSTS, ErrorModel
from charloom.correct.lexicon import Lexicon, read_words
from charloom.errors import TextError

WORDS = st.text("abcdehlnoprst'", min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("meant", "typed", "kinds"),
    [
        ("the", "teh", ["two letters exchanged"]),
        ("definite", "definate", ["a vowel for another"]),
        ("word", "wprd", ["a neighbouring key"]),
        ("bold", "bild", ["a vowel for another"]),
        ("jam", "ham", ["a neighbouring key", "the first letter"]),
        ("phone", "fone", ["a spelling that sounds alike", "the first letter"]),
        ("letter", "leter", ["a double letter written once"]),
        ("until", "untill", ["a letter written twice"]),
        ("garden", "gardn", ["a vowel left out"]),
        ("cake", "cak", ["a silent e"]),
        ("open", "opn", ["a vowel left out"]),
        ("which", "wich", ["a letter left out"]),
        ("under", "uner", ["a letter left out"]),
        ("lantern", "lantoern", ["a vowel added"]),
        ("lantern", "lantexrn", ["a letter added"]),
        ("don't", "dont", ["an apostrophe"]),
        ("of the", "ofthe", ["a space left out"]),
    ],
)
def test_a_slip_has_the_kind_that_a_speller_would_call_it(meant: str, typed: str, kinds: list[str]) -> None:
    slips = ErrorModel().slips(meant, typed)
    assert slips is not None
    assert sorted(slips.kinds) == sorted(kinds)
    assert slips.nats == pytest.approx(sum(DEFAULT_COSTS[kind] for kind in kinds))


@given(WORDS, WORDS)
def test_the_cost_is_that_of_the_kinds_and_nothing_costs_nothing(meant: str, typed: str) -> None:
    errors = ErrorModel()
    slips = errors.slips(meant, typed)
    if slips is not None:
        assert slips.nats == pytest.approx(sum(errors.costs[kind] for kind in slips.kinds))
        assert (slips.nats == 0) == (meant == typed)
    same = errors.slips(meant, meant)
    assert same is not None
    assert same.kinds == ()


@given(WORDS, st.integers(0, 8), st.sampled_from("abcdehlnoprst"))
def test_no_way_costs_more_than_its_single_slip(word: str, place: int, letter: str) -> None:
    typed = word[:place] + letter + word[place + 1 :]
    slips = ErrorModel().slips(word, typed)
    assert slips is not None
    assert slips.nats <= max(DEFAULT_COSTS.values()) + DEFAULT_COSTS["the first letter"]


def test_case_and_the_shape_of_an_apostrophe_do_not_matter() -> None:
    slips = ErrorModel().slips("Don’t", "don't")
    assert slips is not None
    assert slips.nats == 0


def test_words_that_have_nothing_in_common_are_not_slips_of_each_other() -> None:
    assert ErrorModel().slips("a", "lighthouse") is None


def test_a_list_of_words_has_counts_or_none() -> None:
    assert read_words("The 23\nof\nof\nDon’t 2\n", "f") == {"the": 23, "of": 2, "don't": 2}


@pytest.mark.parametrize("text", ["", "two words here\n", "word count\n", "word -1\n"])
def test_what_is_no_list_of_words_is_refused(text: str) -> None:
    with pytest.raises(TextError, match=r"words\.txt"):
        read_words(text, "words.txt")


def test_near_words_come_the_nearest_and_then_the_commonest_first() -> None:
    lexicon = Lexicon({"the": 100, "then": 20, "ten": 30, "tea": 5, "tee": 50, "lighthouse": 1})
    assert lexicon.near("teh", 1, most=9) == ["the", "tee", "ten", "tea"]
    assert lexicon.near("teh", 2, most=9) == ["the", "tee", "ten", "tea", "then"]
    assert lexicon.near("teh", 2, most=2) == ["the", "tee"]


def test_possessives_of_known_words_are_known() -> None:
    lexicon = Lexicon.of(["The keeper's lamp. A widow"])
    assert all(word in lexicon for word in ("KEEPER'S", "widow’s", "the", "Lamp"))
    assert not any(word in lexicon for word in ("keepers", "s", "lamps"))

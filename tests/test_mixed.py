"""Completion by a model and counts together: the counts are right, and the mixture's probabilities add up."""

import json
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.complete.completer import Completer
from charloom.complete.mixed import MixedCompleter, Shares, typed_before
from charloom.complete.word_counts import DISCOUNT, WordCounts
from charloom.errors import SettingsError, TextError
from charloom.generation.writer import Writer
from charloom.training.runs import Run
from models import log_probabilities, small_model

Call = Callable[..., subprocess.CompletedProcess[str]]

TEXT = "a cab and a bad cab. a dab and a cab, and a bad add."
ALONE = Shares(model=1, counts=0, recent=0, following=0)


def slow_trigram(text: str, before: list[str]) -> dict[str, float]:
    """Interpolated Kneser-Ney over words and punctuation, from tables; only words are returned."""
    tokens = re.findall(r"[\w'’]+|[^\w\s]", text)
    three: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for place in range(2, len(tokens)):
        three[tuple(tokens[place - 2 : place])][tokens[place]] += 1
    two: dict[tuple[str, ...], set[tuple[str, str]]] = defaultdict(set)
    for place in range(1, len(tokens)):
        two[(tokens[place - 1],)].add((tokens[place - 2] if place > 1 else "<", tokens[place]))
    one = {(tokens[place - 1], tokens[place]) for place in range(1, len(tokens))}
    levels = [
        Counter(word for _, word in one),
        Counter(word for _, word in two.get(tuple(before[-1:]), set())),
        three.get(tuple(before[-2:]), Counter()),
    ]
    words = sorted(set(tokens))
    probability = dict.fromkeys(words, 1 / len(words))
    for counts in levels:
        total = sum(counts.values())
        if total:
            kept = {word: max(0.0, counts[word] - DISCOUNT) if counts[word] else 0.0 for word in words}
            left = 1 - sum(kept.values()) / total
            probability = {word: kept[word] / total + left * probability[word] for word in words}
    told = {word: value for word, value in probability.items() if word.isalpha()}
    return {word: value / sum(told.values()) for word, value in told.items()}


# --- counts ---


@pytest.mark.parametrize("before", ["a", "and a", "bad cab", ".", "cab. a", "zebra a", "a zebra", ""])
def test_words_are_as_probable_as_a_table_of_kneser_and_ney_says(before: str) -> None:
    counts = WordCounts([TEXT], order=3)
    tokens = re.findall(r"\w+|[^\w\s]", before)
    known = tokens if "zebra" not in tokens else tokens[tokens.index("zebra") + 1 :]
    expected = slow_trigram(TEXT, known if len(known) > 1 else ["", *known])
    found = dict(zip(counts.words, counts.after(before + " ").tolist(), strict=True))
    assert {word: found[word] for word in expected} == pytest.approx(expected)
    assert found["."] == 0


@given(st.text("ab .'é\n", max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_a_text_may_come_in_pieces_cut_anywhere(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[low:high] for low, high in pairwise(places)]
    whole, parts = WordCounts([text]), WordCounts(pieces)
    assert parts.words == whole.words
    assert np.array_equal(parts.after("a b "), whole.after("a b "))
    assert np.isclose(whole.after("a ").sum(), 1) or not any(map(str.isalnum, whole.words))


def test_words_that_begin_alike_stand_together() -> None:
    counts = WordCounts([TEXT])
    assert counts.words[counts.beginning_with("ca")] == ["cab"]
    assert counts.words[counts.beginning_with("a")] == ["a", "add", "and"]
    assert counts.words[counts.beginning_with("")] == counts.words
    assert counts.words[counts.beginning_with("x")] == []


# --- the model's side ---


def test_surprisals_of_given_words_are_those_of_suggestions() -> None:
    completer = Completer(small_model("abc -\n", predicts_end=True, sharpness=1), "b a", length=4)
    found = [each for each in completer.suggest(1000) if each.ends]
    nats = completer.nats([each.text for each in found])
    assert nats.tolist() == pytest.approx([each.nats for each in found], rel=1e-4)
    assert np.exp(-completer.nats([""])[0]) == pytest.approx(completer.complete, rel=1e-5)
    assert completer.nats([]).shape == (0,)


def test_the_surprise_of_further_characters_is_that_of_the_model() -> None:
    model = small_model("abc ", sharpness=1)
    ids = model.encode("ab cab").tolist()
    logs = log_probabilities(model, ids)
    expected = -sum(logs[place][ids[place]] for place in range(3, 6))
    assert Completer(model, "ab ").surprise("cab") == pytest.approx(expected, rel=1e-4)


# --- the mixture ---


@pytest.mark.parametrize("typed", ["", "a ", "a ca", "a cab and a cab and b", "c cc c"])
def test_all_completions_and_the_word_that_is_complete_have_the_probability_one(typed: str) -> None:
    model = small_model("abcd n.,", sharpness=0.5)
    text = "a cab ad. a dab and an ad, ab"
    completer = MixedCompleter(model, WordCounts([text]), typed)
    completer._completer._length = 3
    assert completer.complete + sum(each.probability for each in completer.suggest(1000)) == pytest.approx(1, abs=1e-4)


def test_a_completions_probability_is_the_mixture_of_both_sides() -> None:
    model, counts = small_model("abcd n.,", sharpness=0.5), WordCounts([TEXT])
    shares = Shares(model=0.25, counts=0.75, recent=0, following=0)
    before, word = "a bad ", "cab"
    alone = float(np.exp(-Completer(model, before).nats([word])[0]))
    counted = dict(zip(counts.words, counts.after(before).tolist(), strict=True))
    whole = {word: 0.25 * alone + 0.75 * counted["cab"]}
    found = {each.text: each.probability for each in MixedCompleter(model, counts, before, shares=shares).suggest(5)}
    assert found["cab"] == pytest.approx(whole["cab"], rel=1e-4)
    begun = 0.25 * np.exp(-Completer(model, before).surprise("c")) + 0.75 * counted["cab"]
    found = {
        each.text: each.probability for each in MixedCompleter(model, counts, before + "c", shares=shares).suggest(5)
    }
    assert found["ab"] == pytest.approx(whole["cab"] / begun, rel=1e-4)


def test_with_the_whole_share_the_model_alone_speaks() -> None:
    model = small_model("abcd n.,", sharpness=1)
    expected = Completer(model, "a ca").suggest(8)
    found = MixedCompleter(model, WordCounts([TEXT]), "a ca", shares=ALONE).suggest(8)
    assert [each.text for each in found] == [each.text for each in expected]
    assert [each.nats for each in found] == pytest.approx([each.nats for each in expected], rel=1e-4)


def test_typing_letter_by_letter_is_typing_it_at_once_and_a_key_can_be_taken_back() -> None:
    model, counts, text = small_model("abcdn .,"), WordCounts([TEXT]), "a cab and. a ca"
    whole, typed = MixedCompleter(model, counts, text), MixedCompleter(model, counts)
    for character in text:
        typed = typed.type(character)
    assert (typed.typed, typed.begun) == (whole.typed, whole.begun) == (text, "ca")
    expected = whole.suggest(6)
    assert [each.text for each in typed.suggest(6)] == [each.text for each in expected]
    assert [each.nats for each in typed.suggest(6)] == pytest.approx([each.nats for each in expected], rel=1e-4)
    typed.type("b a").suggest()
    assert [each.text for each in typed.suggest(6)] == [each.text for each in expected]


def test_a_word_that_was_typed_is_expected_again_and_most_behind_the_same_word() -> None:
    model = small_model("abcdn ", sharpness=0.3)

    def expected(typed: str) -> float:
        found = {each.text: each.probability for each in MixedCompleter(model, typed=typed).suggest(30)}
        return found.get("dabba", 0.0)

    assert expected("and ") < expected("dabba cab and ") < expected("and dabba cab and ")


def test_what_was_typed_is_remembered_by_its_age_and_by_the_word_before_it() -> None:
    recent, following = typed_before("a cab and a dab. A cab, a")
    assert following == {"cab": 0.5, "dab": 0.5}
    assert set(recent) == {"a", "cab", "and", "dab", "A"}
    assert sum(recent.values()) == pytest.approx(1)
    assert recent["A"] > recent["dab"] > recent["and"]
    assert typed_before("") == ({}, {})


def test_words_that_the_model_cannot_read_are_not_suggested() -> None:
    found = MixedCompleter(small_model("abc "), WordCounts(["abé abé abb"]), "a").suggest(20)
    assert "bb" in {each.text for each in found}
    assert not any("é" in each.text for each in found)


def test_a_vocabulary_of_bytes_is_mixed_too() -> None:
    model = small_model("abé —", kind="bytes")
    found = MixedCompleter(model, WordCounts(["bébé bébé"]), "a b").suggest(3)
    assert "ébé" in {each.text for each in found}


def test_shares_out_of_range_are_refused() -> None:
    for wrong in ({"model": 0.0}, {"counts": -0.1}, {"recent": 1.5}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            Shares(**wrong)
    with pytest.raises(SettingsError, match="suggestions"):
        MixedCompleter(small_model("ab ")).suggest(0)
    with pytest.raises(TextError, match=r"U\+65E5"):
        MixedCompleter(small_model("ab ")).type("日")


def test_the_command_mixes_in_the_words_of_the_training_text_unless_told_not_to(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("cab dab " * 300 + "zebra " * 60)
    small = ("--network.hidden-size", 8, "--network.embedding-size", 4, "--steps", 2)
    assert charloom("train", "text.txt", "--run", "run", *small).returncode == 0

    def shown(*arguments: object) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(charloom("complete", *arguments, "--json").stdout)
        return found

    writer, train = Writer.load(tmp_path / "run"), (tmp_path / "text.txt").read_text()[: int(0.9 * 2760)]
    expected = MixedCompleter(writer, WordCounts([train]), "cab d").suggest(5)
    assert [(each["text"], each["probability"]) for each in shown("run", "cab d")] == [
        (each.text, each.probability) for each in expected
    ]
    assert expected[0].text == "ab"
    alone = [each.text for each in Completer(writer, "cab d").suggest(5)]
    assert [each["text"] for each in shown("run", "cab d", "--model-only")] == alone
    assert [each["text"] for each in shown(Run(tmp_path / "run").path / "model", "cab d")] == alone
    (tmp_path / "text.txt").unlink()
    done = charloom("complete", "run", "cab d", "--json")
    typed = MixedCompleter(writer, None, "cab d").suggest(5)
    assert [each["text"] for each in json.loads(done.stdout)] == [each.text for each in typed]
    assert done.stderr.startswith("words of the training text are not counted: ")

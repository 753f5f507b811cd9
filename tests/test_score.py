"""A score counts every character of a text once, and does not depend on how the text was split to compute it."""

import math

import numpy as np
import pytest
import torch

from charloom.data.text import Text
from charloom.errors import TextError
from charloom.evaluation.score import (
    Score,
    evaluate,
    evaluate_dynamic,
    evaluate_folded,
    evaluate_side_by_side,
    surprisal,
)
from charloom.models.language_model import LanguageModel
from charloom.settings import Cell
from conftest import CELLS
from models import brute_force_nats, log_probabilities, several_texts, small_model, uniform_model

TEXT = "the quick brown fox jumps over the lazy dog; then it rests.\nAnd so on, for some more characters to count.\n"


@pytest.mark.parametrize("cell", CELLS)
def test_a_carried_score_equals_reading_one_character_at_a_time(cell: Cell) -> None:
    model = small_model(TEXT, cell)
    ids = model.encode(TEXT).tolist()
    score = evaluate(model, TEXT)
    assert score.nats == pytest.approx(brute_force_nats(model, ids), rel=1e-5)
    assert score.correct == sum(
        int(row.argmax() == i) for row, i in zip(log_probabilities(model, ids), ids, strict=True)
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_scoring_in_chunks_equals_scoring_in_one_piece(cell: Cell, chunk: int) -> None:
    model = small_model(TEXT, cell)
    whole, pieces = evaluate(model, TEXT, chunk=10_000), evaluate(model, TEXT, chunk=chunk)
    assert pieces.nats == pytest.approx(whole.nats, rel=1e-6)
    assert (pieces.symbols, pieces.correct) == (whole.symbols, whole.correct)


@pytest.mark.parametrize("length", [*range(1, 20), 255, 256, 257, 511, 513, 1024, 1025])
def test_a_uniform_model_scores_n_times_the_logarithm_of_its_symbols(length: int) -> None:
    text = (TEXT * 20)[:length]
    model = uniform_model(TEXT)
    expected = length * math.log(model.vocabulary.boundary)
    for score in (evaluate(model, text), evaluate(model, text, context=8), evaluate_folded(model, Text.of(text))):
        assert score.nats == pytest.approx(expected, rel=1e-6)
        assert (score.symbols, score.characters) == (length, length)


@pytest.mark.parametrize("cell", CELLS)
def test_a_fresh_score_gives_each_window_a_zero_state_and_the_symbol_before_it(cell: Cell) -> None:
    model = small_model(TEXT, cell)
    ids, context = model.encode(TEXT).tolist(), 10
    nats = 0.0
    for start in range(0, len(ids), context):
        before = ids[start - 1] if start else model.vocabulary.boundary
        window = ids[start : start + context]
        with torch.no_grad():
            logits, _ = model.network(torch.tensor([before, *window[:-1]])[:, None])
        nats -= float(torch.log_softmax(logits[:, 0].double(), -1)[range(len(window)), window].sum())
    assert evaluate(model, TEXT, context=context).nats == pytest.approx(nats, rel=1e-5)


def test_a_context_longer_than_the_text_is_the_carried_score() -> None:
    model = small_model(TEXT)
    assert evaluate(model, TEXT, context=10_000).nats == pytest.approx(evaluate(model, TEXT).nats, rel=1e-6)


@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("documents", ["none", "lines"])
def test_surprisals_are_one_for_each_character_and_add_up_to_the_score(kind: str, documents: str) -> None:
    text = "naïve café — 日本 🙂\nyes\n\nlast line without an end"
    model = small_model(text, kind=kind, documents=documents)  # type: ignore[arg-type]
    nats = surprisal(model, text)
    assert len(nats) == len(text)
    assert nats.sum() == pytest.approx(evaluate(model, text).nats, rel=1e-6)


def test_the_ratios_follow_from_the_sums() -> None:
    score = Score(nats=20.0, symbols=10, correct=4, characters=10, bytes=16)
    assert score.nats_per_character == 2
    assert score.bits_per_character == pytest.approx(2 / math.log(2))
    assert score.bits_per_byte == pytest.approx(20 / 16 / math.log(2))
    assert score.perplexity == pytest.approx(math.exp(2))
    assert score.accuracy == 0.4


def test_scores_of_two_texts_add() -> None:
    model = small_model(TEXT, documents="lines")
    one, two = "the fox\n", "rests on\n"
    both, added = evaluate(model, one + two), evaluate(model, one) + evaluate(model, two)
    assert both.nats == pytest.approx(added.nats, rel=1e-6)
    assert (both.symbols, both.characters, both.bytes) == (added.symbols, added.characters, added.bytes)


def test_a_documents_model_resets_its_state_and_charges_each_end_as_the_newline() -> None:
    model = small_model("ab\n", documents="lines")
    boundary = model.vocabulary.boundary
    ids = {"a": model.vocabulary.encode("a").tolist(), "bb": model.vocabulary.encode("bb").tolist()}
    expected = brute_force_nats(model, [*ids["a"], boundary]) + brute_force_nats(model, [*ids["bb"], boundary])
    score = evaluate(model, "a\nbb\n")
    assert score.nats == pytest.approx(expected, rel=1e-5)
    assert score.symbols == score.characters == 5


def test_a_model_of_several_texts_is_charged_for_ends_that_are_no_characters() -> None:
    model = small_model("ab", predicts_end=True)
    text = several_texts("ab", "bb")
    ids, boundary = model.encode(text).tolist(), model.vocabulary.boundary
    score = evaluate(model, text)
    assert ids[2] == ids[5] == boundary
    expected = brute_force_nats(model, ids[:3]) + brute_force_nats(model, ids[3:])  # nothing is known of the first
    assert score.nats == pytest.approx(expected, rel=1e-5)
    assert (score.symbols, score.characters) == (6, 4)


def test_the_score_of_several_texts_is_the_sum_of_their_scores() -> None:
    model = small_model(TEXT, predicts_end=True)
    texts = [TEXT[:count] for count in (9, 30, 70, 1)]

    def windows(model: LanguageModel, text: Text) -> Score:
        return evaluate(model, text, context=8)

    def without_learning(model: LanguageModel, text: Text) -> Score:
        return evaluate_dynamic(model, text, learning_rate=0.0, segment=7)

    for measure in (evaluate, windows, without_learning):
        apart = [measure(model, several_texts(text)) for text in texts]
        together = measure(model, several_texts(*texts))
        assert together.nats == pytest.approx(sum(score.nats for score in apart), rel=1e-5)
        assert together.symbols == sum(score.symbols for score in apart) == 110 + len(texts)


def test_a_quick_estimate_of_several_texts_begins_each_of_them_with_a_zero_state() -> None:
    model = small_model(TEXT, predicts_end=True)
    alike = several_texts(*[TEXT[:6]] * 40)  # none is longer than a sixteenth of them all
    assert evaluate_folded(model, alike).nats == pytest.approx(evaluate(model, alike).nats, rel=1e-5)


def test_a_model_of_one_text_gives_the_boundary_no_probability() -> None:
    model = small_model("ab")
    assert model.network.outputs == 2
    assert np.exp(log_probabilities(model, [0, 1, 1])).sum(1) == pytest.approx([1, 1, 1])


def test_evaluating_draws_no_random_number_and_leaves_the_network_as_it_was() -> None:
    model = small_model(TEXT)
    model.network.train()
    random, weights = torch.get_rng_state(), model.weights()
    evaluate(model, TEXT)
    assert torch.equal(torch.get_rng_state(), random)
    assert model.network.training
    assert model.weights() == weights


def test_an_empty_text_has_no_score() -> None:
    with pytest.raises(TextError, match="empty"):
        evaluate(small_model("ab"), "")


def test_an_unseen_character_is_named_and_not_replaced() -> None:
    with pytest.raises(TextError, match=r"'z' \(U\+007A\) at character 2"):
        evaluate(small_model("ab"), "abz")


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_texts_side_by_side_are_each_read_from_nothing(kind: str) -> None:
    model = small_model("abcé ", kind=kind)
    texts = ["a", "cab é", "b" * 70, "abc a", "é"]
    together = evaluate_side_by_side(model, texts)
    alone = [evaluate(model, text) for text in texts]
    assert together.nats == pytest.approx(sum(score.nats for score in alone), rel=1e-6)
    assert (together.symbols, together.characters, together.bytes) == (
        sum(score.symbols for score in alone),
        sum(score.characters for score in alone),
        sum(score.bytes for score in alone),
    )
    assert evaluate_side_by_side(model, texts[::-1]).nats == pytest.approx(together.nats, rel=1e-6)

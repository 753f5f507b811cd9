"""Weights of texts: 2 is exactly the text twice, 0 exactly the text left out; fractions hold on average."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charloom
from charloom.classify import experiment
from charloom.classify.n_grams import NGrams
from charloom.classify.rows import Rows, as_copy, hold_out, parse_copy
from charloom.classify.symbols import SymbolTable, vocabulary_of
from charloom.classify.weights import MOST, OFFSETS, checked, times, total
from charloom.errors import TextError
from classify_rows import finish, small_rows

ROWS = small_rows(90)
TEXTS, LABELS = list(ROWS.texts), list(ROWS.labels)
QUESTIONS = ["der die", "the and", "", "import def", "日本"]
WEIGHTS = np.random.Generator(np.random.PCG64(3)).integers(0, 4, len(TEXTS))


def small(**changes: Any) -> charloom.TextClassifier:
    return charloom.TextClassifier(**{"hidden_size": 8, "embedding_size": 6, "batch_size": 16, **changes})


# --- the law ---


@pytest.mark.parametrize(
    "changes",
    [
        {"epochs": 2},
        {},
        {"steps": 7, "held": 0.3, "class_weights": 0.5},
        {"steps": 7, "crops": 0.5, "held": 0},
        {"steps": 7, "kind": "generative"},
        {"steps": 5, "every_place": 1.0},
    ],
)
def test_whole_weights_are_so_many_rows_bit_for_bit(changes: dict[str, Any]) -> None:
    changes = changes or {"steps": 7, "batch_size": 5}
    weighted = small(**changes).fit(TEXTS, LABELS, sample_weight=WEIGHTS)
    places = np.repeat(np.arange(len(TEXTS)), WEIGHTS)
    written_out = small(**changes).fit([TEXTS[place] for place in places], [LABELS[place] for place in places])
    np.testing.assert_array_equal(weighted.predict_proba(QUESTIONS), written_out.predict_proba(QUESTIONS))
    unweighted = small(**changes).fit(TEXTS, LABELS)
    assert (weighted.predict_proba(QUESTIONS) != unweighted.predict_proba(QUESTIONS)).any()


def test_a_weight_of_zero_is_the_text_left_out() -> None:
    weights = np.array([label != "german" for label in LABELS], float)
    kept = [place for place, weight in enumerate(weights) if weight]
    one = small(steps=6).fit(TEXTS, LABELS, sample_weight=weights)
    two = small(steps=6).fit([TEXTS[place] for place in kept], [LABELS[place] for place in kept])
    assert one.classes_.tolist() == ["english", "python"]
    np.testing.assert_array_equal(one.predict_proba(QUESTIONS), two.predict_proba(QUESTIONS))


@pytest.mark.parametrize("weight", [1, 0.25, 1.0])
def test_equal_weights_up_to_one_are_none(weight: float) -> None:
    one = small(steps=6).fit(TEXTS, LABELS, sample_weight=[weight] * len(TEXTS))
    two = small(steps=6).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(one.predict_proba(QUESTIONS), two.predict_proba(QUESTIONS))


def test_weights_that_are_no_whole_numbers_train_and_a_heavier_class_is_more_probable() -> None:
    heavy = np.array([3.7 if label == "german" else 0.4 for label in LABELS])
    sides = [
        small(steps=30, held=0, n_grams=0).fit(TEXTS, LABELS, sample_weight=weights) for weights in (heavy, 1 / heavy)
    ]
    german = [side.predict_proba(TEXTS)[:, list(side.classes_).index("german")].mean() for side in sides]
    assert german[0] > german[1] + 0.1


# --- its parts ---


@given(
    st.lists(st.floats(0.01, 5) | st.integers(1, 5), min_size=1, max_size=30),
    st.integers(0, OFFSETS - 1),
)
def test_each_row_comes_as_often_as_its_weight_but_for_less_than_one_and_all_always_equally_often(
    weights: list[float], offset: int
) -> None:
    amounts = np.array(weights, float)
    found = times(amounts, offset)
    assert found.sum() == total(amounts)
    scaled = amounts * total(amounts) / amounts.sum()
    assert (np.abs(found - scaled) < 1 + 1e-6).all()
    if all(weight == int(weight) for weight in weights):
        assert found.tolist() == weights


def test_on_average_over_the_offsets_a_row_comes_as_often_as_its_weight() -> None:
    weights = np.array([0.3, 1.25, 2.0, 0.45, 1.0])
    mean = np.mean([times(weights, offset) for offset in range(0, OFFSETS, OFFSETS // 1000)], 0)
    np.testing.assert_allclose(mean, weights, atol=0.01)


@given(st.lists(st.integers(1, 4), min_size=12, max_size=12), st.integers(1, 5))
def test_counts_of_weighted_texts_are_those_of_repeated_texts(weights: list[int], longest: int) -> None:
    rows = Rows(tuple(LABELS[:12]), tuple(TEXTS[:12]))
    table = SymbolTable(vocabulary_of(rows.texts))
    texts = [table.encode(text) for text in rows.texts]
    labels = np.array([rows.classes.index(label) for label in rows.labels])
    more = {"classes": len(rows.classes), "longest": longest}
    weighted = NGrams.count(texts, labels, table, **more, weights=np.array(weights, float))
    places = np.repeat(np.arange(12), weights)
    repeated = NGrams.count([texts[place] for place in places], labels[places], table, **more)
    np.testing.assert_array_equal(weighted.nats(texts), repeated.nats(texts))


@given(st.lists(st.floats(0.05, 4), min_size=12, max_size=12))
def test_counts_of_any_weights_give_probabilities(weights: list[float]) -> None:
    rows = Rows(tuple(LABELS[:12]), tuple(TEXTS[:12]))
    table = SymbolTable(vocabulary_of(rows.texts))
    texts = [table.encode(text) for text in rows.texts]
    labels = np.array([rows.classes.index(label) for label in rows.labels])
    counted = NGrams.count(texts, labels, table, classes=len(rows.classes), longest=3, weights=np.array(weights, float))
    for order in counted.orders:
        for part in (order.shares, order.passed):
            assert ((part.values > 0) & (part.values <= 1)).all()
    assert (counted.nats(texts) <= 0).all()


def test_a_class_holds_out_its_share_by_weight() -> None:
    rows = Rows(("a",) * 20, tuple(chr(97 + n) * 3 for n in range(20)), weights=(10.0,) * 2 + (1.0,) * 18)
    _, held = hold_out(rows, 0.25, 1)
    assert sum(rows.take(held).weights or ()) >= 9


def test_a_run_with_weights_is_kept_and_goes_on_to_the_same_model(tmp_path: Path) -> None:
    models = []
    for name, steps in (("whole", 8), ("parts", 3)):
        classifier = small(steps=8, run=tmp_path / name, held=0.2)
        if steps == 8:
            classifier.fit(TEXTS, LABELS, sample_weight=WEIGHTS + 0.37)
        else:
            rows = Rows(tuple(LABELS), tuple(TEXTS), weights=tuple((WEIGHTS + 0.37).tolist()))
            session = experiment.begin(rows, classifier._request(), run=tmp_path / name)
            events = session.events()
            for _ in range(steps):
                next(events)
            events.close()
            finish(experiment.resume(tmp_path / name))
        models.append((tmp_path / name / "model" / "model.safetensors").read_bytes())
    assert models[0] == models[1]


def test_a_copy_keeps_the_weights() -> None:
    rows = Rows(("a", "b"), ("one\n", "two\t"), weights=(0.1, 2.0))
    again = parse_copy(as_copy(rows), "text.txt")
    assert (again, again.sha256) == (rows, rows.sha256) or (
        again.weights == rows.weights and again.sha256 == rows.sha256
    )
    assert rows.sha256 != Rows(rows.labels, rows.texts).sha256


# --- what is none ---


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1.0], r"sample_weight.shape == \(1,\), expected \(2,\)"),
        ([[1.0], [2.0]], r"sample_weight.shape == \(2, 1\)"),
        ([1.0, -1.0], "negative or not finite"),
        ([1.0, float("nan")], "negative or not finite"),
        ([0.0, 0.0], "zero for every text"),
        (["a", "b"], "is not numeric"),
        ([MOST * 50, MOST * 50], "divide the weights by their mean"),
    ],
)
def test_what_is_no_weight_gets_a_sentence(weights: Any, said: str) -> None:
    with pytest.raises(TextError, match=said):
        checked(weights, 2)

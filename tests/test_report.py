"""Reports on a model: each figure is compared with a slow, simple computation."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.data.text import Text
from charloom.errors import TextError
from charloom.evaluation.score import evaluate, surprisal
from charloom.generation.batched_generation import generate_many
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.report import context
from charloom.report.calibration import calibration
from charloom.report.classes import class_of, loss_by_class, runs
from charloom.report.copying import compare
from charloom.report.embeddings import plane
from charloom.report.features import features_of
from charloom.report.mistakes import mistakes
from charloom.report.predictions import TEMPERATURES, Predictions, by_character, predict
from charloom.report.units import activations, correlations, followers
from charloom.report.words import Words
from charloom.settings import Cell
from models import log_probabilities, small_model, uniform_model

CELLS: tuple[Cell, ...] = ("lstm", "gru", "rnn-tanh", "rnn-relu")
TEXT = "The 12 cats (and dogs) sat.\nNOT é, 日 or 🙂!\n" * 9


def predictions(targets: list[int], predicted: list[int], confidence: list[float]) -> Predictions:
    """Predictions with only the most probable symbol known."""
    count = len(targets)
    even = np.zeros((2, len(TEMPERATURES)))
    sizes = np.array([count // 2, count - count // 2])
    return Predictions(
        np.array(targets), np.ones(count), np.array(predicted), np.array(confidence, np.float64), even, sizes
    )


@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("documents", ["none", "lines"])
def test_predictions_add_up_to_the_score(kind: str, documents: str) -> None:
    model = small_model(TEXT, kind=kind, documents=documents)  # type: ignore[arg-type]
    found = predict(model, Text.of(TEXT))
    score = evaluate(model, TEXT)
    assert found.nats.sum() == pytest.approx(score.nats, rel=1e-5)
    assert int(found.right.sum()) == score.correct
    assert found.tempered[:, TEMPERATURES.index(1.0)].sum() == pytest.approx(score.nats, rel=1e-5)
    characters = by_character(model, found)
    assert "".join(map(chr, characters.codes)) == TEXT
    assert characters.nats.sum() == pytest.approx(score.nats, rel=1e-5)
    assert found.targets[characters.last].tolist() == [
        model.vocabulary.boundary if documents == "lines" and c == "\n" else model.vocabulary.encode(c)[-1]
        for c in TEXT
    ]
    if documents == "none":
        assert np.allclose(characters.nats, surprisal(model, TEXT), atol=1e-5)


def test_a_temperature_divides_the_logits() -> None:
    model = small_model(TEXT)
    found = predict(model, Text.of(TEXT))
    logs = log_probabilities(model, model.encode(TEXT).tolist())
    for place in (0, 7, len(TEMPERATURES) - 1):
        cooled = torch.log_softmax(torch.from_numpy(logs) / TEMPERATURES[place], 1).numpy()
        expected = -cooled[np.arange(len(TEXT)), model.encode(TEXT)].sum()
        assert found.tempered[:, place].sum() == pytest.approx(expected, rel=1e-4)


def test_an_empty_text_gives_a_sentence() -> None:
    with pytest.raises(TextError, match="the text is empty"):
        predict(small_model(TEXT), Text.of(""))


@given(st.lists(st.booleans(), max_size=30))
def test_places_in_runs_are_counted_from_one(inside: list[bool]) -> None:
    expected, place = [], 0
    for here in inside:
        place = place + 1 if here else 0
        expected.append(place)
    assert runs(np.array(inside, np.bool_)).tolist() == expected


def test_the_classes_of_characters() -> None:
    text = "a é日7²\t \u00a0\n\r.$(\u0301\x00"
    assert [class_of(ord(character)) for character in text] == (
        ["letter", "space", "letter", "letter", "digit", "digit", "space", "space", "space", "newline", "newline"]
        + ["punctuation"] * 3
        + ["letter", "other"]
    )


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_the_loss_by_class_and_place_leaves_nothing_out(kind: str) -> None:
    model = small_model(TEXT, kind=kind)
    loss = loss_by_class(by_character(model, predict(model, Text.of(TEXT))))
    assert sum(group.characters for group in loss.classes) == len(TEXT) == loss.characters
    assert sum(group.nats for group in loss.classes) == pytest.approx(loss.nats)
    letters = next(group for group in loss.classes if group.name == "letter")
    assert sum(group.characters for group in loss.places) == letters.characters
    assert sum(group.nats for group in loss.places) == pytest.approx(letters.nats)
    assert sum(group.right for group in loss.places) == letters.right
    nats = surprisal(model, TEXT)
    firsts = [p for p, c in enumerate(TEXT) if c.isalpha() and (p == 0 or not TEXT[p - 1].isalpha())]
    assert loss.places[0].characters == len(firsts)
    assert loss.places[0].nats == pytest.approx(nats[firsts].sum(), rel=1e-5)


@torch.no_grad()
def test_a_prediction_in_a_window_has_just_the_context_that_it_is_said_to_have() -> None:
    model = small_model(TEXT)
    ids = model.encode(TEXT)
    found = predict(model, Text.of(TEXT))
    measured = context.loss_by_context(model, ids, found, ((8, 1000),))
    starts = range(1, len(ids) - 8 + 1)
    for step in measured.steps:
        nats, carried = [], []
        for start in starts:
            for place in range(step.context // 2, step.context):
                read = ids[start - 1 : start + place]  # place + 1 symbols
                logits, _ = model.network(torch.from_numpy(read.astype(np.int64))[:, None])
                nats.append(-float(torch.log_softmax(logits[-1, 0], -1)[ids[start + place]]))
                carried.append(found.nats[start + place])
        expected = found.nats.mean() + np.mean(nats) - np.mean(carried)
        assert step.nats_per_symbol == pytest.approx(expected, abs=1e-5)
    assert [step.context for step in measured.steps] == [1, 2, 4, 8]


def test_a_model_that_forgets_everything_needs_one_symbol_of_context() -> None:
    model = uniform_model(TEXT)
    found = predict(model, Text.of(TEXT))
    measured = context.loss_by_context(model, model.encode(TEXT), found)
    assert measured.enough() == 1
    assert all(step.nats_per_symbol == pytest.approx(measured.carried, abs=1e-6) for step in measured.steps)


def test_mistakes_are_counted_by_pair() -> None:
    counted = mistakes(predictions([0, 1, 1, 2, 1], [0, 2, 2, 1, 1], [1.0] * 5), 3)
    assert counted.pairs == ((1, 2, 2), (2, 1, 1))
    assert (counted.symbols, counted.wrong) == (5, 3)
    assert counted.counts.tolist() == [[1, 0, 0], [0, 1, 2], [0, 1, 0]]


def test_calibration_tells_the_sure_from_the_right() -> None:
    ten = [1] * 7 + [0] * 3
    honest = calibration(predictions(ten * 10, [1] * 100, [0.7] * 100))
    assert honest.expected_error == pytest.approx(0, abs=1e-9)
    assert "as sure as it is right" in honest.finding()
    boastful = calibration(predictions(ten * 10, [1] * 100, [0.9] * 100))
    assert boastful.expected_error == pytest.approx(0.2)
    assert "surer than it is right" in boastful.finding()


def test_the_temperature_that_calibrates_is_found() -> None:
    model = small_model("abcdefgh \n")
    samples = generate_many(model, [""] * 64, length=300, temperature=1.6, seed=1)
    found = [predict(model, Text.of(sample.text)) for sample in samples]
    joined = Predictions(
        *(np.concatenate([getattr(each, name) for each in found]) for name in Predictions.__annotations__)
    )
    measured = calibration(joined)
    assert measured.temperature == pytest.approx(1.6, rel=0.05)
    assert measured.gain > 0.01


@pytest.mark.parametrize("cell", CELLS)
def test_units_are_what_the_network_remembers(cell: Cell) -> None:
    model = small_model(TEXT, cell)
    ids = model.encode(TEXT)[:40].astype(np.int64)
    memory = activations(Writer(model).stepper, ids, model.vocabulary.boundary)
    for length in (1, 17, 40):
        read = np.concatenate(([model.vocabulary.boundary], ids[:length]))
        _, state = model.network(torch.from_numpy(read)[:, None])
        expected = (torch.tanh(state[1]) if cell == "lstm" else state[0]).flatten()
        assert np.allclose(memory[length - 1], expected.detach().numpy(), atol=1e-5)


def test_correlations_are_pearson_s() -> None:
    draw = np.random.Generator(np.random.PCG64(0))
    memory = draw.normal(size=(200, 3)).astype(np.float32)
    memory[:, 2] = 0.5
    values = 2 * memory[:, 1].astype(np.float64) + draw.normal(size=200)
    found = correlations(memory, values)
    assert found[:2] == pytest.approx([np.corrcoef(memory[:, unit], values)[0, 1] for unit in range(2)], abs=1e-5)
    assert found[2] == 0


def counting_model() -> LanguageModel:
    """A model whose unit 3 counts the characters since the last newline."""
    model = small_model("ab\n", "rnn-relu", layers=1)
    network = model.network
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        assert network.embedding is not None
        newline = model.vocabulary.encode("\n")[0]
        network.embedding.weight[:, 0] = 1.0
        network.embedding.weight[newline, 0] = -1000.0
        network.layers[0].weight_ih_l0[3, 0] = 1.0
        network.layers[0].weight_hh_l0[3, 3] = 1.0
    return model


def test_the_unit_that_follows_the_line_is_found() -> None:
    model = counting_model()
    draw = np.random.Generator(np.random.PCG64(0))
    text = "".join("ab"[int(n)] * int(draw.integers(1, 9)) + "\n" * int(n < 1) for n in draw.integers(0, 2, 600))
    found = predict(model, Text.of(text))
    best = followers(Writer(model).stepper, found.targets, by_character(model, found), model.vocabulary.boundary)
    assert (best[0].feature, best[0].layer, best[0].unit) == ("place in the line", 1, 3)
    assert best[0].correlation == pytest.approx(1, abs=1e-4)


@given(st.text('aB \n."([)“”1', min_size=1, max_size=60))
def test_features_are_what_their_names_say(text: str) -> None:
    found = features_of(np.array([ord(character) for character in text], np.int64))
    plain: dict[str, list[float]] = {}
    column = depth = quotes = curly = indent = 0
    starting, small, blank = True, False, True
    for place, character in enumerate(text):
        if character == "\n":
            if place == 0 or text[place - 1] == "\n":
                quotes = 0
            column, indent, starting, small = 0, 0, True, False
        else:
            column += 1
            if starting and character != " ":
                starting, indent = False, column - 1
            small = small or character.islower()
        blank = character == "\n" and (place == 0 or text[place - 1] == "\n")
        quotes = 0 if blank else (quotes + (character == '"')) % 2
        depth = max(0, depth + (character in "([") - (character == ")"))
        curly = max(0, curly + (character == "“") - (character == "”"))
        for name, value in (
            ("place in the line", column),
            ("inside double quotation marks", quotes),
            ("depth of brackets", depth),
            ("inside curly quotation marks", curly),
            ("indentation", 0 if starting else indent),
            ("line has a small letter", small),
            ("in a number", character == "1"),
            ("capital letter", character == "B"),
        ):
            plain.setdefault(name, []).append(float(value))
    for name, values in plain.items():
        if name in found:
            assert found[name].tolist() == values, name


def test_features_that_do_not_vary_are_left_out() -> None:
    assert "inside double quotation marks" not in features_of(np.array([ord(c) for c in "ab\ncd\n" * 50]))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding", [6, 0])
def test_the_plane_holds_what_it_says(cell: Cell, embedding: int) -> None:
    model = small_model(TEXT, cell)
    arrays = model.arrays()
    chosen = np.arange(8)
    found = plane(arrays, chosen)
    assert found.characters == tuple(model.vocabulary.characters[:8])
    vectors = arrays.weights["embedding.weight"] @ arrays.weights["layers.0.weight_ih_l0"].T
    centred = vectors[:8].astype(np.float64) - vectors[:8].mean(0)
    assert (found.places**2).sum() == pytest.approx(found.share * (centred**2).sum(), rel=1e-4)
    assert 0 < found.share <= 1


def longest_shared(train: str, text: str, start: int) -> int:
    size = 0
    while start + size < len(text) and text[start : start + size + 1] in train:
        size += 1
    return size


@given(st.text("ab é🙂", max_size=60), st.text("ab é🙂", max_size=40), st.text("ab é🙂", max_size=40))
def test_shared_passages_are_those_that_a_plain_search_finds(train: str, text: str, other: str) -> None:
    for looked, copied in zip((text, other), compare(train, [text, other]), strict=True):
        lengths = [longest_shared(train, looked, start) for start in range(len(looked))]
        assert copied.characters == len(looked)
        assert copied.mean == pytest.approx(np.mean(lengths) if lengths else 0)
        for size, share in copied.novel.items():
            places = range(len(looked) - size + 1)
            assert share == pytest.approx(np.mean([looked[p : p + size] not in train for p in places]))
        assert [len(passage.text) for passage in copied.longest[:1]] == ([max(lengths)] if any(lengths) else [])
        for passage in copied.longest:
            assert passage.text in train
            assert looked[passage.start :].startswith(passage.text)
        spans = sorted((passage.start, passage.start + len(passage.text)) for passage in copied.longest)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(spans))


def test_a_text_that_is_copied_whole_has_nothing_new() -> None:
    train = TEXT + "and more of it"
    copied, new = compare(train, [TEXT, "x" * len(TEXT)])
    assert copied.novel == {8: 0.0, 16: 0.0, 32: 0.0}
    assert copied.longest[0].text == TEXT
    assert new.novel == {8: 1.0, 16: 1.0, 32: 1.0}
    assert new.longest == ()


def test_words_are_runs_of_letters() -> None:
    words = Words.of("Don't stop, don’t STOP 12 times; l'été x_y")
    assert words.counts == Counter({"stop": 2, "don't": 1, "don’t": 1, "times": 1, "l'été": 1, "x": 1, "y": 1})
    known = Words.of("stop times")
    assert words.known(known) == pytest.approx(3 / 8)
    assert words.new(known, 2) == ["don't", "don’t"]
    assert sum(words.lengths) == pytest.approx(1)
    assert words.apart(words) == 0
    assert Words.of("a").apart(Words.of("bb")) == 1
    assert Words.of("12").known(known) == 1


def test_a_report_of_the_calibration_is_finite_for_one_chunk() -> None:
    model = small_model(TEXT)
    measured = calibration(predict(model, Text.of(TEXT[:30])))
    assert measured.temperature == 1.0
    assert math.isfinite(measured.expected_error)

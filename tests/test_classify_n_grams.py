"""Counted n-grams: laws of their probabilities, their share in a decision, and their file."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charloom.classify.batches import held_parts
from charloom.classify.calibration import best_pool, surprise_nats
from charloom.classify.model import load_classifier
from charloom.classify.n_grams import NGrams, _counted
from charloom.classify.symbols import SymbolTable, vocabulary_of
from charloom.errors import FolderError
from charloom.storage.tensor_files import Array
from classify_rows import begin, finish, small_rows

TEXTS = st.lists(st.text("ab c", max_size=8), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with n-grams of up to three characters."""
    return finish(begin(small_rows(), tmp_path_factory.mktemp("n-grams") / "run", n_grams=3))


def counted(texts: list[str], labels: list[int], longest: int) -> NGrams:
    table = SymbolTable(vocabulary_of(texts))
    return NGrams.count(
        [table.encode(text) for text in texts], np.array(labels, np.int64), table, classes=2, longest=longest
    )


class Oracle:
    """Kneser-Ney for one class by its definition, with a dictionary for each count."""

    def __init__(self, lines: list[list[int]], longest: int, symbols: int) -> None:
        self.symbols = symbols
        self.counts: list[Counter[tuple[int, ...]]] = []
        for length in range(1, longest + 1):
            longer = {tuple(line[end - length : end + 1]) for line in lines for end in range(length, len(line))}
            opening = [tuple(line[:length]) for line in lines if 1 < length <= len(line)]
            every = [
                tuple(line[end + 1 - length : end + 1])
                for line in lines
                for end in range(max(1, length - 1), len(line))
            ]
            lower = [sequence[1:] for sequence in longer] + opening
            self.counts.append(Counter(every if length == longest else lower))

    def probability(self, context: tuple[int, ...], symbol: int) -> float:
        if len(context) + 1 > len(self.counts):
            return self.probability(context[1:], symbol)
        below = self.probability(context[1:], symbol) if context else 1 / self.symbols
        counts = self.counts[len(context)]
        followers = {key[-1]: count for key, count in counts.items() if key[:-1] == context}
        if not followers:
            return below
        n1, n2, n3, n4 = (max(1, sum(count == number for count in counts.values())) for number in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        raw = [1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        gives = [0.0] + [min(max(each, 0.05), most) for each, most in zip(raw, (0.99, 1.99, 2.99), strict=True)]
        total = sum(followers.values())
        count = followers.get(symbol, 0)
        gamma = sum(gives[min(each, 3)] for each in followers.values()) / total
        return (count - gives[min(count, 3)]) / total + gamma * below


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS, st.text("ab c", max_size=6), st.integers(1, 4))
def test_it_is_kneser_ney_for_each_class(one: list[str], other: list[str], asked: str, longest: int) -> None:
    made = counted(one + other, [0] * len(one) + [1] * len(other), longest)
    table = made.table
    edge = table.boundary if table.space is None else table.space

    def line(text: str) -> list[int]:
        return [edge, *table.encode(text).tolist(), edge]

    known = {symbol for text in one + other for symbol in line(text)}
    levels = len(made.orders)
    for place, texts in enumerate((one, other)):
        oracle = Oracle([line(text) for text in texts], levels, len(table))
        symbols = line(asked)
        nats = sum(
            np.log(oracle.probability(tuple(symbols[max(0, end + 1 - levels) : end]), symbols[end]))
            for end in range(1, len(symbols))
            if symbols[end] in known
        )
        assert made.nats([table.encode(asked)])[0, place] == pytest.approx(nats, rel=1e-4, abs=1e-5)


def test_texts_together_say_what_each_says_alone() -> None:
    rows = small_rows(60)
    made = counted(list(rows.texts), [label == "python" for label in rows.labels], 4)
    encoded = [made.table.encode(text) for text in ["", *rows.texts]]
    np.testing.assert_array_equal(made.nats(encoded), np.concatenate([made.nats([each]) for each in encoded]))


def test_a_symbol_that_was_never_counted_says_nothing() -> None:
    made = counted(["aabb", "bba"], [0, 1], 3)
    once, often = (made.nats([made.table.encode("\u4e00" * count)])[0] for count in (1, 5))
    np.testing.assert_array_equal(once, often)


def test_of_each_class_no_more_than_a_bound_is_counted() -> None:
    texts = [np.arange(5), np.arange(4), np.arange(7), np.arange(2)]
    found = _counted(texts, np.array([0, 1, 0, 0]), 8)  # type: ignore[arg-type]
    assert [len(text) for text in found] == [5, 4, 3, 0]


def test_a_long_text_adds_up_its_pieces_over_the_root_of_its_length(tmp_path: Path) -> None:
    model = load_classifier(finish(begin(small_rows(), tmp_path / "run", steps=2, sequence_length=10)))
    assert model.n_grams is not None
    text = model.table.encode("der die das und ist nicht ein")
    pieces = model.n_grams.nats([text[:10], text[10:20], text[20:]]).sum(0)
    found = model.counted([model.table.encode("the"), text])
    assert found is not None
    np.testing.assert_allclose(found[1], pieces / np.sqrt(30))


def test_what_is_counted_leaves_the_network_as_it_is(tmp_path: Path) -> None:
    with_, without = (begin(small_rows(), tmp_path / str(longest), n_grams=longest, patience=100) for longest in (4, 0))
    finish(with_)
    finish(without)
    one, other = with_.trainer.network.state_dict(), without.trainer.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_without_n_grams_there_is_no_file_and_the_network_decides_alone(tmp_path: Path) -> None:
    path = finish(begin(small_rows(), tmp_path / "run", n_grams=0))
    assert not (path / "model" / "n-grams.safetensors").exists()
    model = load_classifier(path)
    symbols = [model.table.encode("der die")]
    np.testing.assert_array_equal(model.logits_of(symbols), model.network_logits(symbols))


# --- how much each is worth ---


def pool(logits: Array, counts: Array, temperature: float, weight: float, labels: Array) -> float:
    return surprise_nats(logits + weight * counts, labels, temperature)


def test_the_best_pool_is_found_and_cannot_be_beaten() -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(3, size=4000)
    right = np.eye(3)[labels]
    logits, counts = (2 * (right + draw.normal(size=(4000, 3))) for _ in range(2))
    temperature, weight = best_pool(logits, counts, labels)
    least = pool(logits, counts, temperature, weight, labels)
    for turn in (0.8, 1.25):
        assert pool(logits, counts, temperature * turn, weight, labels) > least
        assert pool(logits, counts, temperature, weight * turn, labels) > least


def test_what_knows_nothing_is_given_no_weight() -> None:
    draw = np.random.default_rng(1)
    labels = draw.integers(3, size=2000)
    knows, noise = np.eye(3)[labels] + draw.normal(size=(2000, 3)), draw.normal(size=(2000, 3))
    assert best_pool(knows, noise, labels)[1] < 0.1
    assert best_pool(noise, knows, labels)[1] > 10


def test_a_few_texts_that_the_network_gets_right_do_not_say_that_n_grams_are_worth_nothing() -> None:
    draw = np.random.default_rng(0)
    labels = np.arange(165) % 8 == 0
    right = np.eye(2)[labels.astype(int)]
    counts = 1.5 * right + 0.7 * draw.normal(size=right.shape)
    logits = 6 * right + 0.8 * draw.normal(size=right.shape)
    assert (logits.argmax(1) == labels).all() and (counts.argmax(1) == labels).mean() < 0.95
    temperature, weight = best_pool(logits, counts, labels.astype(np.int64))
    assert weight / temperature > 0.5  # 0.16 if nothing speaks for 1
    assert 0.5 < 1 / temperature < 1.5


def test_no_held_texts_leave_both_as_they_are() -> None:
    assert best_pool(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, np.int64)) == (1.0, 1.0)


def test_the_same_share_of_the_held_texts_is_cropped_as_of_the_others() -> None:
    texts = small_rows(400).texts
    table = SymbolTable(vocabulary_of(texts))
    whole, half = (held_parts(texts, table, crops=crops, seed=1) for crops in (0.0, 0.5))
    assert [len(part) for part in whole] == [len(text) for text in texts]
    shorter = sum(len(part) < len(text) for part, text in zip(half, texts, strict=True))
    assert 100 < shorter < 220  # a crop may be all of a short text
    assert all(len(part) for part in half)


# --- the file ---


def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run / "model", tmp_path / "model"))


def test_the_file_gives_back_what_was_counted(run: Path) -> None:
    model = load_classifier(run)
    assert model.n_grams is not None
    assert len(model.n_grams.orders) == 3
    labels = sorted(set(small_rows().labels))
    assert labels[int(model.n_grams.nats([model.table.encode("nicht schon")])[0].argmax())] == "german"


def _change(name: str, place: int, value: float) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][place] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _change("2.codes", 0, 2**40),
        _change("2.codes", 0, -1),
        _change("2.codes", -1, 2**60),
        _change("1.shares.starts", 1, 2**31),
        _change("3.passed.starts", 0, 1),
        _change("2.passed.starts", -1, 1),
        _change("2.shares.columns", 0, 3),
        _change("1.passed.values", 0, 0.0),
        _change("3.shares.values", 0, 1.5),
    ],
)
def test_tables_that_do_not_fit_each_other_are_refused(
    run: Path, tmp_path: Path, change: Callable[[dict[str, Array]], None]
) -> None:
    path = copied(run, tmp_path) / "n-grams.safetensors"
    arrays = safetensors.numpy.load(path.read_bytes())
    change(arrays)
    path.write_bytes(safetensors.numpy.save(arrays))
    with pytest.raises(FolderError, match="tables do not fit together; restore it"):
        load_classifier(path.parent)


def test_a_file_that_is_missing_or_of_other_sizes_is_refused(run: Path, tmp_path: Path) -> None:
    folder = copied(run, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for sizes, said in (
        ([{**size, "shares": size["shares"] + 1} for size in config["n_grams"]], "ask for"),
        ([*config["n_grams"], config["n_grams"][0]], "up to 4 characters are counted, but the settings allow 3"),
        ([{**config["n_grams"][0], "passed": 0}], "n-grams of one length have an empty table"),
    ):
        (folder / "config.json").write_text(json.dumps({**config, "n_grams": sizes}))
        with pytest.raises(FolderError, match=said):
            load_classifier(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "n-grams.safetensors").unlink()
    with pytest.raises(FolderError, match=r"is not complete: it has no n-grams\.safetensors"):
        load_classifier(folder)


def test_a_count_weight_below_zero_is_refused(run: Path, tmp_path: Path) -> None:
    path = copied(run, tmp_path) / "model.safetensors"
    arrays = safetensors.numpy.load(path.read_bytes())
    arrays["count_weight"] = np.array(-1, np.float32)
    path.write_bytes(safetensors.numpy.save(arrays))
    with pytest.raises(FolderError, match="count weight is below 0"):
        load_classifier(path.parent)

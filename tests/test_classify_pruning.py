"""Smaller n-grams: laws of pruning, of rounding and of the packed file; classifiers without a network."""

import json
import lzma
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from charloom.classify.counts_alone import calibrated, counts_alone, folder_files
from charloom.classify.model import Classifier, load_classifier
from charloom.classify.n_gram_packing import STEP, pack_small, rounded, unpack_small
from charloom.classify.n_gram_sizes import NGramSizes, sizes
from charloom.classify.n_grams import NGrams
from charloom.classify.pruning import pruned, telling
from charloom.classify.symbols import SymbolTable, vocabulary_of
from charloom.errors import FolderError, SettingsError
from charloom.storage.tensor_files import Array
from classify_rows import small_rows

TEXTS = st.lists(st.text("ab c", max_size=8), min_size=1, max_size=6)
Call = Callable[..., subprocess.CompletedProcess[str]]


def counted(texts: list[str], labels: list[int], longest: int) -> NGrams:
    table = SymbolTable(vocabulary_of(texts))
    encoded = [table.encode(text) for text in texts]
    return NGrams.count(encoded, np.array(labels, np.int64), table, classes=max(labels) + 1, longest=longest)


def of_small_rows(longest: int = 4) -> NGrams:
    rows = small_rows(200)
    return counted(list(rows.texts), [rows.classes.index(label) for label in rows.labels], longest)


class Tables:
    """The same tables as dictionaries by sequence and class, read by their definition."""

    def __init__(self, made: NGrams) -> None:
        self.symbols = len(made.table)
        self.shares: dict[tuple[tuple[int, ...], int], float] = {}
        self.passed: dict[tuple[tuple[int, ...], int], float] = {}
        contexts: list[tuple[int, ...]] = [()]
        for order in made.orders:
            for target, sequences, sparse in (
                (self.passed, contexts, order.passed),
                (
                    self.shares,
                    [(*contexts[code // self.symbols], code % self.symbols) for code in order.codes.tolist()],
                    order.shares,
                ),
            ):
                for place, sequence in enumerate(sequences):
                    for number in range(int(sparse.starts[place]), int(sparse.starts[place + 1])):
                        target[sequence, int(sparse.columns[number])] = float(sparse.values[number])
            contexts = [(*contexts[code // self.symbols], code % self.symbols) for code in order.codes.tolist()]

    def probability(self, sequence: tuple[int, ...], owner: int) -> float:
        """Of the last symbol after the others."""
        below = self.probability(sequence[1:], owner) if len(sequence) > 1 else 1 / self.symbols
        share, passed = self.shares.get((sequence, owner), 0.0), self.passed.get((sequence[:-1], owner), 1.0)
        return share + passed * below

    def contexts(self) -> set[tuple[int, ...]]:
        return {sequence for sequence, _ in self.passed} | {sequence for sequence, _ in self.shares}


# --- pruning ---


@given(TEXTS, TEXTS, st.integers(2, 4), st.integers(0, 40))
def test_probabilities_add_up_to_1_whatever_is_dropped(
    one: list[str], other: list[str], longest: int, shares: int
) -> None:
    made = counted(one + other, [0] * len(one) + [1] * len(other), longest)
    for smaller in (pruned(made, shares=shares), rounded(made), rounded(pruned(made, shares=shares))):
        tables = Tables(smaller)
        for context in tables.contexts():
            for owner in (0, 1):
                total = sum(tables.probability((*context, symbol), owner) for symbol in range(tables.symbols))
                assert total == pytest.approx(1, abs=1e-5)


@given(TEXTS, TEXTS, st.integers(2, 4), st.integers(0, 40))
def test_what_stays_is_unchanged_and_tells_more_than_what_goes(
    one: list[str], other: list[str], longest: int, shares: int
) -> None:
    made = counted(one + other, [0] * len(one) + [1] * len(other), longest)
    before, after = Tables(made), Tables(pruned(made, shares=shares))
    assert after.shares.items() <= before.shares.items()
    assert {key for key in before.shares if len(key[0]) == 1} <= set(after.shares)
    weights = dict(zip(keys(made), np.concatenate(telling(made)).tolist(), strict=True))
    kept = [(len(key[0]), weight) for key, weight in weights.items() if len(key[0]) > 1 and key in after.shares]
    go = [weight for key, weight in weights.items() if len(key[0]) > 1 and key not in after.shares]
    assert len(kept) >= min(shares, len(kept) + len(go))
    below = {pair for pair in kept if pair[1] < max(go, default=0)}  # those of equal weight stay together
    lengths = [length for length, _ in below]  # at most one of each, so that a longer one has what it builds on
    assert len(lengths) == len(set(lengths)) < longest
    assert longest not in lengths


def keys(made: NGrams) -> list[tuple[tuple[int, ...], int]]:
    """The sequence and class of each share, in their order."""
    return list(Tables(made).shares)


@given(TEXTS, TEXTS, st.integers(1, 4))
def test_a_share_weighs_what_its_sequence_loses_times_how_probable_it_is_on_average(
    one: list[str], other: list[str], longest: int
) -> None:
    made = counted(one + other, [0] * len(one) + [1] * len(other), longest)
    tables = Tables(made)
    for (sequence, owner), weight in zip(keys(made), np.concatenate(telling(made)).tolist(), strict=True):
        joint = sum(
            np.prod([tables.probability(sequence[: end + 1], each) for end in range(len(sequence))])
            for each in (0, 1)
            if (sequence, each) in tables.shares
        )
        without = Tables(made)
        without.passed[sequence[:-1], owner] += without.shares.pop((sequence, owner))
        lost = np.log(tables.probability(sequence, owner) / without.probability(sequence, owner))
        assert weight == pytest.approx(abs(lost) * joint / 2, rel=1e-3, abs=1e-6)


def test_without_pruning_all_stays_the_same() -> None:
    made = of_small_rows()
    same = pruned(made, shares=10**9)
    for one, other in zip(made.orders, same.orders, strict=True):
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_array_equal(one.shares.values, other.shares.values)
        np.testing.assert_allclose(one.passed.values, other.passed.values, atol=1e-6)


def test_half_of_the_shares_decide_nearly_like_all_and_better_than_the_other_half() -> None:
    rows, made = small_rows(200), of_small_rows()
    asked = [made.table.encode(text) for text in small_rows(100, seed=1).texts]
    weights = telling(made)
    half = sum(len(each) for each in weights[1:]) // 2
    whole = made.nats(asked)
    best, worst = (
        np.abs(pruned(made, shares=half, weights=chosen).nats(asked) - whole).mean()
        for chosen in (weights, [-each for each in weights])
    )
    assert best < 0.5 * worst
    assert rows.classes


def test_nothing_longer_than_a_symbol_may_stay() -> None:
    assert [len(order.codes) for order in pruned(of_small_rows(), shares=0).orders] == [
        len(of_small_rows().orders[0].codes)
    ]


def test_a_length_keeps_a_share_if_a_longer_one_does() -> None:
    made = of_small_rows()
    weights = [
        np.full(len(order.shares.values), 1.0 if length == 3 else 0.0) for length, order in enumerate(made.orders, 1)
    ]
    weights[1][0] = 0.5
    few = sizes(pruned(made, shares=10, weights=weights))
    assert [size.shares for size in few] == [len(weights[0]), 1, len(weights[2])]


# --- rounding and the packed file ---


def test_rounding_makes_no_share_larger_or_more_than_a_step_smaller_and_is_done_once() -> None:
    made = of_small_rows()
    once, twice = rounded(made), rounded(rounded(made))
    for exact, near, again in zip(made.orders, once.orders, twice.orders, strict=True):
        odds, stored = (np.log(each.shares.values / (1 - each.shares.values.astype(float))) for each in (exact, near))
        assert (stored <= odds + 1e-3).all()
        assert (stored > odds - STEP - 1e-3).all()
        np.testing.assert_array_equal(near.shares.values, again.shares.values)
        assert (near.passed.values >= exact.passed.values - 1e-6).all()


@given(TEXTS, TEXTS, st.integers(1, 4), st.integers(0, 40))
def test_the_file_gives_back_the_rounded_n_grams(one: list[str], other: list[str], longest: int, shares: int) -> None:
    made = pruned(counted(one + other, [0] * len(one) + [1] * len(other), longest), shares=shares)
    back = unpack_small(pack_small(made), sizes(rounded(made)), made.table, "it", classes=2)
    for near, read in zip(rounded(made).orders, back.orders, strict=True):
        np.testing.assert_array_equal(near.codes, read.codes)
        for mine, theirs in ((near.shares, read.shares), (near.passed, read.passed)):
            for part in ("starts", "columns", "values"):
                np.testing.assert_array_equal(getattr(mine, part), getattr(theirs, part))


def test_equal_n_grams_give_equal_bytes() -> None:
    assert pack_small(of_small_rows()) == pack_small(of_small_rows())
    assert pack_small(rounded(of_small_rows())) == pack_small(of_small_rows())


def _refused(data: bytes, counted: tuple[NGramSizes, ...] | None = None) -> str:
    made = of_small_rows()
    with pytest.raises(FolderError) as caught:
        unpack_small(data, counted or sizes(made), made.table, "the file", classes=3)
    assert str(caught.value).startswith("the file")
    return str(caught.value)


@pytest.mark.parametrize("place", [0, 10, 30, 400, -400, -20, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    data = bytearray(pack_small(of_small_rows()))
    data[place] ^= 0x55
    assert "damaged" in _refused(bytes(data))


def test_half_a_file_and_more_than_a_file_are_refused() -> None:
    data = pack_small(of_small_rows())
    for wrong in (data[: len(data) // 2], data[:-1], data + b"\0" * 8, b""):
        assert "damaged" in _refused(wrong)


def test_a_small_file_that_would_fill_the_memory_is_refused_before_it_does() -> None:
    many = tuple(NGramSizes(1 << 40, 1 << 40, 1 << 40) for _ in range(3))
    bomb = lzma.compress(b"\0" * (1 << 26), preset=0)
    tracemalloc.start()
    assert "damaged" in _refused(bomb)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    assert "damaged" in _refused(bomb, many)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("1.following", lambda array: array + 1),
        ("2.following", lambda array: array[:, ::-1]),
        ("2.symbols", lambda array: array + 100),
        ("2.symbols", lambda array: array[:, ::-1]),
        ("3.owners", lambda array: array + 1),
        ("3.owners", lambda array: array * 0),
        ("1.classes", lambda array: array + 3),
        ("1.classes", lambda array: array * 0),
        ("2.shares", lambda array: array * 0 + 255),
    ],
)
def test_tables_that_do_not_fit_each_other_are_refused(name: str, change: Callable[[Array], Array]) -> None:
    arrays = safetensors.numpy.load(lzma.decompress(pack_small(of_small_rows())))
    arrays[name] = np.ascontiguousarray(change(arrays[name]))
    said = _refused(lzma.compress(safetensors.numpy.save(arrays)))
    assert said == "the file is damaged: its tables do not fit together; restore it from a copy"


# --- a classifier without a network ---


@pytest.fixture(scope="module")
def model() -> Classifier:
    """Pruned n-grams of three classes, calibrated."""
    rows, held = small_rows(200), small_rows(100, seed=2)
    labels = [rows.classes.index(label) for label in rows.labels]
    made = rounded(pruned(of_small_rows(), shares=600))
    classifier = counts_alone(made, rows.classes, np.bincount(labels))
    return calibrated(classifier, [made.table.encode(text) for text in held.texts], classifier.places(held.labels))


@pytest.fixture
def folder(model: Classifier, tmp_path: Path) -> Path:
    """Its model folder."""
    (tmp_path / "small").mkdir()
    for name, data in folder_files(model).items():
        (tmp_path / "small" / name).write_bytes(data)
    return tmp_path / "small"


def test_its_folder_gives_back_the_classifier(model: Classifier, folder: Path) -> None:
    texts = list(small_rows(50, seed=3).texts)
    np.testing.assert_allclose(load_classifier(folder).probabilities(texts), model.probabilities(texts), rtol=1e-5)
    assert load_classifier(folder).config == model.config
    labels = [label for label, _ in load_classifier(folder).predict(texts)]
    assert np.mean([a == b for a, b in zip(labels, small_rows(50, seed=3).labels, strict=True)]) > 0.9


def test_an_empty_text_gets_the_calibrated_prior_and_the_boundaries(model: Classifier) -> None:
    none = replace(model, reader=replace(model.reader, count_weight=0.0, temperature=1.0))  # type: ignore[type-var]
    counts = np.array(small_rows(200).counts)
    np.testing.assert_allclose(none.probabilities(["der", ""]), np.tile(counts / counts.sum(), (2, 1)), rtol=1e-6)


def test_it_has_no_network(model: Classifier) -> None:
    with pytest.raises(SettingsError, match="has no network, because its n-grams decide alone"):
        _ = model.network


def test_it_answers_without_torch(folder: Path) -> None:
    program = (
        "import sys; from charloom.cli.main import run; "
        "[run(['classify', *words]) for words in (['predict', sys.argv[1], 'der die das'], "
        "['explain', sys.argv[1], 'der'])]; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split("\t")[0]) == (0, "german"), done.stderr


def test_a_folder_with_neither_network_nor_n_grams_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "n_grams": []}))
    with pytest.raises(FolderError, match="neither a network nor n-grams"):
        load_classifier(folder)


@pytest.mark.parametrize(("name", "value"), [("temperature", 0), ("temperature", np.nan), ("count_weight", -1)])
def test_numbers_that_cannot_be_are_refused(folder: Path, name: str, value: float) -> None:
    arrays = safetensors.numpy.load((folder / "model.safetensors").read_bytes())
    arrays[name] = np.array(value, np.float32)
    (folder / "model.safetensors").write_bytes(safetensors.numpy.save(arrays))
    with pytest.raises(FolderError, match=r"model\.safetensors"):
        load_classifier(folder)


def test_every_verb_takes_it(charloom: Call, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("german\tder die\nenglish\tthe is\n")
    assert charloom("classify", "predict", folder, "der die").stdout.startswith("german\t")
    assert "accuracy 100.00%" in charloom("classify", "evaluate", folder, "rows.tsv").stdout
    assert charloom("classify", "explain", folder, "der die").stdout.startswith("german ")
    facts = json.loads(charloom("info", folder, "--json").stdout)
    assert (facts["kind"], facts["network"], facts["parameters"]) == ("classifier", None, 0)
    said = charloom("classify", "evaluate", folder)
    assert (said.returncode, said.stdout) == (2, "")
    assert "is a model without its run, so there are no rows held out; give a file of rows" in said.stderr

"""Counted words in little room: what is left out goes to the shorter context, and the file keeps all that is kept."""

import itertools
import json
import lzma
import math
import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from charloom.complete import word_files
from charloom.complete.mixed import MixedCompleter
from charloom.complete.pruned_counts import PrunedCounts
from charloom.complete.word_counts import DISCOUNT, WordCounts
from charloom.complete.word_files import (
    counted_words,
    read_counts,
    read_word_counts,
    words_file,
    write_counts,
)
from charloom.errors import FolderError, SettingsError
from charloom.generation.writer import Writer
from charloom.places.ready_made import READY_MADE, WORDS
from models import small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

TEXT = "a cab and a bad cab. a dab and a cab, and a bad add. a bad cab and a bad dab."
BEFORE = ("", "a ", "and a ", "bad cab ", ". ", "cab. a ", "zebra a ", "a zebra ")
TEXTS = st.lists(
    st.lists(st.sampled_from(["a", "b", "A", "b'c", ".", ",", "7"]), max_size=40).map(" ".join), max_size=4
)


# --- probabilities ---


@given(
    TEXTS.map(lambda texts: texts[:1]), st.sampled_from(["", "a ", "b ", "a b ", "b'c. ", "A A ", "zzz a ", "a zzz "])
)
def test_where_nothing_is_left_out_they_are_those_of_all_counts(texts: list[str], before: str) -> None:
    whole, kept = WordCounts(texts), PrunedCounts.of(texts, pairs=1, triples=1, discount=DISCOUNT)
    assert kept.words == whole.words
    assert len(kept) == len(whole)
    assert kept.after(before) == pytest.approx(whole.after(before), abs=1e-12)


@given(TEXTS, st.integers(1, 4), st.integers(0, 4), st.sampled_from(["", "a ", "b ", "a b ", "A A ", "b, ", "zz a "]))
def test_probabilities_add_up_to_1_whatever_is_left_out(texts: list[str], pairs: int, more: int, before: str) -> None:
    counts = PrunedCounts.of(texts, pairs=pairs, triples=pairs + more)
    found = counts.after(before)
    words = np.array([re.match(r"\w", word) is not None for word in counts.words], bool)
    assert (found[words] > 0).all()
    assert (found[~words] == 0).all()
    assert found.sum() == pytest.approx(1) or not words.any()


def test_what_is_left_out_is_left_to_the_shorter_context() -> None:
    whole, pruned = PrunedCounts.of([TEXT], pairs=1, triples=1), PrunedCounts.of([TEXT], pairs=1, triples=3)
    single = PrunedCounts.of([TEXT], pairs=10, triples=10)
    frequent, rare = whole.number("bad"), whole.number("cab")
    assert len(pruned.tables.third) < len(whole.tables.third)
    assert pruned.after("and a ")[frequent] == pytest.approx(whole.after("and a ")[frequent], rel=0.1)
    assert pruned.after("and a ")[rare] < whole.after("and a ")[rare]
    assert single.after("and a ") == pytest.approx(single.after(""))


def test_only_what_is_frequent_enough_is_kept() -> None:
    counts = PrunedCounts.of([TEXT], pairs=2, triples=3)
    tokens = re.findall(r"\w+|[^\w\s]", TEXT)
    pairs = [number for number in Counter(itertools.pairwise(tokens)).values() if number >= 2]
    triples = [number for number in Counter(zip(tokens, tokens[1:], tokens[2:], strict=False)).values() if number >= 3]
    assert len(counts.tables.second) == len(pairs)
    assert sorted(counts.tables.third_counts) == sorted(triples)
    assert len(counts) == len(tokens)


def test_no_pair_crosses_from_one_text_to_the_next() -> None:
    apart = PrunedCounts.of(["a b", "c d"], pairs=1, triples=1)
    assert len(apart.tables.second) == 2
    assert len(PrunedCounts.of(["a b c d"], pairs=1, triples=1).tables.second) == 3


@pytest.mark.parametrize(("pairs", "triples"), [(0, 1), (3, 2)])
def test_triples_need_their_pairs(pairs: int, triples: int) -> None:
    with pytest.raises(SettingsError, match="pairs"):
        PrunedCounts.of([TEXT], pairs=pairs, triples=triples)


# --- the file ---


@given(TEXTS.filter(lambda texts: any(map(str.split, texts))), st.integers(1, 3))
def test_a_file_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], pairs: int
) -> None:
    path = tmp_path_factory.mktemp("words") / WORDS
    counts = PrunedCounts.of(texts, pairs=pairs, triples=pairs + 1)
    write_counts(path, counts)
    again = read_counts(path)
    assert again.words == counts.words
    for before in ("", "a ", "a b ", "b. "):
        assert np.array_equal(again.after(before), counts.after(before))
    assert read_word_counts(path) == Counter(word for text in texts for word in re.findall(r"[\w'’]+|[^\w\s]", text))


def test_equal_counts_give_equal_bytes_and_large_numbers_are_kept(tmp_path: Path) -> None:
    texts = ["a b " * 70_000, *(f"w{number} w{number}" for number in range(300))]
    for name in ("one", "other"):
        write_counts(tmp_path / name, PrunedCounts.of(texts, pairs=1, triples=1))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    assert read_word_counts(tmp_path / "one")["a"] == 70_000
    whole, again = PrunedCounts.of(texts, pairs=1, triples=1), read_counts(tmp_path / "one")
    assert np.array_equal(again.after("a b "), whole.after("a b "))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_counts(tmp_path / WORDS, PrunedCounts.of([TEXT], pairs=1, triples=1))
    return tmp_path / WORDS


def test_a_file_cut_off_or_with_a_changed_byte_is_refused(written: Path) -> None:
    data = written.read_bytes()
    for size in range(0, len(data), 7):
        written.write_bytes(data[:size])
        with pytest.raises(FolderError, match="damaged"):
            read_counts(written)
    expected = read_counts_of(written, data).after("and a ")
    for place in range(0, len(data), 5):
        changed = bytearray(data)
        changed[place] ^= 0x10
        try:
            found = read_counts_of(written, bytes(changed))
        except FolderError as error:
            assert "damaged" in str(error)
        else:  # a byte that means nothing
            assert np.array_equal(found.after("and a "), expected)


def read_counts_of(path: Path, data: bytes) -> PrunedCounts:
    path.write_bytes(data)
    return read_counts(path)


TABLES = ("counts", "followers", "second", "third", "totals", "words", "third_counts")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *itertools.product(TABLES, ("lacks", "short", "type", "shape")),
        *((name, "large") for name in ("followers", "second", "third", "words")),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(written: Path, name: str, how: str) -> None:
    arrays = safetensors.numpy.load(lzma.decompress(written.read_bytes()))
    array = arrays.pop(name)
    if how == "short":
        arrays[name] = np.ascontiguousarray(array[..., :-4])
    elif how == "large":
        arrays[name] = np.full_like(array, 255)
    elif how == "type":
        arrays[name] = array.astype(np.float32)
    elif how == "shape":
        arrays[name] = np.zeros((3, 3, 3), np.uint8)
    written.write_bytes(lzma.compress(safetensors.numpy.save(arrays)))
    with pytest.raises(FolderError, match="damaged"):
        read_counts(written)


def test_a_file_that_unpacks_to_more_than_any_table_is_refused(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_files, "LARGEST_TABLES", 100)
    with pytest.raises(FolderError, match="damaged"):
        read_counts(written)


# --- models that bring their words ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_folder(small_model("abcdn .,\n"), tmp_path_factory.mktemp("ready") / "model")
    write_counts(made / WORDS, PrunedCounts.of([TEXT]))
    return made


def test_a_completer_takes_the_words_of_its_model_by_itself(folder: Path) -> None:
    by_itself = MixedCompleter(folder, typed="and a b")
    given_them = MixedCompleter(Writer.load(folder), counted_words(folder), "and a b")
    assert by_itself.suggest() == given_them.suggest()
    assert by_itself.suggest() != MixedCompleter(Writer.load(folder), typed="and a b").suggest()
    assert by_itself.complete + sum(each.probability for each in by_itself.suggest(1000)) <= 1 + 1e-6
    assert by_itself.suggest()[0].text == "ad"


def test_a_model_without_words_counts_only_what_was_typed(tmp_path: Path) -> None:
    bare = write_folder(small_model("abcdn .,\n"), tmp_path / "model")
    assert words_file(bare) is None
    assert counted_words(bare) is None
    found = MixedCompleter(bare, typed="a b").suggest()
    assert found == MixedCompleter(Writer.load(bare), typed="a b").suggest()


def test_the_command_uses_them(folder: Path, charloom: Call) -> None:
    done = charloom("complete", folder, "and a b", "--json")
    expected = MixedCompleter(folder, typed="and a b").suggest()
    assert json.loads(done.stdout) == [
        {"text": each.text, "probability": each.probability, "ends": each.ends} for each in expected
    ]
    alone = charloom("complete", folder, "and a b", "--json", "--model-only")
    assert alone.stdout != done.stdout


def test_damaged_words_are_one_sentence(folder: Path, tmp_path: Path, charloom: Call) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for file in folder.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    (damaged / WORDS).write_bytes(b"no xz")
    for command in (("complete", damaged, "a"), ("correct", damaged, "a")):
        done = charloom(*command)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "words.xz is damaged" in done.stderr


# --- those of the package ---


@pytest.fixture(scope="module")
def english() -> Path:
    return READY_MADE["english"].folder / WORDS


def test_english_words_are_small_and_know_phrases(english: Path) -> None:
    assert english.stat().st_size < 2_000_000
    counts = read_counts(english)
    assert len(counts) > 3_000_000
    for before, after in (("in the middle ", "of"), ("the United ", "States"), ("as well ", "as")):
        found = counts.after(before)
        assert counts.words[int(np.argmax(found))] == after
        assert found.sum() == pytest.approx(1)
    assert math.isclose(counts.after("xyzzyx ").sum(), 1)

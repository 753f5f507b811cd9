"""The text as batches: nothing is missing, nothing is repeated, and batch k is a function of k."""

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.data.batches import IGNORED, Batch, Batches, Ids, Streams, rows, spans
from charloom.data.documents import CALL, Documents, stairs

SIZES = {"length": st.integers(1, 300), "batch_size": st.integers(1, 20), "sequence_length": st.integers(1, 40)}
LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40)
"""Lengths of documents, each with its boundary."""

Make = Callable[[], Batches]


def streams(length: int, batch_size: int, sequence_length: int) -> Streams:
    """Streams of a text in which each symbol occurs once: symbol i is at position i."""
    return Streams(np.arange(length), boundary=length, batch_size=batch_size, sequence_length=sequence_length)


def documents_text(lengths: list[int]) -> tuple[Ids, int]:
    """A text of documents in which each symbol but the boundary occurs once, and the boundary."""
    ids = np.arange(sum(lengths))
    boundary = len(ids)
    ids[np.cumsum(lengths) - 1] = boundary
    return ids, boundary


def documents(
    lengths: list[int], batch_size: int, sequence_length: int, seed: int = 1, *, open_end: int = 0, fold: bool = False
) -> Documents:
    """Documents of these lengths; the last `open_end` symbols have no boundary after them."""
    ids, boundary = documents_text(lengths)
    if open_end:
        ids = np.concatenate((ids, np.arange(boundary + 1, boundary + 1 + open_end)))
    sizes = {"boundary": boundary, "batch_size": batch_size, "sequence_length": sequence_length}
    return Documents(ids, **sizes, seed=seed, fold=fold)


def epoch(batches: Batches, number: int = 0) -> list[Batch]:
    return [batches[k] for k in range(number * len(batches), (number + 1) * len(batches))]


def targets(batches: list[Batch]) -> list[int]:
    """All targets that count, in order."""
    return [int(target) for batch in batches for target in batch.targets[batch.targets != IGNORED]]


def equal(one: Batch, other: Batch) -> bool:
    names = ("inputs", "targets", "carried", "going_on")
    tensors = all(torch.equal(getattr(one, name), getattr(other, name)) for name in names)
    return tensors and np.array_equal(one.lengths, other.lengths) and one.weight == other.weight


def read_rows(batches: list[Batch]) -> list[tuple[list[int], list[int]]]:
    """Inputs and targets of each row, from its zero state until it is no longer continued."""
    found: list[tuple[list[int], list[int]]] = []
    carried: list[tuple[list[int], list[int]]] = []
    for batch in batches:
        here: list[tuple[list[int], list[int]]] = [([], []) for _ in range(batch.inputs.shape[1])]
        for place, row in zip(batch.carried.tolist(), carried, strict=True):
            here[place] = row
        for column, (inputs, wanted) in enumerate(here):
            counts = batch.targets[:, column] != IGNORED
            inputs += batch.inputs[counts, column].tolist()
            wanted += batch.targets[counts, column].tolist()
        carried = [here[place] for place in batch.going_on.tolist()]
        found += [row for place, row in enumerate(here) if place not in batch.going_on.tolist()]
    assert not carried, "nothing goes on from the last batch of an epoch"
    return found


# --- streams ---


@given(**SIZES)
def test_each_symbol_of_a_text_is_a_target_once_in_an_epoch(length: int, batch_size: int, sequence_length: int) -> None:
    batches = epoch(streams(length, batch_size, sequence_length))
    assert sorted(targets(batches)) == list(range(length))
    assert sum(batch.symbols for batch in batches) == length


@given(**SIZES)
def test_the_input_is_the_symbol_before_the_target(length: int, batch_size: int, sequence_length: int) -> None:
    for batch in epoch(streams(length, batch_size, sequence_length)):
        counts = batch.targets != IGNORED
        before = torch.where(batch.targets == 0, length, batch.targets - 1)
        assert torch.equal(batch.inputs[counts], before[counts])


@given(**SIZES)
def test_the_batches_of_an_epoch_read_each_column_without_a_gap(
    length: int, batch_size: int, sequence_length: int
) -> None:
    batches = epoch(streams(length, batch_size, sequence_length))
    assert [batch.begins for batch in batches] == [True] + [False] * (len(batches) - 1)
    inputs = torch.cat([batch.inputs for batch in batches])
    inputs[inputs == length] = -1  # the boundary comes before the first symbol
    assert (inputs.diff(dim=0) == 1)[: length // inputs.shape[1] - 1].all()


@given(**SIZES)
def test_no_batch_of_streams_is_longer_than_the_sequence_length(
    length: int, batch_size: int, sequence_length: int
) -> None:
    lengths = [len(batch.inputs) for batch in epoch(streams(length, batch_size, sequence_length))]
    assert max(lengths) <= sequence_length
    assert max(lengths) - min(lengths) <= 1


@given(**SIZES)
def test_columns_differ_by_one_symbol_at_most(length: int, batch_size: int, sequence_length: int) -> None:
    wanted = torch.cat([batch.targets for batch in epoch(streams(length, batch_size, sequence_length))])
    symbols = (wanted != IGNORED).sum(0)
    assert symbols.max() - symbols.min() <= 1


@given(**SIZES)
def test_a_text_gets_as_many_columns_as_it_can_fill_with_a_sequence(
    length: int, batch_size: int, sequence_length: int
) -> None:
    batches = streams(length, batch_size, sequence_length)
    assert batches.streams == max(1, min(batch_size, length // sequence_length))
    assert {batch.inputs.shape[1] for batch in epoch(batches)} == {batches.streams}


@given(**SIZES)
def test_each_epoch_of_streams_is_like_the_first(length: int, batch_size: int, sequence_length: int) -> None:
    batches = streams(length, batch_size, sequence_length)
    assert all(equal(one, other) for one, other in zip(epoch(batches), epoch(batches, 3), strict=True))


# --- documents ---


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40), st.integers(0, 9), st.integers(0, 2))
def test_each_row_is_one_document_from_its_beginning_to_its_boundary(
    lengths: list[int], batch_size: int, sequence_length: int, open_end: int, number: int
) -> None:
    ids, boundary = documents_text(lengths)
    texts = [tuple(part.tolist()) for part in np.split(ids, np.cumsum(lengths))[:-1]]
    if open_end:
        texts.append(tuple(range(boundary + 1, boundary + 1 + open_end)))
    found = read_rows(epoch(documents(lengths, batch_size, sequence_length, open_end=open_end), number))
    assert Counter(tuple(wanted) for _, wanted in found) == Counter(texts)
    assert all(inputs == [boundary, *wanted[:-1]] for inputs, wanted in found)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40))
def test_each_symbol_of_the_documents_is_counted_once_in_an_epoch(
    lengths: list[int], batch_size: int, sequence_length: int
) -> None:
    batches = documents(lengths, batch_size, sequence_length)
    for number in range(2):
        assert sum(batch.symbols for batch in epoch(batches, number)) == sum(lengths)
        assert Counter(targets(epoch(batches, number))) == Counter(documents_text(lengths)[0].tolist())


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40))
def test_no_batch_of_documents_is_longer_than_the_sequence_length(
    lengths: list[int], batch_size: int, sequence_length: int
) -> None:
    for batch in epoch(documents(lengths, batch_size, sequence_length)):
        assert 1 <= batch.inputs.shape[0] <= sequence_length
        assert batch.lengths.tolist() == (batch.targets != IGNORED).sum(0).tolist()


@given(LENGTHS, st.integers(1, 9), st.integers(0, 40))
def test_batches_of_short_documents_hold_alike_many_symbols(lengths: list[int], batch_size: int, more: int) -> None:
    symbols = [batch.symbols for batch in epoch(documents(lengths, batch_size, max(lengths) + more))]
    assert max(symbols) - min(symbols) <= 2 * max(lengths)


@pytest.mark.parametrize(("length", "wanted"), [(1, 1024), (8, 1024), (60, 1920), (128, 4096), (1000, 4096)])
def test_a_batch_is_so_many_rows_of_usual_length(length: int, wanted: int) -> None:
    batches = documents([length] * (1_000_000 // length), 32, 128)
    assert len(batches) == pytest.approx(1_000_000 / wanted, rel=0.03)
    assert batches.streams == 32


def test_a_text_that_does_not_fill_its_rows_says_so() -> None:
    assert documents([10] * 3, 32, 128).streams == 1
    assert documents([10] * 50, 32, 128).streams == 16
    assert documents([10_000, *[10] * 500], 32, 128).streams < 4


@pytest.mark.parametrize("size", [17, 20, 33])
def test_batches_of_long_documents_of_one_length_are_not_full_and_almost_empty_in_turn(size: int) -> None:
    symbols = [batch.symbols for batch in epoch(documents([size] * 4000, 32, 16))]
    assert np.std(symbols) < 0.2 * np.mean(symbols)  # 0.88 or more if all rows end at once


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40))
def test_no_batch_is_all_padding(lengths: list[int], batch_size: int, sequence_length: int) -> None:
    assert all(batch.symbols > 0 for batch in epoch(documents(lengths, batch_size, sequence_length)))


def test_epochs_of_documents_differ_in_their_order() -> None:
    batches = documents([5] * 200, 4, 8)
    assert len({tuple(targets(epoch(batches, number))) for number in range(5)}) == 5


def test_other_seeds_give_documents_in_another_order() -> None:
    assert len({tuple(targets(epoch(documents([5] * 200, 4, 8, seed)))) for seed in range(5)}) == 5


def test_every_batch_is_a_random_mix_of_the_documents() -> None:
    lengths = np.random.default_rng(1).permutation([1] * 3000 + [61] * 3000).tolist()
    batches = epoch(documents(lengths, 16, 128))
    shares = np.array([np.mean(batch.lengths == 1) for batch in batches])
    rows_each = 6000 / len(batches)
    assert abs(shares.mean() - 0.5) < 0.02
    assert shares.std() < 2 * (0.25 / rows_each) ** 0.5  # 0.5 if grouped by length


def test_long_documents_are_spread_over_the_epoch() -> None:
    lengths = np.random.default_rng(2).permutation([100] * 500 + [5] * 5000).tolist()
    begins = [int((batch.lengths == 32).sum()) for batch in epoch(documents(lengths, 8, 32))]
    first, second = sum(begins[: len(begins) // 2]), sum(begins[len(begins) // 2 :])
    assert abs(first - second) < 0.1 * (first + second)


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40))
def test_the_weights_of_an_epoch_have_the_mean_one_and_go_by_symbols(
    lengths: list[int], batch_size: int, sequence_length: int
) -> None:
    ids, boundary = documents_text(lengths)
    sizes = {"boundary": boundary, "batch_size": batch_size, "sequence_length": sequence_length}
    for batches in (documents(lengths, batch_size, sequence_length), Streams(ids, **sizes)):
        weights = np.array([batch.weight for batch in epoch(batches)])
        symbols = np.array([batch.symbols for batch in epoch(batches)])
        assert weights.mean() == pytest.approx(1)
        np.testing.assert_allclose(weights, symbols / symbols.mean())


# --- several long texts ---

LONG = st.lists(st.integers(1, 400), min_size=1, max_size=8)


@given(LONG, st.integers(1, 9), st.integers(1, 40), st.integers(0, 2))
def test_each_row_of_folded_texts_is_a_piece_of_one_and_follows_the_symbol_before_it(
    lengths: list[int], batch_size: int, sequence_length: int, number: int
) -> None:
    ids, boundary = documents_text(lengths)
    found = read_rows(epoch(documents(lengths, batch_size, sequence_length, fold=True), number))
    places = {symbol: place for place, symbol in enumerate(ids.tolist()) if symbol != boundary}
    for inputs, wanted in found:
        assert inputs[1:] == wanted[:-1]
        assert boundary not in wanted[:-1]
        first = places.get(wanted[0])
        if first is not None:
            assert inputs[0] == (ids[first - 1] if first else boundary)
    assert Counter(symbol for _, wanted in found for symbol in wanted) == Counter(ids.tolist())
    begun = [wanted for inputs, wanted in found if inputs[0] == boundary]
    assert len(begun) == len(lengths)  # each text begins once in an epoch, with a zero state and the boundary


@given(LONG, st.integers(1, 9), st.integers(1, 40))
def test_an_epoch_of_folded_texts_takes_hardly_more_steps_than_one_text_as_long(
    lengths: list[int], batch_size: int, sequence_length: int
) -> None:
    columns = streams(sum(lengths), batch_size, sequence_length)
    pieces = documents(lengths, batch_size, sequence_length, fold=True)
    if min(lengths) >= max(sequence_length, 32):
        assert len(pieces) <= len(columns) + 1


def test_texts_that_fit_a_column_are_not_cut() -> None:
    lengths = [30, 50, 20, 40]
    whole, cut = (documents(lengths, 2, 16, fold=fold) for fold in (False, True))
    assert all(equal(one, other) for one, other in zip(epoch(whole), epoch(cut), strict=True))


# --- stairs ---


@given(st.lists(st.integers(1, 60), min_size=1, max_size=300))
def test_stairs_hold_each_symbol_once_and_never_grow(lengths: list[int]) -> None:
    wanted = np.sort(np.array(lengths))[::-1]
    pieces = stairs(wanted)
    held = np.zeros(len(wanted), np.int64)
    for _, last, rows_ in pieces:
        held[:rows_] = last
    assert [piece[0] for piece in pieces] == [0, *(piece[1] for piece in pieces[:-1])]
    assert (held >= wanted).all()
    assert held[0] == wanted[0]
    assert sorted((piece[2] for piece in pieces), reverse=True) == [piece[2] for piece in pieces]
    assert sum((last - first) * rows_ + CALL for first, last, rows_ in pieces) <= wanted[0] * len(wanted) + CALL


def test_rows_that_go_on_are_read_to_the_end_of_the_last_stair() -> None:
    for batch in epoch(documents(np.random.default_rng(3).integers(1, 90, 300).tolist(), 8, 16)):
        if len(batch.going_on):
            first, last, rows_ = stairs(batch.lengths)[-1]
            assert last == 16
            assert int(batch.going_on.max()) < rows_
            assert first < 16


def test_little_of_what_is_read_is_padding() -> None:
    for longest, batch_size, least in ((100, 32, 0.8), (16, 32, 0.8), (60, 8, 0.6)):
        lengths = np.random.default_rng(1).integers(1, longest + 1, 20_000).tolist()
        batches = documents(lengths, batch_size, 128)
        some = [batches[k] for k in range(20)]
        places = sum((last - first) * rows_ for batch in some for first, last, rows_ in stairs(batch.lengths))
        assert sum(batch.symbols for batch in some) / places > least  # 0.5 as one rectangle


# --- both ---

MAKES: list[Make] = [
    lambda: streams(1003, 7, 16),
    lambda: streams(5, 7, 16),
    lambda: documents(np.random.default_rng(2).integers(1, 50, 100).tolist(), 6, 16),
    lambda: documents([3], 6, 16),
    lambda: documents([700, 3, 90, 250], 6, 16, fold=True),
]


@pytest.mark.parametrize("make", MAKES)
def test_batch_k_depends_on_k_alone(make: Make) -> None:
    unbroken = make()
    places = list(range(3 * len(unbroken)))
    batches = [unbroken[k] for k in places]
    random.Random(1).shuffle(places)
    jumping = make()
    assert all(equal(jumping[k], batches[k]) for k in places)
    assert all(equal(make()[k], batches[k]) for k in places[:10])


@pytest.mark.parametrize("make", MAKES)
def test_time_goes_down_and_streams_go_across(make: Make) -> None:
    batch = make()[0]
    assert batch.inputs.shape == batch.targets.shape
    assert batch.inputs.dtype == batch.targets.dtype == torch.int64


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_the_integer_type_of_the_ids_changes_nothing(dtype: type) -> None:
    ids = np.random.default_rng(1).integers(0, 200, 500)
    sizes = {"boundary": 200, "batch_size": 4, "sequence_length": 10}
    for kind in (Streams, lambda given, **more: Documents(given, seed=1, **more)):
        one, other = kind(ids, **sizes), kind(ids.astype(dtype), **sizes)
        assert all(equal(a, b) for a, b in zip(epoch(one), epoch(other), strict=True))


@given(st.lists(st.integers(0, 3), max_size=30))
def test_spans_tile_the_text_and_each_but_the_last_ends_with_the_only_boundary_in_it(ids: list[int]) -> None:
    parts = [ids[start : start + length] for start, length in zip(*spans(np.array(ids, np.uint8), 3), strict=True)]
    assert [symbol for part in parts for symbol in part] == ids
    assert all(parts)
    assert all(part.index(3) == len(part) - 1 for part in parts[:-1])
    assert all(3 not in part[:-1] for part in parts[-1:])


def test_what_lies_beyond_a_row_is_ignored() -> None:
    batch = rows(np.arange(10), np.array([0, 4]), np.array([4, 2]), 1, 4, boundary=10)
    assert batch.inputs.T.tolist() == [[0, 1, 2], [4, 5, 6]]
    assert batch.targets.T.tolist() == [[1, 2, 3], [5, IGNORED, IGNORED]]
    assert (batch.begins, batch.symbols) == (False, 4)


def test_a_batch_of_one_long_row_and_many_empty_ones_takes_no_more_than_its_symbols() -> None:
    batch = documents([2000, *[1] * 30_000], 32, 2048)[0]
    assert sum(inputs.numel() for inputs, _ in batch.pieces) < 2 * batch.symbols

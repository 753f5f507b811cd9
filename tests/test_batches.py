"""The text as batches: nothing is left out, nothing comes twice, and batch k is a function of k."""

import random
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.batches import IGNORED, Batch, Batches, Documents, Ids, Streams, rows, spans

SIZES = {"length": st.integers(1, 300), "batch_size": st.integers(1, 20), "sequence_length": st.integers(1, 40)}
LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40)
"""Lengths of documents, each with its boundary."""

Make = Callable[[], Batches]


def streams(length: int, batch_size: int, sequence_length: int) -> Streams:
    """Streams of a text in which each symbol occurs once: symbol i stands at place i."""
    return Streams(np.arange(length), boundary=length, batch_size=batch_size, sequence_length=sequence_length)


def documents_text(lengths: list[int]) -> tuple[Ids, int]:
    """A text of documents in which each symbol but the boundary occurs once, and the boundary."""
    ids = np.arange(sum(lengths))
    boundary = len(ids)
    ids[np.cumsum(lengths) - 1] = boundary
    return ids, boundary


def documents(
    lengths: list[int], batch_size: int, sequence_length: int, seed: int = 1, *, open_end: int = 0
) -> Documents:
    """Documents of these lengths; the last `open_end` symbols have no boundary behind them."""
    ids, boundary = documents_text(lengths)
    if open_end:
        ids = np.concatenate((ids, np.arange(boundary + 1, boundary + 1 + open_end)))
    return Documents(ids, boundary=boundary, batch_size=batch_size, sequence_length=sequence_length, seed=seed)


def epoch(batches: Batches, number: int = 0) -> list[Batch]:
    return [batches[k] for k in range(number * len(batches), (number + 1) * len(batches))]


def targets(batches: list[Batch]) -> list[int]:
    """All targets that count, in the order in which they come."""
    return [int(target) for batch in batches for target in batch.targets[batch.targets != IGNORED]]


def equal(one: Batch, other: Batch) -> bool:
    tensors = torch.equal(one.inputs, other.inputs) and torch.equal(one.targets, other.targets)
    return tensors and (one.begins, one.symbols) == (other.begins, other.symbols)


def read_rows(batches: list[Batch]) -> list[tuple[list[int], list[int]]]:
    """Inputs and targets of each row, from where it begins with a zero state to where the next ones begin."""
    found: list[tuple[list[int], list[int]]] = []
    for batch in batches:
        columns = range(batch.inputs.shape[1])
        if batch.begins:
            found += [([], []) for _ in columns]
        for column in columns:
            counts = batch.targets[:, column] != IGNORED
            inputs, wanted = found[len(found) - len(columns) + column]
            inputs += batch.inputs[counts, column].tolist()
            wanted += batch.targets[counts, column].tolist()
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
    inputs[inputs == length] = -1  # the boundary stands before the first symbol
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
def test_no_batch_of_documents_is_longer_than_the_sequence_length_or_wider_than_the_batch_size(
    lengths: list[int], batch_size: int, sequence_length: int
) -> None:
    for batch in epoch(documents(lengths, batch_size, sequence_length)):
        assert 1 <= batch.inputs.shape[0] <= sequence_length
        assert 1 <= batch.inputs.shape[1] <= batch_size


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40))
def test_no_batch_is_all_padding(lengths: list[int], batch_size: int, sequence_length: int) -> None:
    assert all(batch.symbols > 0 for batch in epoch(documents(lengths, batch_size, sequence_length)))


@given(LENGTHS, st.integers(1, 9), st.integers(1, 40))
def test_rows_stand_side_by_side_until_others_begin(lengths: list[int], batch_size: int, sequence_length: int) -> None:
    width = 0
    for batch in epoch(documents(lengths, batch_size, sequence_length)):
        assert batch.begins or batch.inputs.shape[1] == width
        width = batch.inputs.shape[1]


def test_epochs_of_documents_differ_in_their_order() -> None:
    batches = documents([5] * 200, 4, 8)
    assert len({tuple(targets(epoch(batches, number))) for number in range(5)}) == 5


def test_other_seeds_give_documents_in_another_order() -> None:
    assert len({tuple(targets(epoch(documents([5] * 200, 4, 8, seed)))) for seed in range(5)}) == 5


def test_documents_stand_beside_others_of_about_their_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 100, 2000).tolist()
    batches = epoch(documents(lengths, 16, 128))
    places = sum(batch.targets.numel() for batch in batches)
    assert sum(lengths) / places > 0.9  # at random it is 0.53


# --- both ---

MAKES: list[Make] = [
    lambda: streams(1003, 7, 16),
    lambda: streams(5, 7, 16),
    lambda: documents(np.random.default_rng(2).integers(1, 50, 100).tolist(), 6, 16),
    lambda: documents([3], 6, 16),
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
    assert batch.inputs.shape[1] <= make().streams


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

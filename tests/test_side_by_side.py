"""Continuations read side by side are as surprising as one by one."""

import numpy as np
import pytest

from charloom.generation.side_by_side import surprisals
from charloom.generation.writer import Writer
from charloom.settings import Cell
from conftest import CELLS
from models import log_probabilities, small_model

BEFORE = ["a", "bca", "cc", "ab"]
TEXTS = ["cab", "", "a", "bbbbc"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("ended", [False, True])
def test_each_text_goes_on_from_its_own_row_whatever_the_others(cell: Cell, ended: bool) -> None:
    model = small_model("abc", cell=cell, sharpness=2)
    writer, encode = Writer.of(model), model.vocabulary.encode
    ends = np.arange(writer.stepper.outputs) < 2 if ended else None
    states = [writer.read(before) for before in BEFORE]
    rows = writer.stepper.take_up([np.concatenate(parts, axis=1) for parts in zip(*states, strict=True)])
    expected = []
    for before, text in zip(BEFORE, TEXTS, strict=True):
        ids = encode(before + text).tolist()
        logs = log_probabilities(model, [*ids, 0])
        nats = -sum(logs[time, ids[time]] for time in range(len(before), len(ids)))
        expected.append(nats - (np.logaddexp.reduce(logs[-1, ends]) if ended else 0))
    found = surprisals(writer, rows, [encode(text).astype(np.int64) for text in TEXTS], ends)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert np.array_equal(rows.state[0], np.concatenate([state[0] for state in states], axis=1))


def test_of_no_texts_there_is_nothing_to_say() -> None:
    writer = Writer.of(small_model("abc"))
    assert surprisals(writer, writer.begin([np.array([3])]).keep(np.zeros(0, np.int64)), []).shape == (0,)

"""What the engine reports for clients that score: windows of a text, and ranks."""

import asyncio
from typing import Any

import numpy as np
import pytest
import torch

from charloom.server.batching.engine import ModelEngine
from charloom.server.batching.jobs import Job, Symbol
from charloom.server.batching.rows import NumpyRows, SingleRows
from conftest import CELLS
from models import small_model

TEXT = "The cat sat.\n"


def reports(model: Any, *jobs: Job, rows: int = 1) -> list[list[Symbol]]:
    """The symbols that are reported for each job, one after the other in the same row."""

    async def run() -> list[list[Symbol]]:
        engine, found = ModelEngine(model, rows=rows), list[list[Symbol]]()
        for job in jobs:
            symbols = list[Symbol]()
            async for piece in engine.submit(job):
                symbols += [*piece.read, *piece.written]
            found.append(symbols)
        await engine.close(grace=0)
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("cell", CELLS)
def test_a_window_of_a_text_is_read_from_a_zero_state_whatever_the_row_read_before(cell: Any) -> None:
    model = small_model(TEXT, cell, seed=1)
    ids = model.vocabulary.encode(TEXT).astype(np.int64)
    opened = np.concatenate(([model.vocabulary.boundary], ids))
    before = Job(opened, 5, read_alternatives=1)
    _, symbols = reports(model, before, Job(ids[4:], 0, read_alternatives=3))
    with torch.no_grad():
        logits, _ = model.network(torch.tensor(ids[4:])[:, None], None)
    logs = torch.log_softmax(logits[:-1, 0].double(), -1).numpy()
    assert [symbol.id for symbol in symbols] == ids[5:].tolist()
    np.testing.assert_allclose(
        [symbol.log_probability for symbol in symbols], logs[range(len(logs)), ids[5:]], atol=1e-5
    )
    assert [symbol.rank for symbol in symbols] == [
        int((row > row[symbol]).sum()) + 1 for row, symbol in zip(logs, ids[5:], strict=True)
    ]


@pytest.mark.parametrize("kind", [NumpyRows, SingleRows])
def test_every_kind_of_rows_can_be_cleared(kind: Any) -> None:
    from charloom.generation.writer import Writer

    writer = Writer.of(small_model(TEXT, seed=1))
    rows = kind(writer.stepper, writer.vocabulary.boundary, 2)
    rows.advance(np.array([[1, 2]]))
    fresh = rows.logits(np.array([0, 1])).copy()
    rows.advance(np.array([[3, 4]]))
    rows.clear(1)
    rows.advance(np.array([[1, 2]]))
    again = rows.logits(np.array([0, 1]))
    assert np.array_equal(again[1], fresh[1])
    assert not np.array_equal(again[0], fresh[0])

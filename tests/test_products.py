"""Eight-bit products are near the exact ones, within what their rounding allows."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.errors import SettingsError
from charloom.products import Float32, Int8
from charloom.settings import Cell
from charloom.writer import Writer
from conftest import CELLS
from models import small_model

SHAPES = st.tuples(st.integers(1, 70), st.integers(2, 40), st.integers(1, 40))
"""Rows, numbers in a row, columns."""


def product_of(product: Float32 | Int8, rows: np.ndarray) -> np.ndarray:
    out = np.full((len(rows), product.columns), np.nan, np.float32)
    product(rows, out)
    return out


@given(SHAPES, st.sampled_from([1e-3, 1.0, 1e3]), st.booleans(), st.integers(0, 9))
def test_an_eight_bit_product_is_off_by_no_more_than_its_rounding(
    shape: tuple[int, int, int], scale: float, bounded: bool, seed: int
) -> None:
    rows_, inner, columns = shape
    draw = np.random.Generator(np.random.PCG64(seed))
    matrix = draw.normal(size=(columns, inner)) * scale
    rows = draw.uniform(-1, 1, (rows_, inner)).astype(np.float32) * (1 if bounded else np.float32(50))
    exact = rows.astype(np.float64) @ matrix.T
    largest_weight = np.abs(matrix).max(1)
    largest_number = 1 if bounded else np.abs(rows).max(1, keepdims=True)
    half = 0.5 / 127
    allowed = inner * largest_weight * largest_number * (2 * half + half**2) + 1e-5 * scale * inner * 50
    assert (np.abs(product_of(Int8(matrix, bounded=bounded), rows) - exact) <= allowed).all()
    assert np.allclose(product_of(Float32(matrix), rows), exact, rtol=1e-4, atol=1e-4 * scale * inner * 50)


def test_a_column_of_zeros_and_a_row_of_zeros_give_zero() -> None:
    matrix = np.array([[0.0, 0, 0], [1, -2, 3]])
    rows = np.array([[0.5, 0.25, -1], [0, 0, 0]], np.float32)
    for bounded in (True, False):
        found = product_of(Int8(matrix, bounded=bounded), rows)
        assert found[:, 0].tolist() == [0, 0]
        assert found[1].tolist() == [0, 0]


def test_the_weights_take_a_quarter_of_the_bytes() -> None:
    matrix = np.ones((100, 400))
    assert Float32(matrix).weight_bytes == 100 * 400 * 4
    assert Int8(matrix, bounded=True).weight_bytes == 100 * 400 + 100 * 4


@pytest.mark.parametrize("cell", CELLS)
def test_a_model_with_weights_in_eight_bits_predicts_nearly_the_same(cell: Cell) -> None:
    model = small_model("abcdefgh", cell, hidden_size=64, sharpness=0.5)
    writers = Writer(model), Writer(model, weights="int8")
    rows = [writer.begin(writer.prompts(["head cafe".replace(" ", ""), "", "bad"])) for writer in writers]
    for _ in range(50):
        exact, rounded = (writer.logits(row).copy() for writer, row in zip(writers, rows, strict=True))
        assert np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()
        for row in rows:
            row.advance(np.array([3, 1, 0]))


def test_without_a_torch_that_has_them_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SettingsError, match="use --weights float32"):
        Int8(np.ones((2, 2)), bounded=True)

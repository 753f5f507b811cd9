"""Matrices stored as int8 with a scale for each row: what comes back, what is refused, and who may read them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import charloom
from charloom.errors import FolderError
from charloom.models.model_folder import read_model
from charloom.settings import NetworkConfig
from charloom.storage.tensor_files import SCALE, pack_arrays, rounded_rows, unpack


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 40)),
        elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False),
    )
)
def test_a_value_is_off_by_at_most_half_a_step_of_its_row(matrix: np.ndarray) -> None:
    expected = {"m": (matrix.shape, "float32")}
    back = unpack(pack_arrays(rounded_rows({"m": matrix})), expected, "here", rounded=True)["m"]
    assert back.dtype == np.float32 and back.shape == matrix.shape
    step = np.abs(matrix).max(axis=1, keepdims=True) / 127
    assert (np.abs(back - matrix) <= 0.5001 * step + 1e-30).all()


def test_rounding_again_changes_nothing() -> None:
    matrix = np.random.Generator(np.random.PCG64(0)).normal(size=(7, 33)).astype(np.float32)
    once = rounded_rows({"m": matrix})
    again = rounded_rows({"m": once["m"] * once["m" + SCALE][:, None]})
    assert (once["m"] == again["m"]).all()


@pytest.fixture
def folder(tmp_path: Path, small_text: str) -> Path:
    """A model folder with exact weights."""
    network = NetworkConfig(hidden_size=24, embedding_size=8)
    return charloom.train(small_text, run=tmp_path / "run", steps=3, network=network).model


def test_a_model_may_be_stored_rounded_and_reads_like_any_other(folder: Path, small_text: str) -> None:
    exact = read_model(folder)
    before = charloom.evaluate(folder, small_text[:500]).nats_per_character
    (folder / "model.safetensors").write_bytes(pack_arrays(rounded_rows(exact.weights)))
    model = read_model(folder)
    assert {name: array.shape for name, array in model.weights.items()} == {
        name: array.shape for name, array in exact.weights.items()
    }
    assert all(array.dtype == np.float32 for array in model.weights.values())
    assert charloom.evaluate(folder, small_text[:500]).nats_per_character == pytest.approx(before, abs=1e-3)
    by_numpy = "".join(charloom.generate(charloom.Writer.load(folder), "the ", length=50, seed=3))
    assert by_numpy == "".join(charloom.generate(charloom.load(folder), "the ", length=50, seed=3))


@pytest.mark.parametrize("change", ["no scale", "short scale", "infinite scale", "large scale", "floats"])
def test_scales_that_do_not_fit_are_refused(folder: Path, change: str) -> None:
    packed = rounded_rows(read_model(folder).weights)
    name = "layers.0.weight_hh_l0"
    if change == "no scale":
        del packed[name + SCALE]
    elif change == "short scale":
        packed[name + SCALE] = packed[name + SCALE][1:]
    elif change == "infinite scale":
        packed[name + SCALE] = np.full_like(packed[name + SCALE], np.inf)
    elif change == "large scale":
        packed[name + SCALE] = np.full_like(packed[name + SCALE], 3e38)
    else:
        packed[name] = packed[name].astype(np.float32)
    (folder / "model.safetensors").write_bytes(pack_arrays(packed))
    with pytest.raises(FolderError, match=r"model\.safetensors"):
        read_model(folder)


def test_only_a_reader_that_allows_it_gets_rounded_matrices() -> None:
    matrix = np.ones((2, 3), np.float32)
    data = pack_arrays(rounded_rows({"m": matrix}))
    with pytest.raises(FolderError, match="unknown tensor"):
        unpack(data, {"m": ((2, 3), "float32")}, "here")

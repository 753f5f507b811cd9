"""The one-step path equals the network: the same logits and the same state, whatever the other rows."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.data.vocabulary import Vocabulary
from charloom.generation.numpy_steps import Stepper, StepRows
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig, shapes
from charloom.settings import Cell, NetworkConfig
from conftest import CELLS
from models import small_model

ALPHABET = "abcdefgh"
NETWORKS = [
    NetworkConfig(cell=cell, hidden_size=12, layers=layers, embedding_size=embedding, tied=tied)  # type: ignore[arg-type]
    for cell in CELLS
    for layers, embedding, tied in ((1, 6, False), (3, 6, False), (2, 0, False), (2, 12, True))
]
networks = pytest.mark.parametrize("config", NETWORKS, ids=lambda c: f"{c.cell}-{c.layers}-{c.embedding_size}-{c.tied}")


def model_of(config: NetworkConfig, seed: int = 0) -> LanguageModel:
    """A model with weights large enough to make every nonlinearity matter, and non-zero biases."""
    torch.manual_seed(seed)
    model = LanguageModel.new(ModelConfig(config, "none", False), Vocabulary.of([ALPHABET]))
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.normal_(std=0.3 if config.cell == "rnn-relu" else 0.5)  # otherwise a ReLU explodes
    return model


def stepper_of(model: LanguageModel) -> Stepper:
    return Stepper(model.config.network, model.arrays().weights)


def random_ids(*shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(7)).integers(0, len(ALPHABET) + 1, shape)


def close(rows: StepRows, state: Any) -> bool:
    return all(
        ours.shape == tuple(theirs.shape) and np.allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-5)
        for ours, theirs in zip(rows.state, state, strict=True)
    )


@networks
def test_the_one_step_path_equals_the_training_path(config: NetworkConfig) -> None:
    model, ids = model_of(config), random_ids(40, 3)
    with torch.no_grad():
        logits, state = model.network(torch.from_numpy(ids))
    rows = stepper_of(model).begin(3)
    for symbols, expected in zip(ids, logits.numpy(), strict=True):
        rows.advance(symbols)
        assert np.allclose(rows.logits(), expected, rtol=1e-4, atol=1e-4)
    assert close(rows, state)


@networks
def test_reading_texts_of_different_lengths_together_equals_reading_each_with_the_network(
    config: NetworkConfig,
) -> None:
    model, ids = model_of(config), random_ids(300, 5)
    lengths = [3, 300, 0, 257, 40]
    rows = stepper_of(model).read([ids[:length, row] for row, length in enumerate(lengths)])
    for row, length in enumerate(lengths):
        state: Any = model.network.zero_state(1)
        if length:
            with torch.no_grad():
                _, state = model.network(torch.from_numpy(ids[:length, row : row + 1].copy()))
        assert close(rows.keep(np.array([row])), state)


@networks
def test_reading_in_pieces_equals_reading_the_whole(config: NetworkConfig) -> None:
    stepper, ids = stepper_of(model_of(config)), random_ids(50, 2)
    whole = stepper.read([ids[:, 0], ids[:, 1]])
    for cuts in ([1, 2, 3], [7, 49], [25]):
        state = stepper.begin(2).state
        for piece in np.split(ids, cuts):
            state = stepper.read([piece[:, 0], piece[:, 1]], state).state
        assert all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(state, whole.state, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_does_not_depend_on_the_rows_beside_it(cell: Cell) -> None:
    stepper, ids = stepper_of(small_model(ALPHABET, cell)), random_ids(30, 4)
    together, alone = stepper.begin(4), stepper.begin()
    for symbols in ids:
        together.advance(symbols)
        alone.advance(symbols[2:3])
        assert np.allclose(together.logits()[2], alone.logits()[0], rtol=1e-5, atol=1e-5)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_rows_that_are_kept_go_on_as_before_and_share_nothing(chosen: list[int]) -> None:
    stepper, ids = stepper_of(small_model(ALPHABET)), random_ids(10, 4)
    rows = stepper.read(list(ids.T))
    before = [part.copy() for part in rows.state]
    kept = rows.keep(np.array(chosen))
    assert all(np.array_equal(new, old[:, chosen]) for new, old in zip(kept.state, before, strict=True))
    kept.advance(np.zeros(len(chosen), np.int64))
    assert all(np.array_equal(new, old) for new, old in zip(rows.state, before, strict=True))


def test_a_state_that_is_taken_up_is_copied() -> None:
    stepper = stepper_of(small_model(ALPHABET))
    state = stepper.read([random_ids(5)]).state
    before = [part.copy() for part in state]
    stepper.take_up(state).advance(np.array([1]))
    assert all(np.array_equal(new, old) for new, old in zip(state, before, strict=True))


@networks
def test_the_shapes_of_the_files_are_those_of_the_network(config: NetworkConfig) -> None:
    model = model_of(config)
    expected = shapes(config, inputs=model.network.inputs, outputs=model.network.outputs)
    found = {name: (tuple(tensor.shape), "float32") for name, tensor in model.network.state_dict().items()}
    assert dict(expected) == found


def test_a_relu_that_explodes_is_silent_here_and_refused_where_it_is_drawn() -> None:
    model = small_model(ALPHABET, "rnn-relu")
    with torch.no_grad():
        for parameter in model.network.layers.parameters():
            parameter.fill_(1e4)
    rows = stepper_of(model).begin()
    for _ in range(20):
        rows.advance(np.array([0]))
    assert not np.isfinite(rows.logits()).all()

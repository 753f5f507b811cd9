"""Muon against its definition, and the division of parameters between it and AdamW."""

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.network import CharRNN
from charloom.optimizers import make_optimizer, orthogonalized
from charloom.settings import Cell, NetworkConfig, TrainingConfig
from conftest import CELLS

CONFIG = TrainingConfig(optimizer="muon", learning_rate=0.01, weight_decay=0.1)


def network(cell: Cell = "lstm") -> CharRNN:
    torch.manual_seed(0)
    return CharRNN(NetworkConfig(cell=cell, hidden_size=12, layers=2, embedding_size=8), inputs=6, outputs=5)


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 1000), st.sampled_from([1e-6, 1.0, 1e6]))
def test_directions_stay_and_their_sizes_become_one(rows: int, columns: int, seed: int, size: float) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * size
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    (result,) = orthogonalized(matrix[None], bfloat16=False)
    inside = left.T @ result @ right.T  # in the matrix's own directions: diagonal, and near one
    assert torch.allclose(inside, torch.diag(inside.diagonal()), atol=1e-3)
    clear = values > 0.02 * values.norm()  # a direction that hardly exists is raised less
    assert ((inside.diagonal()[clear] > 0.6) & (inside.diagonal()[clear] < 1.25)).all()


def test_bfloat16_gives_nearly_the_same() -> None:
    matrices = torch.randn(4, 32, 16, generator=torch.Generator().manual_seed(0))
    exact, rounded = (orthogonalized(matrices, bfloat16=kind) for kind in (False, True))
    assert (exact - rounded).norm() < 0.03 * exact.norm()


def test_a_gradient_of_zero_moves_nothing() -> None:
    assert not orthogonalized(torch.zeros(3, 8, 8), bfloat16=False).any()


@pytest.mark.parametrize("cell", CELLS)
def test_each_gate_is_a_matrix_of_its_own(cell: Cell) -> None:
    model = network(cell)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    other = copy.deepcopy(model)
    weight, same = (each.layers[0].weight_hh_l0 for each in (model, other))
    for parameter, twin in zip(model.parameters(), other.parameters(), strict=True):
        twin.grad = parameter.grad.clone()
    same.grad[:12] *= 100  # only the first gate's gradient
    before = weight.detach().clone()
    for each in (model, other):
        make_optimizer(dict(each.named_parameters()), CONFIG, gates=each.gates).step()
    assert torch.equal(weight[12:], same[12:])
    update = (weight - before * (1 - 0.01 * 0.1))[:12] / -0.01
    root_mean_square = update.square().mean().sqrt().item()
    assert 0.14 < root_mean_square < 0.26  # about 0.2, the size of AdamW's


def test_what_is_no_matrix_of_a_layer_is_trained_by_adamw() -> None:
    model, other = network(), network()
    for parameter, twin in zip(model.parameters(), other.parameters(), strict=True):
        parameter.grad = torch.randn_like(parameter)
        twin.grad = parameter.grad.clone()
    for each, config in ((model, CONFIG), (other, replace(CONFIG, optimizer="adamw"))):
        optimizer = make_optimizer(dict(each.named_parameters()), config, gates=each.gates)
        optimizer.step()
        optimizer.step()
    for (name, parameter), twin in zip(model.named_parameters(), other.parameters(), strict=True):
        by_muon = name.startswith("layers.") and parameter.ndim == 2
        assert torch.equal(parameter, twin) != by_muon, name

"""Muon compared with its definition, the other rules with torch's own, and what their first step must not import."""

import copy
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch

from charloom.models.network import CharRNN
from charloom.settings import Cell, NetworkConfig, TrainingConfig
from charloom.training.optimizers import make_optimizer
from conftest import CELLS

CONFIG = TrainingConfig(optimizer="muon", learning_rate=0.01, weight_decay=0.1)


def network(cell: Cell = "lstm") -> CharRNN:
    torch.manual_seed(0)
    return CharRNN(NetworkConfig(cell=cell, hidden_size=12, layers=2, embedding_size=8), inputs=6, outputs=5)


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
        make_optimizer(dict(each.named_parameters()), CONFIG, gates=each.gates).step(0.01)
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
        optimizer.step(0.01)
        optimizer.step(0.01)
    for (name, parameter), twin in zip(model.named_parameters(), other.parameters(), strict=True):
        by_muon = name.startswith("layers.") and parameter.ndim == 2
        assert torch.equal(parameter, twin) != by_muon, name


TORCHS: dict[str, Callable[[Iterable[torch.nn.Parameter]], torch.optim.Optimizer]] = {
    "adamw": lambda all: torch.optim.AdamW(all, betas=(0.95, 0.99), weight_decay=0.1, fused=True),
    "adam": lambda all: torch.optim.Adam(all, betas=(0.95, 0.99), weight_decay=0.1, fused=True),
    "rmsprop": lambda all: torch.optim.RMSprop(all, alpha=0.99, momentum=0.95, weight_decay=0.1),
    "sgd": lambda all: torch.optim.SGD(all, lr=0.01, momentum=0.95, weight_decay=0.1, fused=True),
    "sgd without momentum": lambda all: torch.optim.SGD(all, lr=0.01, weight_decay=0.1, fused=True),
}


@pytest.mark.parametrize("rule", TORCHS)
def test_a_rule_moves_and_remembers_what_torchs_own_does(rule: str) -> None:
    """Bit for bit, over steps of different rates; one parameter has no gradient in the second."""
    model, other = network(), network()
    momentum = 0.0 if "without" in rule else 0.95
    config = replace(CONFIG, optimizer=rule.split()[0], beta1=momentum)  # type: ignore[arg-type]
    ours = make_optimizer(dict(model.named_parameters()), config, gates=model.gates)
    torchs = TORCHS[rule](other.parameters())
    for step, rate in enumerate((0.01, 0.02, 0.005)):
        ours.zero_grad()
        torchs.zero_grad()
        for number, (parameter, twin) in enumerate(zip(model.parameters(), other.parameters(), strict=True)):
            if (step, number) != (1, 2):
                parameter.grad = torch.randn_like(parameter)
                twin.grad = parameter.grad.clone()
        ours.step(rate)
        torchs.param_groups[0]["lr"] = rate
        torchs.step()
    for parameter, twin in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(parameter, twin)
        state = {name: value for name, value in torchs.state[twin].items() if value is not None}
        assert ours.state[parameter].keys() == state.keys()
        assert all(torch.equal(ours.state[parameter][name], value) for name, value in state.items())


TRAINING = """
import sys
from charloom.training.optimizers import make_optimizer
from charloom.settings import TrainingConfig
import torch
for rule in ("muon", "adamw", "adam"):
    weight = torch.nn.Parameter(torch.ones(4, 4))
    weight.grad = torch.ones(4, 4)
    make_optimizer({"layers.0": weight, "output": weight}, TrainingConfig(optimizer=rule), gates=1).step(0.1)
sys.exit("torch._dynamo" in sys.modules)
"""


def test_the_first_step_does_not_import_torchs_compiler() -> None:
    assert subprocess.run([sys.executable, "-c", TRAINING], check=False).returncode == 0

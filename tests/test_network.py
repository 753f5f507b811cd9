"""The network compared with cells written out by hand, and its promises about the state."""

import pytest
import torch

from charloom.models import full_rows
from charloom.models.dropout import Dropout
from charloom.models.network import CharRNN
from charloom.settings import Cell, NetworkConfig
from conftest import CELLS


def network(cell: Cell, **more: object) -> CharRNN:
    torch.manual_seed(1)
    settings = {"hidden_size": 5, "layers": 2, "embedding_size": 3, "dropout": 0.0, **more}
    return CharRNN(NetworkConfig(cell=cell, **settings), inputs=8, outputs=7).double()  # type: ignore[arg-type]


def by_hand(net: CharRNN, ids: torch.Tensor) -> torch.Tensor:
    """Logits from the equations in the papers, a step and a stream at a time."""
    size, rows = net.config.hidden_size, []
    for stream in range(ids.shape[1]):
        h = [torch.zeros(size, dtype=torch.float64) for _ in net.layers]
        c = [torch.zeros(size, dtype=torch.float64) for _ in net.layers]
        column = []
        for symbol in ids[:, stream]:
            x = net.embedding.weight[symbol] if net.embedding is not None else torch.eye(net.inputs).double()[symbol]
            for k, layer in enumerate(net.layers):
                from_x = layer.weight_ih_l0 @ x + layer.bias_ih_l0
                from_h = layer.weight_hh_l0 @ h[k] + layer.bias_hh_l0
                if net.config.cell == "lstm":
                    i, f, g, o = (from_x + from_h).split(size)
                    c[k] = torch.sigmoid(f) * c[k] + torch.sigmoid(i) * torch.tanh(g)
                    h[k] = torch.sigmoid(o) * torch.tanh(c[k])
                elif net.config.cell == "gru":
                    (xr, xz, xn), (hr, hz, hn) = from_x.split(size), from_h.split(size)
                    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
                    h[k] = (1 - z) * torch.tanh(xn + r * hn) + z * h[k]
                else:
                    h[k] = torch.tanh(from_x + from_h) if net.config.cell == "rnn-tanh" else torch.relu(from_x + from_h)
                x = h[k]
            weight = net.embedding.weight[: net.outputs] if net.config.tied and net.embedding else net.output.weight
            column.append(weight @ x + net.output.bias)
        rows.append(torch.stack(column))
    return torch.stack(rows, 1)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embedding_size", [3, 0])
def test_the_fused_cells_compute_what_the_equations_say(cell: Cell, embedding_size: int) -> None:
    net = network(cell, embedding_size=embedding_size)
    ids = torch.randint(0, 8, (9, 3))
    torch.testing.assert_close(net(ids)[0], by_hand(net, ids))


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_equal_finite_differences(cell: Cell) -> None:
    net = network(cell, hidden_size=3, embedding_size=2)
    if cell == "rnn-relu":  # keep away from the kink, where the derivative is not defined
        torch.nn.init.constant_(net.layers[0].bias_ih_l0, 0.3)
    ids, targets = torch.randint(0, 8, (4, 2)), torch.randint(0, 7, (8,))
    names, values = zip(*net.named_parameters(), strict=True)

    def loss(*parameters: torch.Tensor) -> torch.Tensor:
        logits, _ = torch.func.functional_call(net, dict(zip(names, parameters, strict=True)), (ids,))
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)

    assert torch.autograd.gradcheck(loss, values)


@pytest.mark.parametrize("cell", CELLS)
def test_one_step_at_a_time_equals_the_whole_sequence(cell: Cell) -> None:
    net = network(cell)
    ids = torch.randint(0, 8, (11, 3))
    whole, last = net(ids)
    state, steps = None, []
    for t in range(11):
        logits, state = net(ids[t : t + 1], state)
        steps.append(logits)
    torch.testing.assert_close(torch.cat(steps), whole)
    for part, expected in zip(state, last, strict=True):
        torch.testing.assert_close(part, expected)


@pytest.mark.parametrize("cell", CELLS)
def test_the_state_is_a_tuple_of_tensors_for_every_cell(cell: Cell) -> None:
    net = network(cell)
    _, state = net(torch.zeros(2, 3, dtype=torch.long))
    assert isinstance(state, tuple)
    assert [tuple(part.shape) for part in state] == [(2, 3, 5)] * (2 if cell == "lstm" else 1)
    assert [part.shape for part in net.zero_state(3)] == [part.shape for part in state]


def test_a_zero_state_is_what_no_state_means() -> None:
    net = network("lstm")
    ids = torch.randint(0, 8, (4, 2))
    torch.testing.assert_close(net(ids)[0], net(ids, net.zero_state(2))[0])


def test_tied_output_weights_are_the_embedding_and_exist_once() -> None:
    net = network("gru", hidden_size=6, embedding_size=6, tied=True)
    ids = torch.randint(0, 8, (5, 2))
    torch.testing.assert_close(net(ids)[0], by_hand(net, ids))
    assert "output.weight" not in net.state_dict()


def test_orthogonal_recurrent_matrices_keep_lengths_and_forget_gates_begin_open() -> None:
    net = network("lstm")
    for layer in net.layers:
        for gate in layer.weight_hh_l0.split(5):
            torch.testing.assert_close(gate @ gate.T, torch.eye(5, dtype=torch.float64), atol=1e-6, rtol=0)
        forget = (layer.bias_ih_l0 + layer.bias_hh_l0)[5:10]
        assert forget.tolist() == [1.0] * 5


def test_the_identity_initialisation_starts_a_relu_network_as_a_memory() -> None:
    net = network("rnn-relu", initialization="identity")
    assert torch.equal(net.layers[0].weight_hh_l0, torch.eye(5, dtype=torch.float64))


def test_dropout_drops_its_share_keeps_the_mean_and_rests_outside_training() -> None:
    torch.manual_seed(0)
    layer, ones = Dropout(0.3), torch.ones(200, 1000)
    dropped = layer(ones)
    assert abs((dropped == 0).double().mean().item() - 0.3) < 0.005
    assert abs(dropped.mean().item() - 1) < 0.01
    assert not torch.equal(dropped, layer(ones))
    assert torch.equal(layer.eval()(ones), ones)


def test_dropout_hides_the_same_units_from_the_gradient() -> None:
    values = torch.ones(50, 7, requires_grad=True)
    dropped = Dropout(0.5)(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


@pytest.mark.parametrize("cell", CELLS)
def test_weight_dropout_drops_recurrent_weights_for_the_whole_batch_and_rests_outside_training(cell: Cell) -> None:
    net, same = network(cell, weight_dropout=0.4), network(cell)
    ids = torch.randint(0, 8, (6, 3))
    assert torch.equal(net.eval()(ids)[0], same.eval()(ids)[0])
    net.train()
    torch.manual_seed(5)
    logits, _ = net(ids)
    logits.sum().backward()
    torch.manual_seed(5)
    with torch.no_grad():
        for layer, twin in zip(net.layers, same.layers, strict=True):
            twin.weight_hh_l0.copy_(net.weight_dropout(layer.weight_hh_l0))
    assert torch.allclose(logits, same(ids)[0])
    for layer, twin in zip(net.layers, same.layers, strict=True):
        dropped = twin.weight_hh_l0 == 0
        assert 0.15 < dropped.double().mean() < 0.65
        assert not layer.weight_hh_l0.grad[dropped].any()
        assert layer.weight_hh_l0.grad[~dropped].any()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("rows", [33, 40, 67])
def test_rows_added_for_speed_change_neither_the_result_nor_the_gradient(
    cell: Cell, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With autocast rows are added; it is told to change nothing, so that the comparison is exact to a few bits."""
    net = network(cell, hidden_size=16, layers=1).float()
    ids, state = torch.randint(0, 8, (9, rows)), tuple(torch.randn_like(part) for part in net.zero_state(rows))
    seen = []
    net.layers[0].register_forward_hook(lambda layer, given, result: seen.append(given[0].shape[1]))

    def read() -> tuple[torch.Tensor, ...]:
        net.zero_grad()
        logits, after = net(ids, state)
        logits.square().mean().backward()
        return logits, *after, *(parameter.grad for parameter in net.parameters())

    plainly = read()
    monkeypatch.setattr(full_rows, "_reads_in_bfloat16", lambda values: True)
    for one, other in zip(read(), plainly, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert seen == [rows, -(-rows // full_rows.FULL) * full_rows.FULL]


def test_rows_are_added_in_bfloat16_only(needs_bfloat16: None) -> None:
    net, ids = network("lstm", hidden_size=16, layers=1).float(), torch.zeros(2, 41, dtype=torch.long)
    seen = []
    net.layers[0].register_forward_hook(lambda layer, given, result: seen.append(given[0].shape[1]))
    net(ids)
    with torch.autocast("cpu", torch.bfloat16):
        net(ids)
        net(ids[:, :31])
    assert seen == [41, 48, 31]

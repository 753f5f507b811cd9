"""Precision is decided by what is right and what is fast, and the process is configured once."""

import pytest
import torch

from charloom.errors import SettingsError
from charloom.machine import hardware
from charloom.machine.hardware import choose_precision

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_processor_multiplies_bfloat16", lambda: True)


def test_a_wrong_gradient_is_not_used(able: None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(hardware, "_gradient_is_right", lambda size: bool(asked.append(size)))
    choice = choose_precision("auto", "cpu", "lstm", 2048)
    assert choice.name == "float32"
    assert "2,048" in choice.reason
    with pytest.raises(SettingsError, match=r"gradient of an LSTM of 2,048 units is wrong .* use --precision auto"):
        choose_precision("bfloat16", "cpu", "lstm", 2048)
    assert choose_precision("auto", "cpu", "lstm", 1023).name == "bfloat16"
    assert choose_precision("auto", "cpu", "gru", 2048).name == "bfloat16"
    assert choose_precision("float32", "cpu", "lstm", 2048).reason == "as asked for"
    assert asked == [2048, 2048]


def test_the_gradient_is_looked_at_and_not_listed(needs_bfloat16: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware._gradient_is_right(24)
    before = torch.get_rng_state()

    class Wrong(torch.nn.LSTM):
        def forward(self, values, state=None):  # type: ignore[no-untyped-def]
            output, state = super().forward(values, state)
            return (output.detach() + values.sum() if torch.is_autocast_enabled("cpu") else output), state

    monkeypatch.setattr(torch.nn, "LSTM", Wrong)
    assert not hardware._gradient_is_right(24)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [64, 320, 1024, 1088])
def test_what_precision_takes_gives_the_gradient_of_float32(size: int) -> None:
    """The whole layer, longer and wider than what `choose_precision` checks."""
    bfloat16 = choose_precision("auto", "cpu", "lstm", size).name == "bfloat16"
    torch.manual_seed(0)
    layer, inputs = torch.nn.LSTM(48, size), torch.randn(5, 3, 48)
    gradients = []
    for enabled in (False, bfloat16):
        leaf = inputs.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output, _ = layer(leaf)
        gradients.append(torch.autograd.grad(output.float().square().mean(), [leaf, *layer.parameters()]))
    for exact, used in zip(*gradients, strict=True):
        assert (exact - used).norm() < 0.05 * exact.norm()

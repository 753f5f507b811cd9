"""The rules that turn gradients into updates, each by its name.

AdamW: Loshchilov and Hutter 2019 (arXiv 1711.05101). Adam: Kingma and Ba 2015 (arXiv 1412.6980). RMSprop: Hinton 2012.
Muon: Jordan et al. 2024, here for the matrices of the recurrent layers, gate by gate; what is left (embedding, output,
biases) is trained by AdamW.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol

import torch

from charloom.settings import TrainingConfig

ROUNDS = 5
"""Rounds of Newton-Schulz: after these every singular value lies between about 0.7 and 1.2."""

_A, _B, _C = 3.4445, -4.7750, 2.0315


class Optimizer(Protocol):
    """What the trainer needs of an optimizer: torch's own have it."""

    @property
    def param_groups(self) -> list[dict[str, Any]]: ...
    @property
    def state(self) -> Any: ...
    def zero_grad(self) -> None: ...
    def step(self) -> Any: ...


def orthogonalized(matrices: torch.Tensor, *, bfloat16: bool) -> torch.Tensor:
    """K matrices (K, N, M) -> the nearest matrices whose singular values are about 1, in the same type.

    Newton-Schulz with the odd polynomial a x + b x^3 + c x^5 of Jordan et al. 2024, which is steep at 0 instead of exact
    at 1: what counts is that every direction moves. `bfloat16` multiplies in that type.
    """
    values = matrices.bfloat16() if bfloat16 else matrices
    tall = values.shape[-2] > values.shape[-1]
    wide = values.mT if tall else values
    wide = wide / (torch.linalg.matrix_norm(wide.float()).to(wide.dtype)[..., None, None] + 1e-7)
    for _ in range(ROUNDS):
        square = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(square, square, square, beta=_B, alpha=_C), wide, beta=_A)
    return (wide.mT if tall else wide).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum whose update has all its singular values alike, for matrices (gates * N, M) of `gates` blocks each.

        m <- momentum m + (1 - momentum) g          u = orthogonalized(momentum m + (1 - momentum) g), block by block
        W <- (1 - lr decay) W - lr 0.2 sqrt(max(N, M)) u

    The factor gives an update the size of AdamW's, so that one learning rate serves both (Liu et al. 2025, arXiv 2502.16982).
    """

    def __init__(
        self,
        matrices: list[torch.nn.Parameter],
        *,
        gates: int,
        lr: float,
        momentum: float,
        weight_decay: float,
        bfloat16: bool,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._gates, self._bfloat16 = gates, bfloat16

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every matrix by its gradient."""
        for group in self.param_groups:
            rate, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
            for matrix in group["params"]:
                if "momentum_buffer" not in self.state[matrix]:
                    self.state[matrix]["momentum_buffer"] = torch.zeros_like(matrix)
                buffer = self.state[matrix]["momentum_buffer"].lerp_(matrix.grad, 1 - momentum)
                blocks = matrix.grad.lerp(buffer, momentum).unflatten(0, (self._gates, -1))
                update = orthogonalized(blocks, bfloat16=self._bfloat16).flatten(0, 1)
                matrix.mul_(1 - rate * decay).add_(update, alpha=-rate * 0.2 * max(blocks.shape[1:]) ** 0.5)


class Together:
    """Several optimizers that step as one; a parameter belongs to one of them, and so does its state."""

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        self._optimizers = optimizers
        self.state: dict[torch.Tensor, dict[str, Any]] = defaultdict(dict)
        for optimizer in optimizers:
            optimizer.state = self.state

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all."""
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def zero_grad(self) -> None:
        """Forget every gradient."""
        for optimizer in self._optimizers:
            optimizer.zero_grad()

    def step(self) -> None:
        """Let each update its parameters."""
        for optimizer in self._optimizers:
            optimizer.step()


def make_optimizer(
    parameters: Mapping[str, torch.nn.Parameter], config: TrainingConfig, *, gates: int, bfloat16: bool = False
) -> Optimizer:
    """The optimizer that `config` names, in torch's fused form where there is one.

    `gates`: blocks of rows in a recurrent layer's matrices (4 for an LSTM, 3 for a GRU, else 1).
    """
    values = list(parameters.values())
    rate, decay = config.learning_rate, config.weight_decay
    fused = values[0].device.type in ("cpu", "cuda")
    if config.optimizer == "muon":
        matrices: list[torch.nn.Parameter] = []
        rest: list[torch.nn.Parameter] = []
        for name, value in parameters.items():
            (matrices if "layers." in name and value.ndim == 2 else rest).append(value)
        return Together(
            Muon(
                matrices,
                gates=gates,
                lr=rate,
                momentum=config.beta1,
                weight_decay=decay,
                bfloat16=bfloat16,
            ),
            torch.optim.AdamW(rest, lr=rate, betas=(config.beta1, config.beta2), weight_decay=decay, fused=fused),
        )
    if config.optimizer in ("adamw", "adam"):
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        return kind(values, lr=rate, betas=(config.beta1, config.beta2), weight_decay=decay, fused=fused)
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(values, lr=rate, alpha=config.beta2, momentum=config.beta1, weight_decay=decay)
    return torch.optim.SGD(values, lr=rate, momentum=config.beta1, weight_decay=decay, fused=fused)

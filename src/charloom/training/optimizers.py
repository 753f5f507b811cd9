"""The optimizers: rules that turn gradients into updates.

AdamW: Loshchilov and Hutter 2019 (arXiv 1711.05101). Adam: Kingma and Ba 2015 (arXiv 1412.6980). RMSprop: Hinton 2012.
Muon: Jordan et al. 2024, here for the matrices of the recurrent layers, gate by gate; the rest (embedding, output,
biases) is trained by AdamW.

AdamW's arithmetic is torch's function: torch's optimizer classes import its compiler as soon as they get a parameter,
which would add a useless second to the start of every training. Only RMSprop and SGD take that second.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from torch.optim.adam import adam

from charloom.settings import TrainingConfig
from charloom.training.orthogonalization import orthogonalized

EPSILON = 1e-8
"""Keeps a division by a second moment finite."""


class Optimizer(ABC):
    """Updates parameters, and keeps a state for each: `state[parameter][quantity]`."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.state: dict[torch.Tensor, dict[str, torch.Tensor]] = defaultdict(dict)

    def zero_grad(self) -> None:
        """Clear all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @abstractmethod
    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient, at a learning rate of `rate`."""

    def _due(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """The parameters that have a gradient, and their gradients."""
        due = [(parameter, parameter.grad) for parameter in self.parameters if parameter.grad is not None]
        return [parameter for parameter, _ in due], [gradient for _, gradient in due]

    def _remembered(self, parameters: list[torch.Tensor], quantity: str) -> list[torch.Tensor]:
        """A quantity of each parameter, in its shape; zeros at first."""
        for parameter in parameters:
            if quantity not in self.state[parameter]:
                self.state[parameter][quantity] = torch.zeros_like(parameter)
        return [self.state[parameter][quantity] for parameter in parameters]

    def _counts(self, parameters: list[torch.Tensor], *, on_device: bool) -> list[torch.Tensor]:
        """The number of steps that each parameter has taken."""
        for parameter in parameters:
            if "step" not in self.state[parameter]:
                device = parameter.device if on_device else torch.device("cpu")
                self.state[parameter]["step"] = torch.zeros((), dtype=torch.float32, device=device)
        return [self.state[parameter]["step"] for parameter in parameters]


class Adam(Optimizer):
    """Adam, or AdamW with `decoupled` weight decay; `fused` uses torch's fused kernel."""

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        *,
        betas: tuple[float, float],
        weight_decay: float,
        decoupled: bool,
        fused: bool,
    ) -> None:
        super().__init__(parameters)
        self._betas, self._decay, self._decoupled, self._fused = betas, weight_decay, decoupled, fused

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient, at a learning rate of `rate`."""
        parameters, gradients = self._due()
        adam(
            parameters,
            gradients,
            self._remembered(parameters, "exp_avg"),
            self._remembered(parameters, "exp_avg_sq"),
            [],
            self._counts(parameters, on_device=self._fused),
            fused=self._fused,
            decoupled_weight_decay=self._decoupled,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=rate,
            weight_decay=self._decay,
            eps=EPSILON,
            maximize=False,
        )


class Own(Optimizer):
    """One of torch's own optimizers, with a learning rate for each step."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(parameter for group in optimizer.param_groups for parameter in group["params"])
        self._optimizer, self.state = optimizer, optimizer.state

    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient, at a learning rate of `rate`."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.step()


class Muon(Optimizer):
    """Momentum whose update has equal singular values, for matrices (gates * N, M) of `gates` blocks each.

        m <- momentum m + (1 - momentum) g          u = orthogonalized(momentum m + (1 - momentum) g), block by block
        W <- (1 - lr decay) W - lr 0.2 sqrt(max(N, M)) u

    The factor makes updates as large as AdamW's, so that one learning rate serves both (Liu et al. 2025, arXiv
    2502.16982).
    """

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        *,
        gates: int,
        momentum: float,
        weight_decay: float,
        bfloat16: bool,
    ) -> None:
        super().__init__(matrices)
        self._gates, self._momentum, self._decay, self._bfloat16 = gates, momentum, weight_decay, bfloat16

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every matrix that has a gradient."""
        matrices, gradients = self._due()
        for matrix, gradient, momentum in zip(
            matrices, gradients, self._remembered(matrices, "momentum_buffer"), strict=True
        ):
            momentum.lerp_(gradient, 1 - self._momentum)
            mixed = gradient.lerp(momentum, self._momentum).unflatten(0, (self._gates, -1))  # type: ignore[no-untyped-call]
            update = orthogonalized(mixed, bfloat16=self._bfloat16)
            size = 0.2 * max(update.shape[1:]) ** 0.5
            matrix.mul_(1 - rate * self._decay).add_(update.flatten(0, 1), alpha=-rate * size)


class Together(Optimizer):
    """Several optimizers that step as one; each parameter and its state belong to one of them."""

    def __init__(self, *optimizers: Optimizer) -> None:
        super().__init__(parameter for optimizer in optimizers for parameter in optimizer.parameters)
        self._optimizers = optimizers
        for optimizer in optimizers:
            optimizer.state = self.state

    def step(self, rate: float) -> None:
        """Let each optimizer update its parameters."""
        for optimizer in self._optimizers:
            optimizer.step(rate)


def make_optimizer(
    parameters: Mapping[str, torch.nn.Parameter],
    config: TrainingConfig,
    *,
    gates: int,
    bfloat16: bool = False,
) -> Optimizer:
    """The optimizer that `config` names, in torch's fused form if there is one.

    `gates` is the number of row blocks in a recurrent layer's matrices: 4 for an LSTM, 3 for a GRU, otherwise 1.
    """
    values = list(parameters.values())
    betas, decay = (config.beta1, config.beta2), config.weight_decay
    fused = values[0].device.type in ("cpu", "cuda")
    if config.optimizer == "muon":
        matrices: list[torch.nn.Parameter] = []
        rest: list[torch.nn.Parameter] = []
        for name, value in parameters.items():
            (matrices if "layers." in name and value.ndim == 2 else rest).append(value)
        return Together(
            Muon(matrices, gates=gates, momentum=config.beta1, weight_decay=decay, bfloat16=bfloat16),
            Adam(rest, betas=betas, weight_decay=decay, decoupled=True, fused=fused),
        )
    if config.optimizer in ("adamw", "adam"):
        return Adam(values, betas=betas, weight_decay=decay, decoupled=config.optimizer == "adamw", fused=fused)
    if config.optimizer == "rmsprop":
        return Own(
            torch.optim.RMSprop(values, alpha=config.beta2, momentum=config.beta1, weight_decay=decay, eps=EPSILON)
        )
    return Own(torch.optim.SGD(values, momentum=config.beta1, weight_decay=decay, fused=fused))

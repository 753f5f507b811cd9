"""The optimizers: rules that turn gradients into updates.

AdamW: Loshchilov and Hutter 2019 (arXiv 1711.05101). Adam: Kingma and Ba 2015 (arXiv 1412.6980). RMSprop: Hinton 2012.
Muon: Jordan et al. 2024, here for the matrices of the recurrent layers, gate by gate; the rest (embedding, output,
biases) is trained by AdamW.

The arithmetic is done by torch's functions (`torch.optim.adamw.adamw` and the like). Torch's optimizer classes import
its compiler as soon as they get a parameter, which would add a useless second to the start of every training.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial

import torch
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from charloom.settings import TrainingConfig
from charloom.training.orthogonalization import orthogonalized
from charloom.training.processes import Processes
from charloom.training.shared_blocks import SharedBlocks

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

    @abstractmethod
    def quantities(self, parameter: torch.nn.Parameter) -> tuple[str, ...]:
        """The keys of `state[parameter]` after the first step: "step" is a number, the rest have its shape."""

    @property
    def shared(self) -> list[torch.nn.Parameter]:
        """Parameters of which each of several processes needs the gradient only in part."""
        return []

    def add_up(self) -> None:  # noqa: B027  (most have nothing to add up)
        """Sum the gradients of the shared parameters over all processes: each gets its part, and 0 elsewhere."""

    def make_whole(self) -> None:  # noqa: B027
        """Give every process the whole state, of which each keeps only a part up to date."""

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

    def quantities(self, parameter: torch.nn.Parameter) -> tuple[str, ...]:
        """Both moments, and the number of steps."""
        return "exp_avg", "exp_avg_sq", "step"


class RMSprop(Optimizer):
    """The gradient divided by the root of its mean square, with momentum."""

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], *, alpha: float, momentum: float, weight_decay: float
    ) -> None:
        super().__init__(parameters)
        self._alpha, self._momentum, self._decay = alpha, momentum, weight_decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient, at a learning rate of `rate`."""
        parameters, gradients = self._due()
        rmsprop(
            parameters,
            gradients,
            self._remembered(parameters, "square_avg"),
            [],
            self._remembered(parameters, "momentum_buffer") if self._momentum else [],
            self._counts(parameters, on_device=False),
            lr=rate,
            alpha=self._alpha,
            eps=EPSILON,
            weight_decay=self._decay,
            momentum=self._momentum,
            centered=False,
        )

    def quantities(self, parameter: torch.nn.Parameter) -> tuple[str, ...]:
        """The mean square, the number of steps, and the momentum if there is any."""
        return "square_avg", "step", *(["momentum_buffer"] if self._momentum else [])


class SGD(Optimizer):
    """The gradient, with momentum that starts as the first gradient."""

    def __init__(
        self, parameters: Iterable[torch.nn.Parameter], *, momentum: float, weight_decay: float, fused: bool
    ) -> None:
        super().__init__(parameters)
        self._momentum, self._decay, self._fused = momentum, weight_decay, fused

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every parameter that has a gradient, at a learning rate of `rate`."""
        parameters, gradients = self._due()
        buffers = [self.state[parameter].get("momentum_buffer") for parameter in parameters]
        sgd(
            parameters,
            gradients,
            buffers,
            fused=self._fused,
            weight_decay=self._decay,
            momentum=self._momentum,
            lr=rate,
            dampening=0,
            nesterov=False,
            maximize=False,
        )
        if self._momentum:
            for parameter, buffer in zip(parameters, buffers, strict=True):
                assert buffer is not None, "sgd creates a missing buffer"
                self.state[parameter]["momentum_buffer"] = buffer

    def quantities(self, parameter: torch.nn.Parameter) -> tuple[str, ...]:
        """The momentum, if there is any."""
        return ("momentum_buffer",) if self._momentum else ()


class Muon(Optimizer):
    """Momentum whose update has equal singular values, for matrices (gates * N, M) of `gates` blocks each.

        m <- momentum m + (1 - momentum) g          u = orthogonalized(momentum m + (1 - momentum) g), block by block
        W <- (1 - lr decay) W - lr 0.2 sqrt(max(N, M)) u

    The factor makes updates as large as AdamW's, so that one learning rate serves both (Liu et al. 2025, arXiv
    2502.16982). Several processes share the blocks: each sums, remembers and orthogonalizes those that it owns.
    """

    def __init__(
        self,
        matrices: Iterable[torch.nn.Parameter],
        *,
        gates: int,
        momentum: float,
        weight_decay: float,
        bfloat16: bool,
        processes: Processes | None = None,
    ) -> None:
        super().__init__(matrices)
        self._gates, self._momentum, self._decay, self._bfloat16 = gates, momentum, weight_decay, bfloat16
        shapes = [self._blocks(matrix).shape for matrix in self.parameters]
        self._shared = SharedBlocks(shapes, processes) if processes and shapes else None
        self._sent = torch.bfloat16 if bfloat16 else torch.float32
        "The numbers that processes send: the products' own, in which an update is exact."

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every matrix that has a gradient; with several processes, all must have one."""
        matrices, gradients = self._due()
        mixed = []
        for gradient, momentum in zip(self._mine(gradients), self._momenta(matrices), strict=True):
            momentum.lerp_(gradient, 1 - self._momentum)
            mixed.append(gradient.lerp(momentum, self._momentum))
        work = partial(orthogonalized, bfloat16=self._bfloat16)
        updates = self._shared.whole(mixed, self._sent, work) if self._shared else map(work, mixed)
        for matrix, update in zip(matrices, updates, strict=True):
            size = 0.2 * max(update.shape[1:]) ** 0.5
            matrix.mul_(1 - rate * self._decay).add_(update.flatten(0, 1), alpha=-rate * size)

    @property
    def shared(self) -> list[torch.nn.Parameter]:
        """All matrices, if there are several processes."""
        return self.parameters if self._shared else []

    def add_up(self) -> None:
        """Sum the gradients of the own blocks over all processes."""
        if self._shared:
            _, gradients = self._due()
            sums = self._shared.sums([self._blocks(gradient) for gradient in gradients], self._sent)
            for matrix, total in zip(self.parameters, sums, strict=True):
                matrix.grad = total.flatten(0, 1)

    def make_whole(self) -> None:
        """Give every process the momentum of all blocks."""
        if self._shared:
            momenta = self._shared.whole(self._momenta(list(self.parameters)), torch.float32)
            for matrix, momentum in zip(self.parameters, momenta, strict=True):
                self.state[matrix]["momentum_buffer"] = momentum.flatten(0, 1)

    def _blocks(self, matrix: torch.Tensor) -> torch.Tensor:
        """(gates * N, M) -> (gates, N, M), of the same numbers"""
        return matrix.unflatten(0, (self._gates, -1))  # type: ignore[no-untyped-call, no-any-return]

    def _mine(self, matrices: list[torch.Tensor]) -> list[torch.Tensor]:
        """The blocks of each matrix that this process owns, of the same numbers."""
        owned = self._shared.own if self._shared else [slice(None)] * len(matrices)
        return [self._blocks(matrix)[own] for matrix, own in zip(matrices, owned, strict=True)]

    def _momenta(self, matrices: list[torch.Tensor]) -> list[torch.Tensor]:
        return self._mine(self._remembered(matrices, "momentum_buffer"))

    def quantities(self, parameter: torch.nn.Parameter) -> tuple[str, ...]:
        """The momentum."""
        return ("momentum_buffer",)


class Together(Optimizer):
    """Several optimizers that step as one; each parameter and its state belong to one of them."""

    def __init__(self, *optimizers: Optimizer) -> None:
        super().__init__(parameter for optimizer in optimizers for parameter in optimizer.parameters)
        self._optimizers = optimizers
        self._owners = {parameter: each for each in optimizers for parameter in each.parameters}
        for optimizer in optimizers:
            optimizer.state = self.state

    def step(self, rate: float) -> None:
        """Let each optimizer update its parameters."""
        for optimizer in self._optimizers:
            optimizer.step(rate)

    def quantities(self, parameter: torch.nn.Parameter) -> tuple[str, ...]:
        """The keys that the parameter's own optimizer uses."""
        return self._owners[parameter].quantities(parameter)

    @property
    def shared(self) -> list[torch.nn.Parameter]:
        """Those of all of them."""
        return [parameter for optimizer in self._optimizers for parameter in optimizer.shared]

    def add_up(self) -> None:
        """Let each optimizer sum its gradients."""
        for optimizer in self._optimizers:
            optimizer.add_up()

    def make_whole(self) -> None:
        """Let each optimizer make its state whole."""
        for optimizer in self._optimizers:
            optimizer.make_whole()


def make_optimizer(
    parameters: Mapping[str, torch.nn.Parameter],
    config: TrainingConfig,
    *,
    gates: int,
    bfloat16: bool = False,
    processes: Processes | None = None,
) -> Optimizer:
    """The optimizer that `config` names, in torch's fused form if there is one.

    `gates` is the number of row blocks in a recurrent layer's matrices: 4 for an LSTM, 3 for a GRU, otherwise 1.
    `processes` have equal parameters, and share the costly part of the work.
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
            Muon(
                matrices,
                gates=gates,
                momentum=config.beta1,
                weight_decay=decay,
                bfloat16=bfloat16,
                processes=processes,
            ),
            Adam(rest, betas=betas, weight_decay=decay, decoupled=True, fused=fused),
        )
    if config.optimizer in ("adamw", "adam"):
        return Adam(values, betas=betas, weight_decay=decay, decoupled=config.optimizer == "adamw", fused=fused)
    if config.optimizer == "rmsprop":
        return RMSprop(values, alpha=config.beta2, momentum=config.beta1, weight_decay=decay)
    return SGD(values, momentum=config.beta1, weight_decay=decay, fused=fused)

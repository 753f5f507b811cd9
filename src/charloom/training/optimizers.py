"""The optimizers: rules that turn gradients into updates.

AdamW: Loshchilov and Hutter 2019 (arXiv 1711.05101). Adam: Kingma and Ba 2015 (arXiv 1412.6980). RMSprop: Hinton 2012.
Muon: Jordan et al. 2024, here for the matrices of the recurrent layers, gate by gate; the rest (embedding, output,
biases) is trained by AdamW.

The arithmetic is done by torch's functions (`torch.optim.adamw.adamw` and the like). Torch's optimizer classes import
its compiler as soon as they get a parameter, which would add a useless second to the start of every training.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from charloom.settings import TrainingConfig
from charloom.training.processes import Processes

ROUNDS = 5
"""Newton-Schulz iterations: afterwards every singular value lies between about 0.7 and 1.2."""

_A, _B, _C = 3.4445, -4.7750, 2.0315

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


def orthogonalized(matrices: torch.Tensor, *, bfloat16: bool) -> torch.Tensor:
    """K matrices (K, N, M) -> the nearest matrices whose singular values are about 1, in the same type.

    Newton-Schulz with the odd polynomial a x + b x^3 + c x^5 of Jordan et al. 2024, which is steep at 0 instead of
    exact at 1: what matters is that every direction moves. With `bfloat16` the products are computed in that type.
    """
    values = matrices.bfloat16() if bfloat16 else matrices
    tall = values.shape[-2] > values.shape[-1]
    wide = values.mT if tall else values
    wide = wide / (torch.linalg.matrix_norm(wide.float()).to(wide.dtype)[..., None, None] + 1e-7)
    for _ in range(ROUNDS):
        square = wide @ wide.mT
        wide = torch.baddbmm(wide, torch.baddbmm(square, square, square, beta=_B, alpha=_C), wide, beta=_A)
    return (wide.mT if tall else wide).to(matrices.dtype)


class Muon(Optimizer):
    """Momentum whose update has equal singular values, for matrices (gates * N, M) of `gates` blocks each.

        m <- momentum m + (1 - momentum) g          u = orthogonalized(momentum m + (1 - momentum) g), block by block
        W <- (1 - lr decay) W - lr 0.2 sqrt(max(N, M)) u

    The factor makes updates as large as AdamW's, so that one learning rate serves both (Liu et al. 2025, arXiv
    2502.16982). Several processes share the blocks: each orthogonalizes some of them, then all exchange them.
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
        self._processes = processes

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update every matrix that has a gradient, at a learning rate of `rate`."""
        matrices, gradients = self._due()
        buffers = self._remembered(matrices, "momentum_buffer")
        mixed = []
        for gradient, buffer in zip(gradients, buffers, strict=True):
            buffer.lerp_(gradient, 1 - self._momentum)
            mixed.append(gradient.lerp(buffer, self._momentum).unflatten(0, (self._gates, -1)))  # type: ignore[no-untyped-call]
        for matrix, blocks, update in zip(matrices, mixed, self._updates(mixed), strict=True):
            update = update.flatten(0, 1)
            matrix.mul_(1 - rate * self._decay).add_(update, alpha=-rate * 0.2 * max(blocks.shape[1:]) ** 0.5)

    def _updates(self, matrices: Sequence[torch.Tensor]) -> Iterable[torch.Tensor]:
        """Matrices as blocks (gates, N, M) -> the same, orthogonalized."""
        if self._processes is None:
            return (orthogonalized(blocks, bfloat16=self._bfloat16) for blocks in matrices)
        owners = dealt([blocks.shape for blocks in matrices], self._processes.count)
        kind = torch.bfloat16 if self._bfloat16 else torch.float32  # an update is exact in the type of its products
        sizes = [0] * self._processes.count
        for blocks, of_blocks in zip(matrices, owners, strict=True):
            for owner in of_blocks:
                sizes[owner] += blocks[0].numel()
        mine = torch.zeros(max(sizes), dtype=kind, device=matrices[0].device)
        done = 0
        for blocks, of_blocks in zip(matrices, owners, strict=True):
            own = [block for block, owner in enumerate(of_blocks) if owner == self._processes.rank]
            if own:
                update = orthogonalized(blocks[own], bfloat16=self._bfloat16).flatten()
                mine[done : done + len(update)] = update
                done += len(update)
        return _assembled(matrices, owners, self._processes.exchange(mine))

    def quantities(self, parameter: torch.nn.Parameter) -> tuple[str, ...]:
        """The momentum."""
        return ("momentum_buffer",)


def dealt(shapes: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """For matrices of blocks (gates, N, M), the process of each block: the costliest first, each to the process that
    has least to do."""
    loads, owners = [0.0] * count, [[0] * shape[0] for shape in shapes]
    costs = [max(shape[1:]) * min(shape[1:]) ** 2 for shape in shapes]
    for matrix in sorted(range(len(shapes)), key=lambda matrix: -costs[matrix]):
        for block in range(shapes[matrix][0]):
            owner = min(range(count), key=lambda process: (loads[process], process))
            owners[matrix][block] = owner
            loads[owner] += costs[matrix]
    return owners


def _assembled(
    matrices: Sequence[torch.Tensor], owners: Sequence[Sequence[int]], everyone: torch.Tensor
) -> Iterable[torch.Tensor]:
    """The updates of all matrices, from what each process computed of them, block after block."""
    taken = [0] * len(everyone)
    for blocks, of_blocks in zip(matrices, owners, strict=True):
        update = torch.empty_like(blocks)
        for block, owner in enumerate(of_blocks):
            size = blocks[block].numel()
            update[block] = everyone[owner, taken[owner] : taken[owner] + size].view(blocks[block].shape)
            taken[owner] += size
        yield update


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
    `processes` have equal parameters and gradients, and share the costly part of the work.
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

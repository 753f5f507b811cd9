"""The training loop of a network: one step is one batch, and everything depends on the step alone.

`Trainer.steps()` yields a record after each step; the command line, notebooks and studies all use this one generator.
Dropout draws from the trainer's own random stream, so that neither evaluation nor other code that draws from torch's
stream changes the weights.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch

from charloom.data.batches import IGNORED, Batch
from charloom.errors import DivergedError
from charloom.errors.options import option
from charloom.machine.hardware import environment
from charloom.machine.threads import working
from charloom.models.network import CharRNN, Recurrent, State, reading
from charloom.settings import TrainingConfig
from charloom.training.distributed import ALONE, Ranks, share_of
from charloom.training.optimizers import make_optimizer
from charloom.training.schedules import learning_rate

Tensors = dict[str, torch.Tensor]

LONGEST_MEMORY = 512
"""Symbols that a network reads before it is saved; one that explodes does so within them."""


@dataclass(frozen=True)
class Progress:
    """The record of a completed step."""

    step: int
    "Steps done."
    steps: int
    "Steps in total."
    epoch: float
    "Passes over the training text so far."
    characters_seen: int
    "Symbols predicted so far."
    loss_nats: float
    "Mean surprisal of this step's symbols, with dropout."
    symbols: int
    "Symbols of this step."
    learning_rate: float
    gradient_norm: float
    "Norm of the gradient before clipping."
    clipped: bool
    "Whether it was clipped."


Network = TypeVar("Network", bound=Recurrent)
BatchType = TypeVar("BatchType")
BatchType_co = TypeVar("BatchType_co", covariant=True)


class Epochs(Protocol[BatchType_co]):
    """Endless batches, epoch after epoch."""

    def __len__(self) -> int:
        """Batches per epoch."""

    def __getitem__(self, k: int) -> BatchType_co:
        """Batch k >= 0, counted over all epochs."""


class BaseTrainer(ABC, Generic[Network, BatchType]):
    """Trains `network` in place for `steps` steps; a subclass defines batches and their loss.

    `average` is the network to use afterwards: the moving average of the weights (Polyak and Juditsky 1992), with a
    decay that rises to `config.average` so that the first weights do not dominate a short run; without averaging it is
    the network itself.

    With several `ranks`, each has such a trainer and reads its share of every batch; all weights stay equal.
    """

    def __init__(
        self,
        network: Network,
        batches: Epochs[BatchType],
        config: TrainingConfig,
        *,
        steps: int,
        precision: str = "float32",
        ranks: Ranks = ALONE,
    ) -> None:
        self.network: Network = network.train()
        self.ranks = ranks
        self.batches, self.config, self.total = batches, config, steps
        self.step, self.characters_seen = 0, 0
        self._bfloat16 = precision == "bfloat16"
        self._parameters = dict(network.named_parameters())
        self.optimizer = make_optimizer(self._parameters, config, gates=network.gates, bfloat16=self._bfloat16)
        self.average = copy.deepcopy(network).eval() if config.average else network
        self._state: State | None = None
        self._random = torch.Generator().manual_seed(config.seed).get_state()

    def steps(self) -> Iterator[Progress]:
        """Train step by step to the end. Raises `DivergedError` before a step that would ruin the weights."""
        while self.step < self.total:
            yield self.advance()

    def advance(self) -> Progress:
        """Train one step. Raises `DivergedError`."""
        torch.clear_autocast_cache()  # within a caller's autocast it would hold the weights of the first step
        float32 = torch.autocast(self.network.device.type, enabled=False)  # except where `_loss` says otherwise
        with _own_random(self), working(), float32:
            return self._advance()

    def _advance(self) -> Progress:
        rate = learning_rate(self.step, self.total, self.config)
        loss, weight, symbols, state = self._loss(self.batches[self.step])
        self.optimizer.zero_grad()
        (loss * weight).backward()  # type: ignore[no-untyped-call]
        loss, state = self.ranks.add_up(self._parameters.values(), loss.detach(), state)
        gradients = [parameter.grad for parameter in self._parameters.values() if parameter.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        loss_nats, gradient_norm = loss.item(), norm.item()
        if not (math.isfinite(loss_nats) and math.isfinite(gradient_norm)):
            raise self.diverged("loss", self.step + 1)
        clipped = 0 < self.config.clip < gradient_norm
        if clipped:
            torch.nn.utils.clip_grads_with_norm_(self._parameters.values(), self.config.clip, norm)
        self.optimizer.step(rate)
        if self.average is not self.network:
            decay = min(self.config.average, (1 + self.step) / (10 + self.step))
            with torch.no_grad():
                for average, parameter in zip(self.average.parameters(), self.network.parameters(), strict=True):
                    average.lerp_(parameter, 1 - decay)
        self._state = state
        self.step += 1
        self.characters_seen += symbols
        return Progress(
            step=self.step,
            steps=self.total,
            epoch=self.step / len(self.batches),
            characters_seen=self.characters_seen,
            loss_nats=loss_nats,
            symbols=symbols,
            learning_rate=rate,
            gradient_norm=gradient_norm,
            clipped=clipped,
        )

    def diverged(self, what: str, step: int) -> DivergedError:
        """The error for a value that is not finite, with what to try."""
        rate, clip = self.config.learning_rate, self.config.clip
        return DivergedError(
            f"the {what} {DivergedError.SIGN} at step {step} of {self.total}; the last good model is kept; try a lower "
            f"{option('training.learning_rate')} (it was {rate:g}) or {option('training.clip', clip / 2 or 1)}"
        )

    def check(self) -> None:
        """Read a batch with the averaged network to check that the weights are still usable.

        Raises `DivergedError` if the last step ruined them.
        """
        for values in (self._output(self.batches[self.step]), *self._parameters.values()):
            if not bool(torch.isfinite(values).all()):
                raise self.diverged("output", self.step)

    def state(self) -> Tensors:
        """A copy of everything that is needed to go on as if training had never stopped, named `group/name`."""
        names: dict[torch.Tensor, str] = {parameter: name for name, parameter in self._parameters.items()}
        optimizer = {
            f"{names[parameter]}/{quantity}": torch.as_tensor(value)
            for parameter, values in self.optimizer.state.items()
            for quantity, value in values.items()
        }
        tensors = {
            **_grouped("weights", self.network.state_dict()),
            **_grouped("average", {} if self.average is self.network else self.average.state_dict()),
            **_grouped("optimizer", optimizer),
            **_grouped("carried", dict(zip("hc", self._state or (), strict=False))),
            "random": self._random,
            "counts": torch.tensor([self.step, self.characters_seen]),
        }
        return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from a `state` of a trainer like this one. Raises `KeyError`, `RuntimeError` for one of another."""
        device = self.network.device
        self.network.load_state_dict(_group("weights", state))
        if self.average is not self.network:
            self.average.load_state_dict(_group("average", state))
        self.optimizer.state.clear()
        for name, tensor in _group("optimizer", state).items():
            parameter, quantity = name.split("/")
            on = tensor if quantity == "step" and device.type == "cpu" else tensor.to(device)
            self.optimizer.state[self._parameters[parameter]][quantity] = on.clone()
        carried = _group("carried", state)
        self._state = tuple(carried[name].clone().to(device) for name in "hc" if name in carried) or None
        self._random = state["random"].clone()
        self.step, self.characters_seen = map(int, state["counts"])

    def environment(self) -> dict[str, str]:
        """Everything that may change the last bits of a result."""
        return environment(self.network.device.type, self.ranks.count)

    @abstractmethod
    def _loss(self, batch: BatchType) -> tuple[torch.Tensor, float, int, State | None]:
        """The mean loss of a batch, its weight, its number of symbols, and the state carried into the next batch.

        The mean of loss times weight over an epoch must be the mean over all predictions of the epoch.
        """

    @abstractmethod
    def _output(self, batch: BatchType) -> torch.Tensor:
        """The averaged network's output for a batch like this one, long enough to show whether it explodes."""


class Trainer(BaseTrainer[CharRNN, Batch]):
    """Trains a language model's network in place for `steps` steps; `average` is the network to use afterwards."""

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, float, int, State | None]:
        if self.ranks.count > 1:
            return self._loss_of_share(batch)
        logits, targets, state = self._read(batch, self._state)
        loss = torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED)
        return loss, batch.weight, batch.symbols, state

    def _loss_of_share(self, batch: Batch) -> tuple[torch.Tensor, float, int, State | None]:
        """What this process contributes to the loss of a batch; its state has zeros for the rows of the others."""
        share = share_of(batch, self.ranks)
        before = None if self._state is None else tuple(part[:, share.before] for part in self._state)
        self.network.dropout.part = (share.places, share.of_places)
        logits, targets, state = self._read(share.batch, before)
        self.network.dropout.part = None
        loss = torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
        carried = self.network.zero_state(share.going_on) if share.going_on else None
        for whole, part in zip(carried or (), state or (), strict=False):
            whole[:, share.after] = part
        return loss / batch.symbols, batch.weight, batch.symbols, carried

    def _read(self, batch: Batch, before: State | None) -> tuple[torch.Tensor, torch.Tensor, State | None]:
        """The logits and targets of a batch, and the state that its rows carry on, from the state `before` it."""
        device = self.network.device
        inputs = [inputs.to(device) for inputs, _ in batch.pieces]
        targets = torch.cat([targets.flatten() for _, targets in batch.pieces]).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bfloat16):
            logits, state = self.network.read_pieces(inputs, self._before(batch, before))
        going_on = batch.going_on.to(device)
        carried = tuple(part.detach().float()[:, going_on] for part in state) if len(going_on) else None
        return logits.float(), targets, carried

    def _before(self, batch: Batch, carried: State | None) -> State | None:
        """The state from which a batch's rows start."""
        if batch.begins:
            return None
        assert carried is not None, "the previous batch named the rows that continue"
        start = self.network.zero_state(len(batch.lengths))
        for part, rows in zip(start, carried, strict=True):
            part[:, batch.carried.to(part.device)] = rows
        return start

    def _output(self, batch: Batch) -> torch.Tensor:
        rows = min(4, batch.pieces[-1][0].shape[1])
        few = torch.cat([inputs[:, :rows] for inputs, _ in batch.pieces]).repeat(LONGEST_MEMORY, 1)[:LONGEST_MEMORY]
        with reading(self.average):
            logits: torch.Tensor = self.average(few.to(self.average.device))[0]
        return logits


@contextmanager
def _own_random(trainer: BaseTrainer[Any, Any]) -> Iterator[None]:
    """Use the trainer's own random stream for a step; an accelerator's is seeded from seed and step."""
    outer = torch.get_rng_state()
    torch.set_rng_state(trainer._random)
    kind = trainer.network.device.type
    try:
        with torch.random.fork_rng(enabled=kind != "cpu", device_type=kind):
            if kind != "cpu":
                torch.get_device_module(kind).manual_seed(trainer.config.seed + 1_000_003 * trainer.step)
            yield
        trainer._random = torch.get_rng_state()
    finally:
        torch.set_rng_state(outer)


def _grouped(group: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {f"{group}/{name}": tensor for name, tensor in tensors.items()}


def _group(group: str, state: Mapping[str, torch.Tensor]) -> Tensors:
    prefix = f"{group}/"
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}

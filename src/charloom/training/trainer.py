"""The training loop of a network: one step is one batch, and everything depends on the step alone.

`Trainer.steps()` yields a record after each step; the command line, notebooks and studies all use this one generator.
Dropout draws from the trainer's own random stream, so that neither evaluation nor other code that draws from torch's
stream changes the weights.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch

from charloom.data.batches import IGNORED, Batch
from charloom.data.shares import Share, share_of
from charloom.errors import DivergedError, UnfinishedStepError
from charloom.errors.options import option
from charloom.machine.hardware import environment
from charloom.machine.threads import working
from charloom.models.language_model import expected_of
from charloom.models.network import CharRNN, Recurrent, State, reading
from charloom.settings import TrainingConfig
from charloom.storage.tensor_files import Expected
from charloom.training.optimizers import make_optimizer
from charloom.training.processes import GATHER, STEP, Processes
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


@dataclass(frozen=True)
class TrainerState:
    """Everything a trainer needs to continue as if it had never stopped."""

    step: int
    characters_seen: int
    weights: Tensors
    average: Tensors
    optimizer: Tensors
    "Named `parameter/quantity`."
    carried: Tensors
    "The network's state; empty if the next batch starts from a zero state."
    random: Tensors


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

    If a step is interrupted, for example by a signal or because memory runs out, `state` never returns half of it:
    before the weights change, the trainer is still at the previous step; after that, `state` raises
    `UnfinishedStepError`.

    With `processes`, each of them has such a trainer and reads its share of every batch; all weights stay equal. In the
    leader, `advance` and `state` have the others take part.
    """

    def __init__(
        self,
        network: Network,
        batches: Epochs[BatchType],
        config: TrainingConfig,
        *,
        steps: int,
        precision: str = "float32",
        processes: Processes | None = None,
    ) -> None:
        self.network: Network = network.train()
        self.processes = processes
        self.batches, self.config, self.total = batches, config, steps
        self.step, self.characters_seen = 0, 0
        self._bfloat16 = precision == "bfloat16"
        self._parameters = dict(network.named_parameters())
        self.optimizer = make_optimizer(
            self._parameters, config, gates=network.gates, bfloat16=self._bfloat16, processes=processes
        )
        self.average = copy.deepcopy(network).eval() if config.average else network
        self._state: State | None = None
        self._whole_at = 0
        "The step at which every process was given the whole state."
        self._random = {"cpu": torch.Generator().manual_seed(config.seed).get_state()}
        self.whole = True
        "Whether weights, optimizer, average, carried state, random state and counts belong to the same step."

    def steps(self) -> Iterator[Progress]:
        """Train step by step to the end. Raises `DivergedError` before a step that would ruin the weights."""
        while self.step < self.total:
            yield self.advance()

    def advance(self) -> Progress:
        """Train one step. Raises `DivergedError`, or `UnfinishedStepError` if an earlier step was interrupted."""
        self._require_whole()
        torch.clear_autocast_cache()  # within a caller's autocast it would hold the weights of the first step
        float32 = torch.autocast(self.network.device.type, enabled=False)  # except where `_loss` says otherwise
        together = self.processes.ordered(STEP) if self.processes else nullcontext()
        with _own_random(self), working(), float32, together:
            progress = self._advance()
        self.whole = True
        return progress

    def _advance(self) -> Progress:
        rate = learning_rate(self.step, self.total, self.config)
        loss, weight, symbols, state = self._loss(self.batches[self.step])
        self.optimizer.zero_grad()
        (loss * weight).backward()  # type: ignore[no-untyped-call]
        loss, state, norm = self._over_processes(loss, state)
        loss_nats, gradient_norm = loss.item(), norm.item()
        if not (math.isfinite(loss_nats) and math.isfinite(gradient_norm)):
            raise self.diverged("loss", self.step + 1)
        clipped = 0 < self.config.clip < gradient_norm
        if clipped:
            torch.nn.utils.clip_grads_with_norm_(self._parameters.values(), self.config.clip, norm)
        self.whole = False
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

    def _over_processes(
        self, loss: torch.Tensor, state: State | None
    ) -> tuple[torch.Tensor, State | None, torch.Tensor]:
        """The loss of the whole batch, the state as this process carries it on, and the norm of the gradients, which
        are added up."""
        return loss, state, torch.nn.utils.get_total_norm(_gradients(self._parameters.values()))

    def gathered(self) -> State | None:
        """The carried state of all rows; makes the optimizer's state whole. In the leader the other processes take
        part."""
        return self._state

    def _require_whole(self) -> None:
        if not self.whole:
            raise UnfinishedStepError(
                f"step {self.step + 1} of {self.total} was interrupted halfway, so the weights belong to no step; "
                "resume from the last checkpoint"
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

        Raises `DivergedError` if the last step ruined them, `UnfinishedStepError` if a step was interrupted halfway.
        """
        self._require_whole()
        for values in (self._output(self.batches[self.step]), *self._parameters.values()):
            if not bool(torch.isfinite(values).all()):
                raise self.diverged("output", self.step)

    def state(self) -> TrainerState:
        """A copy of everything needed to continue from here. Raises `UnfinishedStepError`."""
        self._require_whole()
        whole = self.gathered()
        names: dict[torch.Tensor, str] = {parameter: name for name, parameter in self._parameters.items()}
        optimizer = {
            f"{names[parameter]}/{quantity}": torch.as_tensor(value)
            for parameter, values in self.optimizer.state.items()
            for quantity, value in values.items()
        }
        carried = {} if whole is None else dict(zip("hc", whole, strict=False))
        average = {} if self.average is self.network else self.average.state_dict()
        state = TrainerState(
            self.step, self.characters_seen, self.network.state_dict(), average, optimizer, carried, self._random
        )
        return _each(state, lambda tensor: tensor.detach().cpu().clone())

    def restore(self, state: TrainerState) -> None:
        """Continue from `state`, whose tensors must match `expected_tensors`."""
        device = self.network.device
        state = _each(state, lambda tensor: tensor.clone())
        self.whole = False
        self.step, self.characters_seen = state.step, state.characters_seen
        self.network.load_state_dict(state.weights)
        if self.average is not self.network:
            self.average.load_state_dict(state.average)
        self.optimizer.state.clear()
        for name, tensor in state.optimizer.items():
            parameter, quantity = name.split("/")
            on = tensor if quantity == "step" and device.type == "cpu" else tensor.to(device)
            self.optimizer.state[self._parameters[parameter]][quantity] = on
        self._state = tuple(state.carried[name].to(device) for name in "hc" if name in state.carried) or None
        self._whole_at = state.step
        self._random = dict(state.random)
        self.whole = True

    def environment(self) -> dict[str, str]:
        """Everything that may change the last bits of a result."""
        return environment(self.network.device.type, self.processes.count if self.processes else 1)

    def expected_tensors(self, step: int) -> dict[str, Expected]:
        """Name, shape and type of each tensor in the state of step `step`, by the groups of `TrainerState`."""
        return {
            "weights": expected_of(self.network.state_dict()),
            "average": {} if self.average is self.network else expected_of(self.average.state_dict()),
            "optimizer": self._expected_of_optimizer() if step else {},
            "carried": self._expected_carried(step) if step else {},
            "random": expected_of(self._random),
        }

    def _expected_of_optimizer(self) -> Expected:
        """The optimizer's tensors after a step: "step" is a number, the rest have the shape of their parameter."""
        return {
            f"{name}/{quantity}": (() if quantity == "step" else tuple(parameter.shape), "float32")
            for name, parameter in self._parameters.items()
            for quantity in self.optimizer.quantities(parameter)
        }

    def _expected_carried(self, step: int) -> Expected:
        """The state carried into step `step`; nothing unless a subclass overrides this."""
        return {}

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

    _in_place = False
    "Whether the rows of the last batch stay with their process, which then carries only their states."

    def _expected_carried(self, step: int) -> Expected:
        rows = len(self.batches[step].carried)
        return expected_of(dict(zip("hc", self.network.zero_state(rows), strict=False))) if rows else {}

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, float, int, State | None]:
        if self.processes is not None:
            return self._loss_of_share(batch, share_of(batch, self.processes.rank, self.processes.count))
        logits, targets, state = self._read(batch, self._state)
        loss = torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED)
        return loss, batch.weight, batch.symbols, state

    def _loss_of_share(self, batch: Batch, share: Share) -> tuple[torch.Tensor, float, int, State | None]:
        """What this process contributes to the loss of a batch; its state has zeros for the rows of the others."""
        before = None if self._state is None else tuple(part[:, share.before] for part in self._state)
        self.network.dropout.part = (share.places, share.of_places)
        logits, targets, state = self._read(share.batch, before)
        self.network.dropout.part = None
        loss = torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
        self._in_place = batch.in_place
        carried = self.network.zero_state(share.going_on) if share.going_on else None
        for whole, part in zip(carried or (), state or (), strict=False):
            whole[:, share.after] = part
        return loss / batch.symbols, batch.weight, batch.symbols, carried

    def _over_processes(
        self, loss: torch.Tensor, state: State | None
    ) -> tuple[torch.Tensor, State | None, torch.Tensor]:
        """Rows that stay where they are stay with their process; others may move, so every process gets them all."""
        if self.processes is None:
            return super()._over_processes(loss, state)
        assert len(_gradients(self._parameters.values())) == len(self._parameters), "every parameter has a gradient"
        moving = () if state is None or self._in_place else state
        shared = self.optimizer.shared
        others = [parameter for parameter in self._parameters.values() if not any(parameter is each for each in shared)]
        self.optimizer.add_up()
        norms = torch.zeros(self.processes.count, device=loss.device)
        norms[self.processes.rank] = torch.nn.utils.get_total_norm(_gradients(shared))
        *sums, norms, loss = self.processes.add([*_gradients(others), *moving], norms, loss.detach())
        for parameter, total in zip(others, sums, strict=False):
            parameter.grad = total
        norm = torch.nn.utils.get_total_norm([*_gradients(others), norms])
        return loss, tuple(sums[len(others) :]) if moving else state, norm

    def gathered(self) -> State | None:
        """The carried state of all rows; makes the optimizer's state whole. In the leader the other processes take
        part."""
        scattered = self._in_place and self._state is not None
        if self.processes is None or self.step == self._whole_at or not (scattered or self.optimizer.shared):
            return self._state
        with self.processes.ordered(GATHER):
            self.optimizer.make_whole()
            return tuple(self.processes.union(part) for part in self._state or ()) if scattered else self._state

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


def _gradients(parameters: Iterable[torch.nn.Parameter]) -> list[torch.Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


@contextmanager
def _own_random(trainer: BaseTrainer[Any, Any]) -> Iterator[None]:
    """Use the trainer's own random stream for a step; an accelerator's is seeded from seed and step."""
    outer = torch.get_rng_state()
    torch.set_rng_state(trainer._random["cpu"])
    kind = trainer.network.device.type
    try:
        with torch.random.fork_rng(enabled=kind != "cpu", device_type=kind):
            if kind != "cpu":
                torch.get_device_module(kind).manual_seed(trainer.config.seed + 1_000_003 * trainer.step)
            yield
        trainer._random["cpu"] = torch.get_rng_state()
    finally:
        torch.set_rng_state(outer)


def _each(state: TrainerState, change: Callable[[torch.Tensor], torch.Tensor]) -> TrainerState:
    """`state` with `change` applied to every tensor."""

    def changed(tensors: Tensors) -> Tensors:
        return {name: change(tensor) for name, tensor in tensors.items()}

    return TrainerState(
        step=state.step,
        characters_seen=state.characters_seen,
        weights=changed(state.weights),
        average=changed(state.average),
        optimizer=changed(state.optimizer),
        carried=changed(state.carried),
        random=changed(state.random),
    )

"""Several processes that train one model: torchrun starts them, each runs the same code, and rank 0 writes.

Each process reads its rows of every batch. The gradients, and the states that rows carry on, are added up by one
`all_reduce` a step; whatever depends on the clock or the disk is decided by rank 0 (`Ranks.decide`). If a process is
lost, torch reports it, and torchrun's restart resumes from the last checkpoint.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from charloom.data.batches import IGNORED, Batch, Piece
from charloom.errors import ProcessesError, SettingsError
from charloom.errors.options import option
from charloom.machine import launch
from charloom.models.network import State

MARK = "launch.txt"
"""The file that says which launcher made a run."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class Ranks:
    """The processes of one training, as one of them sees them."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    def decide(self, make: Callable[[], Made]) -> Made:
        """What `make` gives in the leader, in every process. Raises `ProcessesError` if one is lost."""
        if self.count == 1:
            return make()
        made: list[Any] = [make() if self.leads else None]
        with _lost():
            dist.broadcast_object_list(made, src=0)
        return made[0]  # type: ignore[no-any-return]

    def add_up(
        self, parameters: Iterable[torch.nn.Parameter], loss: torch.Tensor, state: State | None
    ) -> tuple[torch.Tensor, State | None]:
        """Sum the gradients in place; gives the sums of the losses and of the states. Raises `ProcessesError`."""
        if self.count == 1:
            return loss, state
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        parts = [*gradients, loss, *(state or ())]
        flat = torch.cat([part.flatten() for part in parts])
        with _lost():
            dist.all_reduce(flat)
        split = torch.split(flat, [part.numel() for part in parts])
        sums = [total.view_as(part) for total, part in zip(split, parts, strict=True)]
        for gradient, total in zip(gradients, sums, strict=False):
            gradient.copy_(total)
        loss, *carried = sums[len(gradients) :]
        return loss, tuple(carried) or None


ALONE = Ranks()
"""A training in one process."""


@contextmanager
def joined() -> Iterator[Ranks]:
    """The processes that were started together with this one; `ALONE` without a launcher. Raises `ProcessesError`."""
    if launch.processes() == 1:
        yield ALONE
        return
    cuda = torch.cuda.is_available() and dist.is_nccl_available()
    if cuda:
        torch.cuda.set_device(launch.local_rank() % torch.cuda.device_count())
    with _lost():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    yield Ranks(dist.get_rank(), dist.get_world_size())
    with _lost():
        dist.barrier()  # until the leader has saved
    dist.destroy_process_group()  # after an error the others may never come


def demand_name(run: Path | None) -> None:
    """Raise `SettingsError` if the launcher may start the training again, and it would not know its run."""
    if launch.may_restart() and run is None:
        raise SettingsError(
            f"torchrun may start this training again, which must then know its run; name one with {option('run')}"
        )


def was_restarted(run: Path | None) -> bool:
    """Whether this training was started again by the launcher that made the run; any other run is left alone."""
    if run is None or not launch.restarts() or not (run / "config.json").exists():
        return False
    return (run / MARK).exists() and (run / MARK).read_text() == launch.launcher()


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch's own errors of communication are its children
        reason = str(error).strip().split("\n")[0][:200]
        raise ProcessesError(
            f"another of the {launch.processes()} processes cannot be reached ({reason}); what was saved last is "
            "intact: resume it with as many processes or with one"
        ) from None


@dataclass(frozen=True, eq=False)
class Share:
    """The rows of a batch that one process reads, dealt out like cards: row r goes to process r mod N."""

    batch: Batch
    places: torch.Tensor
    "int64: where its symbols lie among all symbols of the batch, piece after piece."
    of_places: int
    "How many symbols the whole batch has, ignored ones included."
    before: torch.Tensor
    "int64: where its rows lie among those that continue from the previous batch."
    after: torch.Tensor
    "int64: where its rows lie among those that continue in the next batch."
    going_on: int
    "How many rows of the whole batch continue in the next one."


def share_of(batch: Batch, ranks: Ranks) -> Share:
    """The share of this process. If there are fewer rows than processes, it reads one that counts for nothing."""
    pieces: list[Piece] = []
    places: list[torch.Tensor] = []
    offset = 0
    for inputs, targets in batch.pieces:
        times, width = inputs.shape
        mine = torch.arange(width)[ranks.rank :: ranks.count]
        if len(mine):
            pieces.append((inputs[:, mine], targets[:, mine]))
            places.append((offset + torch.arange(times)[:, None] * width + mine).flatten())
        elif not pieces:
            pieces.append((inputs[:, :1], torch.full_like(targets[:, :1], IGNORED)))
            places.append(torch.arange(times) * width)
            break
        offset += times * width
    idle = ranks.rank >= len(batch.lengths)
    before, after = (
        torch.nonzero(rows % ranks.count == ranks.rank).flatten() for rows in (batch.carried, batch.going_on)
    )
    own = Batch(
        tuple(pieces),
        lengths=batch.lengths[:1] * 0 if idle else batch.lengths[ranks.rank :: ranks.count],
        carried=batch.carried[before] // ranks.count,
        going_on=batch.going_on[after] // ranks.count,
        weight=batch.weight,
    )
    whole = sum(inputs.numel() for inputs, _ in batch.pieces)
    return Share(own, torch.cat(places), whole, before, after, len(batch.going_on))

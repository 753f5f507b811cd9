"""Matrices that several processes train together: each of their blocks has one owner.

The owner alone gets the sum of the block's gradients, keeps its momentum and computes its update, which it then sends
to the others. So nothing is summed for a process that does not need it, and the costly part of the work is shared out.
A block is on its way to the others while its owner computes the next one.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import zip_longest

import torch

from charloom.training.processes import Processes


class SharedBlocks:
    """Matrices of blocks (gates, N, M), and who owns which of them."""

    def __init__(self, shapes: Sequence[torch.Size], processes: Processes) -> None:
        self._shapes, self._processes = shapes, processes
        owners = dealt(shapes, processes.count)
        self._owned = [
            [slice(bisect_left(of_blocks, owner), bisect_right(of_blocks, owner)) for of_blocks in owners]
            for owner in range(processes.count)
        ]
        self._sizes = [
            sum((own.stop - own.start) * shape[1:].numel() for own, shape in zip(owned, shapes, strict=True))
            for owned in self._owned
        ]
        self._rounds = [
            (blocks, [0 if block is None else shapes[block[0]][1:].numel() for block in blocks])
            for blocks in zip_longest(*(_costliest_first(owned, shapes) for owned in self._owned))
        ]
        """In each round, the block of each process that is sent, as its matrix and its number there, None if none is
        left; and their sizes."""

    @property
    def own(self) -> list[slice]:
        """Of each matrix, the blocks that this process owns."""
        return self._owned[self._processes.rank]

    def sums(self, gradients: Sequence[torch.Tensor], kind: torch.dtype) -> list[torch.Tensor]:
        """What each process has of the gradients (gates, N, M) -> their sums in the own blocks, 0 in all others.

        They are sent as numbers of `kind`, and summed in float32.
        """
        pairs = [pair for owned in self._owned for pair in zip(gradients, owned, strict=True)]
        mine = torch.cat([gradient[own].flatten() for gradient, own in pairs])
        rank = self._processes.rank
        received = self._processes.deal(mine.to(kind), self._sizes).float()
        received[rank] = torch.split(mine, self._sizes)[rank]
        sums = [torch.zeros_like(gradient) for gradient in gradients]
        _fill(sums, self.own, received.sum(0))
        return sums

    def whole(
        self,
        mine: Sequence[torch.Tensor],
        kind: torch.dtype,
        work: Callable[[torch.Tensor], torch.Tensor] = torch.Tensor.detach,
    ) -> list[torch.Tensor]:
        """What `work` makes of the own blocks of each process -> (gates, N, M) in every process; sent as `kind`.

        `work` is called with (1, N, M), once for each block that this process owns.
        """
        rank, sendings = self._processes.rank, []
        for blocks, sizes in self._rounds:
            done = mine[0].new_empty(0)
            if (own := blocks[rank]) is not None:
                matrix, number = own
                place = number - self.own[matrix].start
                done = work(mine[matrix][place : place + 1])
            sendings.append(self._processes.collect(done.flatten().to(kind), sizes))
        whole = [mine[0].new_empty(shape) for shape in self._shapes]
        for (blocks, _), collected in zip(self._rounds, sendings, strict=True):
            for block, part in zip(blocks, collected(), strict=True):
                if block is not None:
                    whole[block[0]][block[1]] = part.view(self._shapes[block[0]][1:])
        return whole


def dealt(shapes: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """For matrices of blocks (gates, N, M), the process of each block, in ascending order within a matrix.

    The costliest are dealt first, each to the process that has least to do.
    """
    loads, owners = [0.0] * count, [[0] * shape[0] for shape in shapes]
    costs = [_cost(shape) for shape in shapes]
    for matrix in sorted(range(len(shapes)), key=lambda matrix: -costs[matrix]):
        for block in range(shapes[matrix][0]):
            owner = min(range(count), key=lambda process: (loads[process], process))
            owners[matrix][block] = owner
            loads[owner] += costs[matrix]
    return [sorted(of_blocks) for of_blocks in owners]


def _costliest_first(owned: Sequence[slice], shapes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The blocks that one process owns, each as its matrix and its number there: small ones are sent last, so that
    little is left to wait for."""
    blocks = [(matrix, number) for matrix, own in enumerate(owned) for number in range(own.start, own.stop)]
    return sorted(blocks, key=lambda block: -_cost(shapes[block[0]]))


def _cost(shape: Sequence[int]) -> int:
    """How much work the update of one block is, in some unit."""
    return max(shape[1:]) * min(shape[1:]) ** 2


def _fill(matrices: Sequence[torch.Tensor], owned: Sequence[slice], numbers: torch.Tensor) -> None:
    """Put the blocks that one process owns where they belong."""
    done = 0
    for matrix, own in zip(matrices, owned, strict=True):
        blocks = matrix[own]
        blocks.copy_(numbers[done : done + blocks.numel()].view(blocks.shape))
        done += blocks.numel()

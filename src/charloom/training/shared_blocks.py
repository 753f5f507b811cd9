"""Matrices that several processes train together: each of their blocks has one owner.

The owner alone gets the sum of the block's gradients, keeps its momentum and computes its update, which it then sends
to the others. So nothing is summed for a process that does not need it, and the costly part of the work is shared out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

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

    def whole(self, mine: Sequence[torch.Tensor], kind: torch.dtype) -> list[torch.Tensor]:
        """The own blocks of each process -> (gates, N, M) in every process; sent as numbers of `kind`."""
        sent = torch.cat([blocks.flatten() for blocks in mine]).to(kind)
        whole = [sent.new_empty(shape, dtype=mine[0].dtype) for shape in self._shapes]
        for owned, part in zip(self._owned, self._processes.collect(sent, self._sizes), strict=True):
            _fill(whole, owned, part)
        return whole


def dealt(shapes: Sequence[Sequence[int]], count: int) -> list[list[int]]:
    """For matrices of blocks (gates, N, M), the process of each block, in ascending order within a matrix.

    The costliest are dealt first, each to the process that has least to do.
    """
    loads, owners = [0.0] * count, [[0] * shape[0] for shape in shapes]
    costs = [max(shape[1:]) * min(shape[1:]) ** 2 for shape in shapes]
    for matrix in sorted(range(len(shapes)), key=lambda matrix: -costs[matrix]):
        for block in range(shapes[matrix][0]):
            owner = min(range(count), key=lambda process: (loads[process], process))
            owners[matrix][block] = owner
            loads[owner] += costs[matrix]
    return [sorted(of_blocks) for of_blocks in owners]


def _fill(matrices: Sequence[torch.Tensor], owned: Sequence[slice], numbers: torch.Tensor) -> None:
    """Put the blocks that one process owns where they belong."""
    done = 0
    for matrix, own in zip(matrices, owned, strict=True):
        blocks = matrix[own]
        blocks.copy_(numbers[done : done + blocks.numel()].view(blocks.shape))
        done += blocks.numel()

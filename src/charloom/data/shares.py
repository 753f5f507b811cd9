"""The share of a batch that one of several processes reads: its rows are dealt out like cards.

Row r goes to process r mod N. The rows of `Documents` are sorted by length, so all processes get about as many symbols.
"""

from dataclasses import dataclass

import torch

from charloom.data.batches import IGNORED, Batch, Piece


@dataclass(frozen=True, eq=False)
class Share:
    """The rows of one process, and where they lie in the whole batch."""

    batch: Batch
    "What this process reads: pieces, lengths, and which of its own rows continue."
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


def share_of(batch: Batch, rank: int, count: int) -> Share:
    """The share of process `rank` of `count`. If there are fewer rows than processes, it reads one that counts for
    nothing, so that every process does the same work."""
    pieces: list[Piece] = []
    places: list[torch.Tensor] = []
    offset = 0
    for inputs, targets in batch.pieces:
        times, width = inputs.shape
        mine = torch.arange(width)[rank::count]
        if len(mine):
            pieces.append((inputs[:, mine], targets[:, mine]))
            places.append((offset + torch.arange(times)[:, None] * width + mine).flatten())
        elif not pieces:
            pieces.append((inputs[:, :1], torch.full_like(targets[:, :1], IGNORED)))
            places.append(torch.arange(times) * width)
            break
        offset += times * width
    idle = rank >= len(batch.lengths)
    before, after = (torch.nonzero(rows % count == rank).flatten() for rows in (batch.carried, batch.going_on))
    own = Batch(
        tuple(pieces),
        lengths=batch.lengths[:1] * 0 if idle else batch.lengths[rank::count],
        carried=batch.carried[before] // count,
        going_on=batch.going_on[after] // count,
        weight=batch.weight,
    )
    whole = sum(inputs.numel() for inputs, _ in batch.pieces)
    return Share(own, torch.cat(places), whole, before, after, len(batch.going_on))

"""Numbers of rows that a CPU reads at full speed in bfloat16.

oneDNN reads 67 rows of 768 units in bfloat16 at a third of the speed of 72: a prime has no good blocks. Batches of
documents have any number of rows, so rows of zeros are added up to a multiple of eight and left out of the result.
"""

from collections.abc import Callable

import torch
from torch import nn

LayerState = torch.Tensor | tuple[torch.Tensor, ...] | None
"""One layer's part of the state, in the form that torch's modules use."""

Read = Callable[[torch.Tensor, LayerState], tuple[torch.Tensor, LayerState]]
"""A layer as a function: values (T, B, E) and its state -> outputs (T, B, H) and its next state."""

FEW_ROWS, FULL = 32, 8
"""Up to `FEW_ROWS` rows, any number is read at nearly full speed; beyond, a multiple of `FULL`."""


def in_full_rows(read: Read) -> Read:
    """`read`, for any number of rows at the speed of a multiple of eight.

    The added rows change nothing in the others but the last bits, and no gradient comes back through them.
    """

    def padded(values: torch.Tensor, state: LayerState) -> tuple[torch.Tensor, LayerState]:
        rows = values.shape[1]
        more = -rows % FULL
        if rows <= FEW_ROWS or not more or not _reads_in_bfloat16(values):
            return read(values, state)
        outputs, after = read(_more_rows(values, more), _of_each(state, lambda part: _more_rows(part, more)))
        return outputs[:, :rows], _of_each(after, lambda part: part[:, :rows])

    return padded


def _reads_in_bfloat16(values: torch.Tensor) -> bool:
    return values.device.type == "cpu" and torch.is_autocast_enabled("cpu")


def _more_rows(values: torch.Tensor, more: int) -> torch.Tensor:
    return nn.functional.pad(values, (0, 0, 0, more))


def _of_each(state: LayerState, change: Callable[[torch.Tensor], torch.Tensor]) -> LayerState:
    """A layer's state with each of its tensors changed."""
    if state is None:
        return None
    return tuple(map(change, state)) if isinstance(state, tuple) else change(state)

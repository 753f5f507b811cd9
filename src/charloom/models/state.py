"""A network's state as arrays, for code that does without torch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from charloom.errors import SettingsError
from charloom.models.step_weights import Floats
from charloom.settings import Cell, NetworkConfig

Arrays = tuple[Floats, ...]
"""A state as arrays: (h,) of shape (layers, B, H), for an LSTM (h, c); `charloom.State` in numpy."""


def unit_values(cell: Cell, state: Arrays) -> Floats:
    """What is shown of hidden units, of any part of a state: of an LSTM tanh(c), its memory as it leaves through the
    output gate; of other cells h."""
    return np.tanh(state[1]) if cell == "lstm" else state[0]


def as_state(config: NetworkConfig, state: Sequence[Any]) -> Arrays:
    """Copy the state of one text, arrays or tensors, into arrays (layers, 1, H). Raises `SettingsError` if shapes
    differ."""
    tensors = [part.detach().float().cpu().numpy() if hasattr(part, "detach") else part for part in state]
    parts = tuple(np.array(part, np.float32) for part in tensors)
    expected = [(config.layers, 1, config.hidden_size)] * (2 if config.cell == "lstm" else 1)
    if [part.shape for part in parts] != expected:
        raise SettingsError(
            f"the state has parts of the shapes {[part.shape for part in parts]}, but this model needs {expected}; "
            "use a state that this model's read returned"
        )
    return parts

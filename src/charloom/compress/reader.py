"""Reading a text one symbol at a time, with a prediction before each."""

import numpy as np

from charloom.generation.numpy_steps import Stepper
from charloom.models.step_weights import Floats


class Reader:
    """A network that has read the boundary and then the symbols passed to `advance`."""

    def __init__(self, stepper: Stepper, boundary: int) -> None:
        self._stepper, self._boundary = stepper, boundary
        self._latest = np.array([boundary])
        self._rows = stepper.begin()
        self._rows.advance(self._latest)

    def logits(self) -> Floats:
        """Logits (1, V) of the next symbol; the next call overwrites the array."""
        return self._rows.logits()

    def advance(self, symbol: int) -> None:
        """Read a symbol; the boundary begins a new text with a zero state."""
        if symbol == self._boundary:
            self._rows = self._stepper.begin()
        self._latest[0] = symbol
        self._rows.advance(self._latest)

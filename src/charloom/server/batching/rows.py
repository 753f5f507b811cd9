"""Rows of texts read side by side, in which each text gets the same bits whatever the others do.

The compiled step guarantees that by its order of sums. Numpy's products guarantee nothing, but on most machines they
treat every row alike if there are eight, sixteen, ... of them. Whichever way is taken has been checked on this machine
with this network: random symbols at several widths and positions, down to the distributions to draw from.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from charloom.generation.numpy_steps import Stepper, StepRows
from charloom.generation.sampling import distributions, log_probabilities
from charloom.generation.writer import Writer
from charloom.machine.threads import working
from charloom.models.step_weights import Floats
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

LOG = logging.getLogger("charloom.server")

WIDTHS = 8, 16, 32, 64
"""Numbers of rows at which numpy's products usually treat all rows alike."""

_LOOKED_AT = 12
"""Symbols that a check reads."""

_SOON = 1.0
"""Seconds of preparation that need no word."""

_SETTINGS = SamplingConfig(temperature=0.9, top_p=0.95)


class Rows(Protocol):
    """Up to `capacity` texts; the first B of them take part in a step, the others keep what they remember."""

    @property
    def capacity(self) -> int:
        """How many rows there are."""
        ...

    def advance(self, symbols: Array) -> None:
        """Read symbols (T, B) with the first B rows, T for each; the boundary begins a new text."""
        ...

    def logits(self, chosen: Array) -> Floats:
        """Logits (B, V) of the next symbol in the chosen rows (B,)."""
        ...

    def clear(self, place: int) -> None:
        """Let row `place` remember nothing."""
        ...

    def swap(self, one: int, other: int) -> None:
        """Let each of two rows remember what the other does."""
        ...


@runtime_checkable
class WritingRows(Rows, Protocol):
    """Rows that can also write several symbols at a time."""

    def write(self, symbols: Sequence[int], configs: Sequence[SamplingConfig], uniforms: Array) -> Array:
        """Symbols (T, B): each of the first B rows reads its last one from `symbols` (B,), and then what it has drawn.

        `uniforms` (T, B): the numbers to draw with. The settings have no repetition penalty. -1 stands where the logits
        are not finite; what follows it in its row means nothing.
        """
        ...


class NumpyRows:
    """Rows whose products numpy computes, always with one of a few numbers of rows, the rest filled up with zeros for
    that time."""

    def __init__(self, stepper: Stepper, boundary: int, capacity: int, widths: Sequence[int] = WIDTHS) -> None:
        self._boundary, self.capacity = boundary, capacity
        last = max(capacity, max(widths))
        self._state = stepper.begin(-(-last // max(widths)) * max(widths)).state
        self._widths = [width for width in widths if width < capacity]
        self._widths.append(next(width for width in (*widths, self._state[0].shape[1]) if width >= capacity))
        self._views: dict[int, StepRows] = {}
        self._stepper = stepper

    def advance(self, symbols: Array) -> None:
        """Read symbols (T, B) with the first B rows."""
        count = symbols.shape[1]
        rows = self._rows(count)
        padded = np.full(len(rows), self._boundary, np.int64)
        resting = [part[:, count : len(rows)].copy() for part in self._state]
        for now in symbols:
            padded[:count] = now
            for part in self._state:
                part[:, : len(rows)][:, padded == self._boundary] = 0
            with working():
                rows.advance(padded)
        for part, before in zip(self._state, resting, strict=True):
            part[:, count : len(rows)] = before

    def logits(self, chosen: Array) -> Floats:
        """Logits (B, V) of the next symbol in the chosen rows (B,)."""
        logits: Floats = self._rows(int(chosen.max()) + 1).logits()[chosen]
        return logits

    def clear(self, place: int) -> None:
        """Let row `place` remember nothing."""
        for part in self._state:
            part[:, place] = 0

    def swap(self, one: int, other: int) -> None:
        """Let each of two rows remember what the other does."""
        for part in self._state:
            part[:, [one, other]] = part[:, [other, one]]

    def _rows(self, count: int) -> StepRows:
        """The first rows, enough for `count`, which compute in place."""
        width = next(width for width in self._widths if width >= count)
        if width not in self._views:
            self._views[width] = StepRows(self._stepper, tuple(part[:, :width] for part in self._state))
        return self._views[width]


class SingleRows:
    """Rows that are read one after the other: slow, and certain to treat all alike."""

    def __init__(self, stepper: Stepper, boundary: int, capacity: int) -> None:
        self._boundary, self.capacity = boundary, capacity
        self._rows = [stepper.begin() for _ in range(capacity)]

    def advance(self, symbols: Array) -> None:
        """Read symbols (T, B) with the first B rows."""
        for row, column in zip(self._rows, symbols.T, strict=False):
            for symbol in column:
                if symbol == self._boundary:
                    for part in row.state:
                        part[...] = 0
                row.advance(np.array([symbol]))

    def logits(self, chosen: Array) -> Floats:
        """Logits (B, V) of the next symbol in the chosen rows (B,)."""
        return np.concatenate([self._rows[row].logits() for row in chosen])

    def clear(self, place: int) -> None:
        """Let row `place` remember nothing."""
        for part in self._rows[place].state:
            part[...] = 0

    def swap(self, one: int, other: int) -> None:
        """Let each of two rows remember what the other does."""
        self._rows[one], self._rows[other] = self._rows[other], self._rows[one]


def make_rows(writer: Writer, capacity: int, tell: Callable[[str], None] = LOG.info) -> Rows:
    """The fastest rows that treat all texts alike on this machine; `tell` gets a line if that takes a while.

    Compiling takes seconds the first time on a machine.
    """
    given = writer.stepper, writer.vocabulary.boundary, capacity
    patience = threading.Timer(_SOON, tell, ["preparing the network's step; seconds the first time on this machine"])
    patience.daemon = True
    patience.start()
    try:
        compiled = _compiled(*given, writer.never)
        if treats_alike(compiled, writer):
            return compiled
        tell("the compiled step does not treat all rows alike on this machine; numpy takes its place")
    except Exception as error:  # numba is missing, finds no folder for its cache, or an old cache that it cannot read
        tell(f"several texts are written more slowly, because numba cannot be used ({type(error).__name__}: {error})")
    finally:
        patience.cancel()
    for widths in (WIDTHS, WIDTHS[-1:]):
        rows = NumpyRows(*given, widths)
        if treats_alike(rows, writer):
            return rows
    tell("numpy's products do not treat all rows alike on this machine, so texts are written one after the other")
    return SingleRows(*given)


def _compiled(stepper: Stepper, boundary: int, capacity: int, never: Sequence[int]) -> Rows:
    from charloom.generation.numba_rows import CompiledRows

    return CompiledRows(stepper, boundary, capacity, never)


def treats_alike(rows: Rows, writer: Writer) -> bool:
    """Whether every row computes what it would compute alone, at several widths and in every position.

    The rows are left with some state; the boundary resets it.
    """
    boundary, capacity = writer.vocabulary.boundary, rows.capacity
    symbols = np.random.Generator(np.random.PCG64(1)).integers(0, boundary, (_LOOKED_AT, capacity))
    symbols[0] = boundary
    whole = _outcome(rows, symbols)
    few = sorted({width for width in (1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 29, 48, capacity - 1) if 0 < width < capacity})
    for width in few:
        first = (width * 17) % (capacity - width + 1)  # at other positions than before
        if not _same(whole, _outcome(rows, symbols[:, first : first + width]), slice(first, first + width)):
            return False
    order = np.arange(capacity)[::-1]
    return _same(_outcome(rows, symbols[:, order]), whole, order)


def _outcome(rows: Rows, symbols: Array) -> tuple[Array, ...]:
    """What rows predict after reading symbols (T, B)."""
    rows.advance(symbols)
    logits = rows.logits(np.arange(symbols.shape[1]))
    finite = np.where(np.isfinite(logits), logits, np.float32(0))
    return logits, log_probabilities(finite), distributions(finite, _SETTINGS)


def _same(whole: tuple[Array, ...], part: tuple[Array, ...], where: slice | Array) -> bool:
    return all(np.array_equal(one[where], other, equal_nan=True) for one, other in zip(whole, part, strict=True))

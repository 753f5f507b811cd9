"""The step of many texts side by side, compiled by numba: each text gets the same bits, however many there are.

`numpy_steps` is as fast, but what a row becomes there depends in its last bits on how many rows share the product. Here
every number comes from the same operations in the same order whatever the other rows do, and Python's lock is free
meanwhile. Needs the extra `serve` or `fast`.

Axes: L layers, N rows, G gates, H hidden, V symbols, U units rounded up to whole tiles.
"""

import contextlib
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import njit, prange

from charloom.generation.numba_cache import compiled
from charloom.generation.numba_draws import Space, draw_row, numbers
from charloom.generation.numba_products import COLUMNS, multiply, tiles
from charloom.generation.numba_sampling import copy
from charloom.generation.numba_steps import BYTES_A_THREAD, CELLS, computing, tanh
from charloom.generation.numpy_steps import Stepper
from charloom.generation.sampling import REPETITION_WINDOW
from charloom.machine.threads import shared
from charloom.models.step_weights import Floats
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

_TELL = 0.25
"""Seconds after which the guard of threads is told again that there is work."""

_TURN = threading.Lock()
"""One step at a time in this process: two would only take each other's processors, and not every threading layer of
numba can serve two callers at once."""


_NONE = np.empty(0, np.int64)
_NO_SYMBOLS, _NO_NUMBERS = np.empty((0, 0), np.int64), np.empty((0, 0))
_NOT_RECENT = np.full(REPETITION_WINDOW, -1, np.int64)
"""The last symbols of a text without a repetition penalty."""


class _Weights(NamedTuple):
    cell: int
    boundary: int
    table: Array
    "(V, G H): what the first layer adds for each symbol."
    bias: Array
    "(L, G H); the first layer's is already in its table."
    candidate_bias: Array
    "(L, H): of a GRU the candidate's recurrent bias."
    recurrent: Array
    "(L, U / COLUMNS, G, H, COLUMNS): for each block of units the tiles of its gates."
    below: Array
    "(L - 1, ...): the same, from the layer below."


class _Memory(NamedTuple):
    """What the rows remember, and space that a step needs."""

    h: Array
    "(L, N, H)"
    c: Array
    "(L, N, H): an LSTM's."
    new: Array
    "(N, H): a layer's next h."
    from_before: Array
    "(N, G, U): one half of the gates."
    from_below: Array
    "(N, G, U): the other."


class CompiledRows:
    """Up to `capacity` texts that are read side by side, in rows that begin with a zero state."""

    def __init__(self, stepper: Stepper, boundary: int, capacity: int, never: Sequence[int] = ()) -> None:
        """`boundary`: the symbol before which nothing is remembered; `never`: symbols that are never drawn."""
        network, layers = stepper.config, stepper.gates
        size, gates = network.hidden_size, len(layers[0].start[0]) // network.hidden_size
        below = [_blocks(layer.below, gates) for layer in layers if layer.below is not None]
        recurrent = np.stack([_blocks(layer.recurrent, gates) for layer in layers])
        self._weights = _Weights(
            cell=CELLS[network.cell],
            boundary=boundary,
            table=layers[0].start,
            bias=np.concatenate([layer.start[:1] for layer in layers]),
            candidate_bias=np.stack([layer.recurrent_bias for layer in layers]),
            recurrent=recurrent,
            below=np.stack(below) if below else np.zeros((1, 1, 1, 1, COLUMNS), np.float32),
        )
        matrix, self._bias = stepper.output
        self._output = tiles(matrix.T)
        blocks = recurrent.shape[1]
        with computing():  # numba starts its threads when it is asked for their number
            self._most_parts = max(1, min(numba.get_num_threads(), blocks, recurrent[0].nbytes // BYTES_A_THREAD))
        units = np.zeros((2, capacity, gates, blocks * COLUMNS), np.float32)
        state = np.zeros((2, network.layers, capacity, size), np.float32)
        self._memory = _Memory(state[0], state[1], np.zeros((capacity, size), np.float32), units[0], units[1])
        self._told = 0.0
        self._never = np.array(never, np.int64)
        self._space = Space(np.empty(len(self._bias)), np.empty(len(self._bias)))
        self._sums = np.zeros((capacity, len(self._output) * COLUMNS), np.float32)

    @property
    def capacity(self) -> int:
        """How many rows there are."""
        return len(self._sums)

    def advance(self, symbols: Array) -> None:
        """Read symbols (T, B) with the first B rows, T for each; the boundary begins a new text."""
        self._run(symbols)

    def logits(self, chosen: Array) -> Floats:
        """Logits (B, V) of the next symbol in the chosen rows (B,)."""
        self._run(_NO_SYMBOLS, chosen=chosen)
        logits: Floats = self._sums[: len(chosen), : len(self._bias)] + self._bias
        return logits

    def write(self, symbols: Sequence[int], configs: Sequence[SamplingConfig], uniforms: Array) -> Array:
        """Symbols (T, B): each of the first B rows reads its last one from `symbols` (B,), and then what it has drawn.

        `uniforms` (T, B): the numbers to draw with. The settings have no repetition penalty. -1 stands where the logits
        are not finite; what follows it in its row means nothing.
        """
        drawn = np.empty(uniforms.shape, np.int64)
        self._run(np.array([symbols]), settings=numbers(configs), uniforms=uniforms, drawn=drawn)
        return drawn

    def _run(
        self,
        symbols: Array,
        *,
        chosen: Array = _NONE,
        settings: Array = _NO_NUMBERS,
        uniforms: Array = _NO_NUMBERS,
        drawn: Array = _NO_SYMBOLS,
    ) -> None:
        parts = 1 if shared() else self._most_parts
        with _TURN, self._watched():
            numba.set_num_threads(parts)
            _run(
                *(self._weights, self._memory, self._output, self._bias, self._sums, parts),
                *(np.ascontiguousarray(symbols, np.int64), np.ascontiguousarray(chosen, np.int64)),
                *(self._never, settings, _NOT_RECENT, uniforms, self._space, drawn),
            )

    def _watched(self) -> contextlib.AbstractContextManager[None]:
        """Tell the guard of threads now and then that there is work."""
        now = time.monotonic()
        if now - self._told < _TELL:
            return contextlib.nullcontext()
        self._told = now
        return computing()

    def clear(self, place: int) -> None:
        """Let row `place` remember nothing."""
        for part in (self._memory.h, self._memory.c):
            part[:, place] = 0

    def swap(self, one: int, other: int) -> None:
        """Let each of two rows remember what the other does."""
        for part in (self._memory.h, self._memory.c):
            part[:, [one, other]] = part[:, [other, one]]


def _blocks(matrix: Floats, gates: int) -> Floats:
    """A matrix (G H, H) as (U / COLUMNS, G, H, COLUMNS)."""
    each = [tiles(part.T) for part in np.split(matrix, gates)]
    return np.ascontiguousarray(np.stack(each, axis=1))


@njit(error_model="numpy", nogil=True)
def _units(weights: Any, memory: Any, layer: int, symbols: Any, block: int) -> None:
    """The next values of a block of units in all rows: into the scratch space, because the others still need the old
    ones."""
    h, c, new, before, below = memory.h, memory.c, memory.new, memory.from_before, memory.from_below
    size, rows, blocks = h.shape[2], len(symbols), weights.recurrent.shape[1]
    gates, units = before.shape[1], before.shape[2]
    tile, line, lo = size * COLUMNS, gates * units, block * COLUMNS
    hi, layer_size = min(size, lo + COLUMNS), h.shape[1] * size
    for gate in range(gates):
        number, place = block * gates + gate, gate * units + lo
        first = (layer * blocks * gates + number) * tile
        multiply(weights.recurrent, first, h, layer * layer_size, size, before, place, line, size, rows)
        if layer:
            first -= blocks * gates * tile
            multiply(weights.below, first, h, (layer - 1) * layer_size, size, below, place, line, size, rows)
    for row in range(rows):
        start = weights.bias[layer] if layer else weights.table[symbols[row]]
        for gate in range(gates):
            added = start[gate * size + lo : gate * size + hi]
            if layer:
                _add(below[row, gate, lo:hi], added)
            else:
                copy(added, below[row, gate, lo:hi])
        inputs, recurrent, fresh = below[row], before[row], new[row, lo:hi]
        if weights.cell == 0:
            _lstm(inputs, recurrent, lo, hi, c[layer, row, lo:hi], fresh)
        elif weights.cell == 1:
            _gru(inputs, recurrent, lo, hi, weights.candidate_bias[layer, lo:hi], h[layer, row, lo:hi], fresh)
        elif weights.cell == 2:
            _tanh_of_sum(inputs[0, lo:hi], recurrent[0, lo:hi], fresh)
        else:
            _relu_of_sum(inputs[0, lo:hi], recurrent[0, lo:hi], fresh)


# Short loops over few contiguous arrays, which the compiler turns into vector instructions. No fast mathematics: so no
# number depends on how many are computed at once.


@njit(error_model="numpy", nogil=True)
def _lstm(inputs: Any, recurrent: Any, lo: int, hi: int, c: Any, new: Any) -> None:
    for gate in range(3):
        _sigmoid_of_sum(inputs[gate, lo:hi], recurrent[gate, lo:hi])
    candidate = recurrent[3, lo:hi]
    _tanh_of_sum(inputs[3, lo:hi], candidate, candidate)
    _multiply(c, recurrent[1, lo:hi])
    _multiply(candidate, recurrent[0, lo:hi])
    _add(c, candidate)
    for unit in range(len(c)):
        new[unit] = tanh(c[unit])
    _multiply(new, recurrent[2, lo:hi])


@njit(error_model="numpy", nogil=True)
def _gru(inputs: Any, recurrent: Any, lo: int, hi: int, bias: Any, h: Any, new: Any) -> None:
    for gate in range(2):
        _sigmoid_of_sum(inputs[gate, lo:hi], recurrent[gate, lo:hi])
    candidate = recurrent[2, lo:hi]
    _add(candidate, bias)
    _multiply(candidate, recurrent[0, lo:hi])
    _tanh_of_sum(inputs[2, lo:hi], candidate, candidate)
    for unit in range(len(h)):
        new[unit] = h[unit] - candidate[unit]
    _multiply(new, recurrent[1, lo:hi])
    _add(new, candidate)


@njit(error_model="numpy", nogil=True)
def _relu_of_sum(one: Any, other: Any, out: Any) -> None:
    for unit in range(len(out)):
        out[unit] = max(one[unit] + other[unit], np.float32(0))


@njit(error_model="numpy", nogil=True)
def _tanh_of_sum(one: Any, other: Any, out: Any) -> None:
    for unit in range(len(out)):
        out[unit] = tanh(one[unit] + other[unit])


@njit(error_model="numpy", nogil=True)
def _sigmoid_of_sum(one: Any, out: Any) -> None:
    """Into the second array; half of each sum is in the weights."""
    for unit in range(len(out)):
        out[unit] = np.float32(0.5) * (np.float32(1) + tanh(one[unit] + out[unit]))


@njit(error_model="numpy", nogil=True)
def _add(out: Any, added: Any) -> None:
    for unit in range(len(out)):
        out[unit] += added[unit]


@njit(error_model="numpy", nogil=True)
def _multiply(out: Any, factor: Any) -> None:
    for unit in range(len(out)):
        out[unit] *= factor[unit]


@compiled(parallel=True, error_model="numpy", nogil=True)
def _shared(weights: Any, memory: Any, layer: int, symbols: Any, parts: int) -> None:
    """A layer's step, its units shared by the threads."""
    blocks = weights.recurrent.shape[1]
    for part in prange(parts):
        for block in range(part * blocks // parts, (part + 1) * blocks // parts):
            _units(weights, memory, layer, symbols, block)


@njit(error_model="numpy", nogil=True)
def _advance(weights: Any, memory: Any, symbols: Any, parts: int) -> None:
    """Read symbols (B,)."""
    rows = len(symbols)
    for row in range(rows):
        if symbols[row] == weights.boundary:
            memory.h[:, row] = 0
            memory.c[:, row] = 0
    for layer in range(len(memory.h)):
        _shared(weights, memory, layer, symbols, parts)
        for row in range(rows):
            copy(memory.new[row], memory.h[layer, row])


@njit(error_model="numpy", nogil=True)
def _products(matrix: Any, inputs: Any, sums: Any) -> None:
    """Inputs (B, H) times a matrix as tiles (T, H, COLUMNS), into sums (N, T COLUMNS)."""
    rows, size = inputs.shape
    for tile in range(len(matrix)):
        first, place = tile * size * COLUMNS, tile * COLUMNS
        multiply(matrix, first, inputs, 0, size, sums, place, sums.shape[1], size, rows)


@compiled(error_model="numpy", nogil=True)
def _run(
    weights: Any,
    memory: Any,
    matrix: Any,
    bias: Any,
    sums: Any,
    parts: int,
    symbols: Any,
    chosen: Any,
    never: Any,
    settings: Any,
    recent: Any,
    uniforms: Any,
    space: Any,
    drawn: Any,
) -> None:
    """Read symbols (T, B); compute sums for the chosen rows, or write as many symbols as there are numbers in a column.

    One function does all three, because each one that is compiled by itself takes seconds.
    """
    for number in range(len(symbols)):  # not `for now in symbols`, whose type is another one to the compiler
        _advance(weights, memory, symbols[number], parts)
    h = memory.h[len(memory.h) - 1]
    if len(chosen):
        _products(matrix, h[chosen], sums)
    times, rows = uniforms.shape
    following = np.empty(rows, np.int64)
    for number in range(times):
        if number:
            _advance(weights, memory, following, parts)
        _products(matrix, h[:rows], sums)
        for row in range(rows):
            logits = sums[row, : len(bias)] + bias
            symbol = draw_row(logits, never, settings[row], recent, uniforms[number, row], space)
            drawn[number, row] = symbol
            following[row] = symbol if symbol >= 0 else weights.boundary

"""The one-step path compiled by numba: many characters, draws included, without going back to Python for each.

`numpy_steps` and `sampling` do the same in numpy, with one call for each operation. Here one loop does everything, the
cores share each layer, and the weights can be rounded to eight bits, a quarter of the bytes to read. Worth the seconds
it takes to prepare if the text is long. Needs the extra `fast`.

The arguments are named tuples of arrays. Axes: L layers, G gates, H hidden, V symbols.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import njit, prange

from charloom.errors import NotFiniteError
from charloom.generation.numba_cache import compiled
from charloom.generation.numba_sampling import Sampling, copy, draw_symbol, log_of_sum
from charloom.generation.numpy_steps import Stepper
from charloom.generation.sampling import REPETITION_WINDOW
from charloom.machine.threads import shared, working
from charloom.models.state import Arrays
from charloom.models.step_weights import aligned
from charloom.settings import SamplingConfig, Weights
from charloom.storage.tensor_files import Array

BLOCK = 64
"""Symbols written before Python sees them."""

_CHUNK = 4096
"""Symbols of a prompt read before Python can be interrupted."""

BYTES_A_THREAD = 400_000
"""Bytes of weights that justify another thread: waking it takes about as long as reading them."""

_FAST = {"reassoc", "contract", "arcp", "nsz"}  # without "nnan" and "ninf", so that an overflow is noticed

CELLS = {"lstm": 0, "gru": 1, "rnn-tanh": 2, "rnn-relu": 3}


class _Weights(NamedTuple):
    """The recurrent layers L, G H rows of gates each; matrices in float32 or int8, with a scale for each row."""

    cell: int
    table: Array
    "(V, G H): what the first layer adds for each symbol."
    bias: Array
    "(L, G H); the first layer's is already in its table."
    candidate_bias: Array
    "(L, H): of a GRU the candidate's recurrent bias."
    recurrent: Array
    "(L, G H, H)"
    recurrent_scale: Array
    below: Array
    "(L - 1, G H, H): from the layer below."
    below_scale: Array


class _Output(NamedTuple):
    """From the last layer to logits."""

    matrix: Array
    bias: Array
    scale: Array
    never: Array
    "Symbols that are never drawn."


class _Memory(NamedTuple):
    """What the network remembers, (L, H) each, changed in place; c is an LSTM's."""

    h: Array
    c: Array


class _Scratch(NamedTuple):
    """Space that a step needs."""

    from_below: Array
    "(4, H): one half of the gates."
    from_before: Array
    "(4, H): the other."
    new: Array
    "(H,): a layer's next h."
    logits: Array
    ordered: Array
    "Probabilities in order."


class Loop:
    """A network's weights as the compiled loop needs them."""

    def __init__(self, stepper: Stepper, boundary: int, kind: Weights, never: Sequence[int] = ()) -> None:
        """`boundary`: the symbol after which nothing is remembered; `never`: symbols that are never drawn."""
        network, layers = stepper.config, stepper.gates
        self._network = network
        recurrent, recurrent_scale = _stored([layer.recurrent for layer in layers], kind)
        matrices = [layer.below for layer in layers if layer.below is not None]
        below, below_scale = _stored(matrices or [np.zeros((1, 1), np.float32)], kind)
        output, output_bias = stepper.output
        with computing():  # numba starts its threads when it is asked for their number
            self._most_parts = max(1, min(numba.get_num_threads(), recurrent[0].nbytes // BYTES_A_THREAD))
        self._weights = _Weights(
            cell=CELLS[network.cell],
            table=layers[0].start,
            bias=np.concatenate([layer.start[:1] for layer in layers]),
            candidate_bias=np.stack([layer.recurrent_bias for layer in layers]),
            recurrent=recurrent,
            recurrent_scale=recurrent_scale,
            below=below,
            below_scale=below_scale,
        )
        self._output = _Output(aligned(output), output_bias, np.ones_like(output_bias), np.array(never, np.int64))
        self._boundary = boundary

    @property
    def _parts(self) -> int:
        """How many threads share a layer; only one if the machine is shared, where they would wait for each other."""
        return 1 if shared() else self._most_parts

    def symbols(
        self, state: Arrays, recent: Sequence[int], config: SamplingConfig, uniform: np.random.Generator
    ) -> Iterator[int]:
        """Endless symbols, drawn with one number each, from `state`, each part (layers, 1, H).

        The state is zero after the boundary. `recent`: the symbols before, for the repetition penalty. Raises
        `NotFiniteError`.
        """
        memory = _memory(state)
        ring = np.full(REPETITION_WINDOW, -1, np.int64)
        ring[: len(recent)] = recent
        place = len(recent) % len(ring)
        sampling = Sampling(
            repetition_penalty=float(config.repetition_penalty),
            temperature=float(config.temperature),
            top_p=float(config.top_p),
            min_p=float(config.min_p),
            top_k=int(config.top_k),
            greedy=bool(config.greedy),
        )
        scratch, symbols = self._scratch(), np.empty(BLOCK, np.int64)
        fixed = self._weights, self._output, memory, scratch, sampling
        uniforms, used = np.empty(0), 0
        while True:
            if used + BLOCK > len(uniforms):
                uniforms, used = np.concatenate((uniforms[used:], uniform.random(4 * BLOCK))), 0
            numbers = uniforms[used : used + BLOCK]
            with computing():
                count, place = _write(*fixed, numbers, symbols, ring, place, self._boundary, self._parts)
            yield from symbols[: count if count >= 0 else -1 - count].tolist()
            if count < 0:
                raise NotFiniteError
            used += count

    def read(self, ids: Array, state: Arrays) -> Arrays:
        """The state, each part (layers, 1, H), after ids (T,)."""
        memory = _memory(state)
        for first in range(0, len(ids), _CHUNK):  # Ctrl-C is noticed between two chunks
            with computing():
                _follow(self._weights, memory, self._scratch(), ids[first : first + _CHUNK], self._parts)
        return tuple(part[:, None] for part in memory[: len(state)])

    def nats(self, ids: Array) -> float:
        """Surprisal of ids (T,) read from the boundary on: shows what rounding the weights costs."""
        h = np.zeros((self._network.layers, self._network.hidden_size), np.float32)
        memory, symbols = _Memory(h, np.zeros_like(h)), np.asarray(ids, np.int64)
        with computing():
            nats = _nats(self._weights, self._output, memory, self._scratch(), symbols, self._boundary, self._parts)
        return float(nats)

    def _scratch(self) -> _Scratch:
        size, symbols = self._network.hidden_size, len(self._output.bias)
        return _Scratch(
            np.empty((4, size), np.float32),
            np.empty((4, size), np.float32),
            np.empty(size, np.float32),
            np.empty(symbols, np.float64),
            np.empty(symbols, np.float64),
        )


def _memory(state: Arrays) -> _Memory:
    """A copy of the state of one text, each part (L, 1, H)."""
    h = np.array(state[0][:, 0])
    return _Memory(h, np.array(state[1][:, 0]) if len(state) > 1 else np.zeros_like(h))


@contextmanager
def computing() -> Iterator[None]:
    """`working` that leaves torch's number of threads alone: numba changes it for all of OpenMP when it starts its
    threads."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    with working():
        yield
    if torch and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _stored(matrices: list[Any], kind: Weights) -> tuple[Array, Array]:
    """Matrices (layers, G H, H) as they are stored, and the scale (layers, G H) of each row."""
    stacked = np.stack(matrices)
    if kind == "float32":
        return aligned(stacked), np.ones(stacked.shape[:2], np.float32)
    largest = np.maximum(np.abs(stacked).max(2), np.finfo(np.float32).tiny)
    return aligned(np.rint(stacked / largest[:, :, None] * 127).astype(np.int8)), (largest / 127).astype(np.float32)


@njit(inline="always")
def tanh(x: Any) -> Any:
    """tanh to a few units of the last place: its continued fraction at a quarter of x, doubled twice.

    tanh(2 y) = 2 tanh(y) / (1 + tanh(y)^2); the fraction's seventh convergent is exact to float32 below 2.5.
    """
    y = np.float32(0.25) * min(max(x, np.float32(-10)), np.float32(10))
    s = y * y
    above = np.float32(135135) + s * (np.float32(17325) + s * (np.float32(378) + s))
    below = np.float32(135135) + s * (np.float32(62370) + s * (np.float32(3150) + s * np.float32(28)))
    t = y * above / below
    t = np.float32(2) * t / (np.float32(1) + t * t)
    return np.float32(2) * t / (np.float32(1) + t * t)


@njit(fastmath=_FAST, error_model="numpy")
def _dots(matrix: Any, vector: Any, scale: Any, out: Any, first: int, lo: int, hi: int) -> None:
    """Write rows `first + lo` to `first + hi` of a matrix, times a vector, into `out[lo:hi]`; four rows share its
    reading."""
    unit, size = lo, len(vector)
    while unit + 4 <= hi:
        row = first + unit
        one, two, three, four = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for k in range(size):
            value = vector[k]
            one += np.float32(matrix[row, k]) * value
            two += np.float32(matrix[row + 1, k]) * value
            three += np.float32(matrix[row + 2, k]) * value
            four += np.float32(matrix[row + 3, k]) * value
        out[unit], out[unit + 1] = one * scale[row], two * scale[row + 1]
        out[unit + 2], out[unit + 3] = three * scale[row + 2], four * scale[row + 3]
        unit += 4
    for rest in range(unit, hi):
        total = np.float32(0)
        for k in range(size):
            total += np.float32(matrix[first + rest, k]) * vector[k]
        out[rest] = total * scale[first + rest]


@njit(fastmath=_FAST, error_model="numpy")
def _units(weights: Any, memory: Any, scratch: Any, layer: int, symbol: int, lo: int, hi: int) -> None:
    """The next values of units `lo` to `hi` of a layer: into the scratch space, because the others still need the old
    ones."""
    h, c = memory.h, memory.c
    inputs, recurrent, new = scratch.from_below, scratch.from_before, scratch.new
    size = h.shape[1]
    for gate in range(weights.recurrent.shape[1] // size):
        first = gate * size
        _dots(weights.recurrent[layer], h[layer], weights.recurrent_scale[layer], recurrent[gate], first, lo, hi)
        if layer:
            below, scale = weights.below[layer - 1], weights.below_scale[layer - 1]
            _dots(below, h[layer - 1], scale, inputs[gate], first, lo, hi)
            for unit in range(lo, hi):
                inputs[gate, unit] += weights.bias[layer, first + unit]
        else:
            for unit in range(lo, hi):
                inputs[gate, unit] = weights.table[symbol, first + unit]
    half, one = np.float32(0.5), np.float32(1)
    if weights.cell == 0:
        for unit in range(lo, hi):
            entering = half * (one + tanh(inputs[0, unit] + recurrent[0, unit]))
            kept = half * (one + tanh(inputs[1, unit] + recurrent[1, unit]))
            leaving = half * (one + tanh(inputs[2, unit] + recurrent[2, unit]))
            c[layer, unit] = kept * c[layer, unit] + entering * tanh(inputs[3, unit] + recurrent[3, unit])
            new[unit] = leaving * tanh(c[layer, unit])
    elif weights.cell == 1:
        for unit in range(lo, hi):
            reset = half * (one + tanh(inputs[0, unit] + recurrent[0, unit]))
            update = half * (one + tanh(inputs[1, unit] + recurrent[1, unit]))
            candidate = tanh(inputs[2, unit] + reset * (recurrent[2, unit] + weights.candidate_bias[layer, unit]))
            new[unit] = candidate + update * (h[layer, unit] - candidate)
    elif weights.cell == 2:
        for unit in range(lo, hi):
            new[unit] = tanh(inputs[0, unit] + recurrent[0, unit])
    else:
        for unit in range(lo, hi):
            new[unit] = max(inputs[0, unit] + recurrent[0, unit], np.float32(0))


@compiled(parallel=True, error_model="numpy")
def _shared(weights: Any, memory: Any, scratch: Any, layer: int, symbol: int, parts: int) -> None:
    """A layer's step, its units shared by the threads."""
    size = memory.h.shape[1]
    fours = (size + 3) // 4  # `_dots` takes four rows at a time: so no row's sum depends on how many share the work
    for part in prange(parts):
        lo, hi = 4 * (part * fours // parts), min(size, 4 * ((part + 1) * fours // parts))
        _units(weights, memory, scratch, layer, symbol, lo, hi)


@njit(error_model="numpy")
def _advance(weights: Any, memory: Any, scratch: Any, symbol: int, parts: int) -> None:
    """Read one symbol."""
    for layer in range(len(memory.h)):
        if parts == 1:
            zero: Any = np.int64(0)  # a plain 0 has a type of its own, for which everything would be compiled again
            _units(weights, memory, scratch, layer, symbol, zero, memory.h.shape[1])
        else:
            _shared(weights, memory, scratch, layer, symbol, parts)
        copy(scratch.new, memory.h[layer])


@compiled(error_model="numpy")
def _follow(weights: Any, memory: Any, scratch: Any, ids: Any, parts: int) -> None:
    """Read the ids."""
    for symbol in ids:
        _advance(weights, memory, scratch, symbol, parts)


@njit(error_model="numpy")
def _predict(output: Any, memory: Any, scratch: Any) -> None:
    """Write the logits of the next symbol into the scratch space."""
    logits = scratch.logits
    _dots(output.matrix, memory.h[len(memory.h) - 1], output.scale, logits, 0, 0, len(logits))
    for symbol in range(len(logits)):
        logits[symbol] += output.bias[symbol]


@compiled(error_model="numpy")
def _nats(weights: Any, output: Any, memory: Any, scratch: Any, ids: Any, boundary: int, parts: int) -> float:
    """Surprisal of the ids, read from the boundary on."""
    logits, nats, symbol = scratch.logits, 0.0, boundary
    for following in ids:
        _advance(weights, memory, scratch, symbol, parts)
        _predict(output, memory, scratch)
        nats += log_of_sum(logits) - logits[following]
        symbol = following
    return nats


@compiled(fastmath=_FAST, error_model="numpy")
def _write(
    weights: Any,
    output: Any,
    memory: Any,
    scratch: Any,
    sampling: Any,
    uniforms: Any,
    symbols: Any,
    ring: Any,
    place: int,
    boundary: int,
    parts: int,
) -> tuple[int, int]:
    """Write a symbol for each of the uniform numbers, or up to the boundary, into `symbols`.

    `ring` holds the last symbols for the repetition penalty, and the next one goes to `place`. Returns how many symbols
    were written and the new place; where logits are not finite after n symbols, -1 - n instead.
    """
    for number in range(len(uniforms)):
        _predict(output, memory, scratch)
        drawn = draw_symbol(scratch, output.never, ring, sampling, uniforms[number])
        if drawn < 0:
            return -1 - number, place
        symbols[number] = drawn
        if drawn == boundary:
            memory.h[:] = 0
            memory.c[:] = 0
        else:
            ring[place] = drawn
            place = (place + 1) % len(ring)
        _advance(weights, memory, scratch, drawn, parts)
        if drawn == boundary:
            return number + 1, place
    return len(uniforms), place

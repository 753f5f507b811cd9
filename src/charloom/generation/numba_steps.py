"""The one-step path once more, compiled by numba: whole characters, draws included, without going back to Python for each.

`numpy_steps` and `sampling` do the same in numpy, with a call for each operation. Here one loop does everything, the cores share
each layer, and the weights may be rounded to eight bits, a quarter of the bytes to read. Worth its seconds of preparation for
long texts. Needs the extra `fast`.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np
from numba import njit, prange

from charloom.errors import NotFiniteError
from charloom.generation.numpy_steps import Stepper
from charloom.generation.sampling import REPETITION_WINDOW
from charloom.machine.threads import shared, working
from charloom.models.state import Arrays
from charloom.models.step_weights import aligned
from charloom.settings import SamplingConfig, Weights
from charloom.storage.tensor_files import Array

BLOCK = 64
"""Symbols that are written before Python sees them."""

_CHUNK = 4096
"""Symbols of a prompt that are read before Python sees them."""

_BYTES_A_THREAD = 400_000
"""Bytes of weights that justify another thread: waking one takes about as long as reading them."""

_FAST = {"reassoc", "contract", "arcp", "nsz"}  # not "nnan" or "ninf": a network that explodes must be seen to

_CELLS = {"lstm": 0, "gru": 1, "rnn-tanh": 2, "rnn-relu": 3}


class Loop:
    """A network's weights as the compiled loop wants them."""

    def __init__(self, stepper: Stepper, boundary: int, kind: Weights, never: Sequence[int] = ()) -> None:
        """`boundary` is the symbol after which nothing is remembered, `never` are symbols that are never drawn."""
        network, layers = stepper.config, stepper.gates
        self._network = network
        bias = np.concatenate([layer.start[:1] for layer in layers])  # the first layer's is in its table
        apart = np.stack([layer.recurrent_bias for layer in layers])
        own, own_scale = _stored([layer.recurrent for layer in layers], kind)
        matrices = [layer.below for layer in layers if layer.below is not None]
        below, below_scale = _stored(matrices or [np.zeros((1, 1), np.float32)], kind)
        output, output_bias = stepper.output
        with _computing():  # numba starts its threads when it is asked for their number
            self._parts = max(1, min(numba.get_num_threads(), own[0].nbytes // _BYTES_A_THREAD))
        self._weights = layers[0].start, bias, apart, own, own_scale, below, below_scale
        self._output = aligned(output), output_bias, np.ones_like(output_bias), np.array(never, np.int64)
        self._cell, self._boundary = _CELLS[network.cell], boundary

    @property
    def _sizes(self) -> tuple[int, int, int]:
        """Cell, boundary, and how many threads share a layer: on a machine that other work shares they would wait long."""
        return self._cell, self._boundary, 1 if shared() else self._parts

    def symbols(
        self, state: Arrays, recent: Sequence[int], config: SamplingConfig, uniform: np.random.Generator
    ) -> Iterator[int]:
        """Symbols without end, drawn with a number each, from `state`, each part (layers, 1, H).

        After the boundary the network remembers nothing. `recent` are the symbols before, for the repetition penalty.
        """
        h = np.array(state[0][:, 0])
        c = np.array(state[1][:, 0]) if len(state) > 1 else np.zeros_like(h)
        ring = np.full(REPETITION_WINDOW, -1, np.int64)
        ring[: len(recent)] = recent
        place = len(recent) % len(ring)
        floats = (config.repetition_penalty, config.temperature, config.top_p, config.min_p)
        sampling = (
            *map(float, floats),
            int(config.top_k),
            bool(config.greedy),
        )  # another type would trigger a new compilation
        scratch, symbols = self._scratch(), np.empty(BLOCK, np.int64)
        uniforms, used = np.empty(0), 0
        while True:
            if used + BLOCK > len(uniforms):
                uniforms, used = np.concatenate((uniforms[used:], uniform.random(4 * BLOCK))), 0
            memory = h, c, ring, place
            numbers = uniforms[used : used + BLOCK]
            with _computing():
                count, place = _write(
                    self._weights, self._output, self._sizes, memory, sampling, scratch, numbers, symbols
                )
            yield from symbols[: count if count >= 0 else -1 - count].tolist()
            if count < 0:
                raise NotFiniteError
            used += count

    def read(self, ids: Array, state: Arrays) -> Arrays:
        """The state, each part (layers, 1, H), after ids (T,)."""
        h, c = np.array(state[0][:, 0]), np.array(state[-1][:, 0])
        cell, _, parts = self._sizes
        for first in range(0, len(ids), _CHUNK):  # between two chunks Ctrl-C is heard
            with _computing():
                _follow(self._weights, cell, ids[first : first + _CHUNK], h, c, self._scratch(), parts)
        return tuple(part[:, None] for part in (h, c)[: len(state)])

    def nats(self, ids: Array) -> float:
        """Surprisal of a text that is read from the boundary on, a symbol at a time: what rounding costs shows here."""
        h = np.zeros((self._network.layers, self._network.hidden_size), np.float32)
        memory = h, np.zeros_like(h)
        symbols = np.asarray(ids, np.int64)
        with _computing():
            return float(_read(self._weights, self._output, self._sizes, memory, self._scratch(), symbols))

    def _scratch(self) -> tuple[Array, ...]:
        """Space that a step needs: two halves of the gates, the units to come, logits, and logits in order."""
        size, symbols = self._network.hidden_size, len(self._output[1])
        return (
            np.empty((4, size), np.float32),
            np.empty((4, size), np.float32),
            np.empty(size, np.float32),
            np.empty(symbols, np.float64),
            np.empty(symbols, np.float64),
        )


@contextmanager
def _computing() -> Iterator[None]:
    """`working`, with torch's number of threads unchanged: both use OpenMP, whose number numba sets when it starts its threads."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    with working():
        yield
    if torch and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def _stored(matrices: list[Any], kind: Weights) -> tuple[Array, Array]:
    """Matrices (layers, G H, H) as they are kept, and the scale (layers, G H) of each row."""
    stacked = np.stack(matrices)
    if kind == "float32":
        return aligned(stacked), np.ones(stacked.shape[:2], np.float32)
    largest = np.maximum(np.abs(stacked).max(2), np.finfo(np.float32).tiny)
    return aligned(np.rint(stacked / largest[:, :, None] * 127).astype(np.int8)), (largest / 127).astype(np.float32)


@njit(inline="always")
def _tanh(x: Any) -> Any:
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
    """Rows `first + lo` to `first + hi` of a matrix times a vector into `out[lo:hi]`; four at a time share its reading."""
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
def _units(weights: Any, cell: int, layer: int, symbol: int, h: Any, c: Any, scratch: Any, lo: int, hi: int) -> None:
    """What units `lo` to `hi` of a layer become: into the scratch space, because the others still need what they were."""
    table, bias, apart, own, own_scale, below, below_scale = weights
    inputs, recurrent, new = scratch[0], scratch[1], scratch[2]
    size = h.shape[1]
    for gate in range(own.shape[1] // size):
        first = gate * size
        _dots(own[layer], h[layer], own_scale[layer], recurrent[gate], first, lo, hi)
        if layer:
            _dots(below[layer - 1], h[layer - 1], below_scale[layer - 1], inputs[gate], first, lo, hi)
            for unit in range(lo, hi):
                inputs[gate, unit] += bias[layer, first + unit]
        else:
            for unit in range(lo, hi):
                inputs[gate, unit] = table[symbol, first + unit]
    half, one = np.float32(0.5), np.float32(1)
    if cell == 0:
        for unit in range(lo, hi):
            entering = half * (one + _tanh(inputs[0, unit] + recurrent[0, unit]))
            kept = half * (one + _tanh(inputs[1, unit] + recurrent[1, unit]))
            leaving = half * (one + _tanh(inputs[2, unit] + recurrent[2, unit]))
            c[layer, unit] = kept * c[layer, unit] + entering * _tanh(inputs[3, unit] + recurrent[3, unit])
            new[unit] = leaving * _tanh(c[layer, unit])
    elif cell == 1:
        for unit in range(lo, hi):
            reset = half * (one + _tanh(inputs[0, unit] + recurrent[0, unit]))
            update = half * (one + _tanh(inputs[1, unit] + recurrent[1, unit]))
            candidate = _tanh(inputs[2, unit] + reset * (recurrent[2, unit] + apart[layer, unit]))
            new[unit] = candidate + update * (h[layer, unit] - candidate)
    elif cell == 2:
        for unit in range(lo, hi):
            new[unit] = _tanh(inputs[0, unit] + recurrent[0, unit])
    else:
        for unit in range(lo, hi):
            new[unit] = max(inputs[0, unit] + recurrent[0, unit], np.float32(0))


@njit(parallel=True, cache=True, error_model="numpy")
def _shared(weights: Any, cell: int, layer: int, symbol: int, h: Any, c: Any, scratch: Any, parts: int) -> None:
    """A layer's step, its units shared by the threads."""
    size = h.shape[1]
    fours = (size + 3) // 4  # `_dots` takes four rows at a time: so no row's sum depends on how many share the work
    for part in prange(parts):
        lo, hi = 4 * (part * fours // parts), min(size, 4 * ((part + 1) * fours // parts))
        _units(weights, cell, layer, symbol, h, c, scratch, lo, hi)


@njit(error_model="numpy")
def _advance(weights: Any, cell: int, symbol: int, h: Any, c: Any, scratch: Any, parts: int) -> None:
    """Read one symbol."""
    for layer in range(len(h)):
        if parts == 1:
            _units(weights, cell, layer, symbol, h, c, scratch, 0, h.shape[1])
        else:
            _shared(weights, cell, layer, symbol, h, c, scratch, parts)
        h[layer] = scratch[2]


@njit(cache=True, error_model="numpy")
def _follow(weights: Any, cell: int, ids: Any, h: Any, c: Any, scratch: Any, parts: int) -> None:
    """Read the ids."""
    for symbol in ids:
        _advance(weights, cell, symbol, h, c, scratch, parts)


@njit(cache=True, error_model="numpy")
def _read(weights: Any, output: Any, sizes: Any, memory: Any, scratch: Any, ids: Any) -> float:
    """Surprisal of the ids, in nats."""
    matrix, output_bias, ones, _ = output
    cell, symbol, parts = sizes
    h, c = memory
    logits, nats = scratch[3], 0.0
    for following in ids:
        _advance(weights, cell, symbol, h, c, scratch, parts)
        _dots(matrix, h[len(h) - 1], ones, logits, 0, 0, len(logits))
        logits += output_bias
        highest = logits.max()
        nats += highest + np.log(np.exp(logits - highest).sum()) - logits[following]
        symbol = following
    return nats


@njit(error_model="numpy")
def _draw(logits: Any, never: Any, ring: Any, sampling: Any, ordered: Any, uniform: float) -> int:
    """The symbol that `charloom.generation.sampling` draws from these logits with this number; -1 where they are not finite."""
    penalty, temperature, top_p, min_p, top_k, greedy = sampling
    symbols = len(logits)
    for symbol in never:
        logits[symbol] = -1e30
    if not np.isfinite(logits.sum()):
        return -1
    if penalty != 1.0:
        logits -= logits.max()
        logits -= np.log(np.exp(logits).sum())
        for place in range(len(ring)):
            symbol = ring[place]
            if symbol < 0 or (ring[:place] == symbol).any():
                continue
            logits[symbol] = logits[symbol] / penalty if logits[symbol] > 0 else logits[symbol] * penalty
    if greedy:
        return int(logits.argmax())
    highest, total = logits.max(), 0.0
    for symbol in range(symbols):
        logits[symbol] = np.exp((logits[symbol] - highest) / temperature)
        total += logits[symbol]
    probabilities = logits
    probabilities /= total
    if 0 < top_k < symbols:
        ordered[:] = np.sort(probabilities)
        _keep(probabilities, ordered[symbols - top_k], top_k)
    if top_p < 1:
        ordered[:] = np.sort(probabilities)
        held, count = 0.0, 0
        while count < symbols and held < top_p:
            count += 1
            held += ordered[symbols - count]
        _keep(probabilities, ordered[symbols - count], count)
    if min_p > 0:
        probabilities[probabilities < min_p * probabilities.max()] = 0
        probabilities /= probabilities.sum()
    cumulative, last = 0.0, 0
    for symbol in range(symbols):
        if probabilities[symbol] > 0:
            cumulative += probabilities[symbol]
            last = symbol
            if cumulative > uniform:
                break
    return last


@njit(error_model="numpy")
def _keep(probabilities: Any, least: float, count: int) -> None:
    """Keep the `count` largest, of which `least` is the smallest; of equal ones the first."""
    equal = count - (probabilities > least).sum()
    for symbol in range(len(probabilities)):
        if probabilities[symbol] == least and equal > 0:
            equal -= 1
        elif probabilities[symbol] <= least:
            probabilities[symbol] = 0
    probabilities /= probabilities.sum()


@njit(cache=True, fastmath=_FAST, error_model="numpy")
def _write(
    weights: Any, output: Any, sizes: Any, memory: Any, sampling: Any, scratch: Any, uniforms: Any, symbols: Any
) -> tuple[int, int]:
    """Write as many symbols as there are numbers, or up to the boundary.

    Gives how many there are, and the place of the next one in the ring; where logits are not finite after n symbols, -1 - n.
    """
    matrix, output_bias, ones, never = output
    cell, boundary, parts = sizes
    h, c, ring, place = memory
    logits, ordered = scratch[3], scratch[4]
    for number in range(len(uniforms)):
        _dots(matrix, h[len(h) - 1], ones, logits, 0, 0, len(logits))
        logits += output_bias
        drawn = _draw(logits, never, ring, sampling, ordered, uniforms[number])
        if drawn < 0:
            return -1 - number, place
        symbols[number] = drawn
        if drawn == boundary:
            h[:] = 0
            c[:] = 0
        else:
            ring[place] = drawn
            place = (place + 1) % len(ring)
        _advance(weights, cell, drawn, h, c, scratch, parts)
        if drawn == boundary:
            return number + 1, place
    return len(uniforms), place

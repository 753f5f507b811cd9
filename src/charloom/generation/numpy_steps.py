"""The one-step path: a network as plain arrays that reads one symbol at a time, as fast as its weights can be read.

    x_t = W_xh e_t + b             one row of a table for each symbol, computed once: no embedding, no product
    h_t = f(W_hh h_{t-1} + x_t)    one matrix product for all gates of a layer, one tanh for all of them
    logits_t = W_ho h_t + b_o      only on request

A step costs one pass over the weights, which several rows share. The equations are those of `charloom.models.network`
in float32, added in another order: the logits agree to about 1e-6 of their size. Axes: B rows, T time, H hidden, G
gates, V symbols that can be predicted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from charloom.models.state import Arrays
from charloom.models.step_weights import Floats, Gates, aligned, gates, output_weights
from charloom.settings import NetworkConfig
from charloom.storage.tensor_files import Array

_HALF = np.float32(0.5)

_CHUNK = 256
"""Symbols of a text that pass through one layer before the next: bounds the memory."""


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer's weights, each matrix (from, G H) with contiguous columns, which are at least as fast as contiguous
    rows."""

    start: Floats
    recurrent: Floats
    recurrent_bias: Floats
    below: Floats | None
    both: Floats | None
    "`below` stacked on `recurrent`, for one product in a single step; a GRU's candidate needs them apart."


class Stepper:
    """A network's weights in the form that suits single steps best."""

    def __init__(self, config: NetworkConfig, weights: Mapping[str, Array]) -> None:
        self.config = config
        self._layers = tuple(_layer(config, weights, number) for number in range(config.layers))
        matrix, self._output_bias = output_weights(config, weights)
        self._output = _columns(matrix)

    @property
    def gates(self) -> list[Gates]:
        """Each layer's weights."""
        return [
            Gates(layer.start, None if layer.below is None else layer.below.T, layer.recurrent.T, layer.recurrent_bias)
            for layer in self._layers
        ]

    @property
    def output(self) -> tuple[Floats, Floats]:
        """The output's matrix (V, H) and bias (V,)."""
        return self._output.T, self._output_bias

    @property
    def outputs(self) -> int:
        """Symbols that can be predicted."""
        return len(self._output_bias)

    @property
    def weight_bytes(self) -> int:
        """Bytes that a step and its logits read: all matrices, and one row of each `start`."""
        read = self._output.nbytes + self._output_bias.nbytes
        for layer in self._layers:
            read += layer.recurrent.nbytes + layer.start[0].nbytes + (0 if layer.below is None else layer.below.nbytes)
        return int(read)

    def tables(self) -> Iterator[Array]:
        """Every array that a step computes with, in a fixed order."""
        for layer in self._layers:
            tables = (layer.start, layer.recurrent, layer.recurrent_bias, layer.below, layer.both)
            yield from (table for table in tables if table is not None)
        yield self._output
        yield self._output_bias

    def begin(self, rows: int = 1) -> "StepRows":
        """Rows with a zero state."""
        shape = (self.config.layers, rows, self.config.hidden_size)
        return StepRows(self, tuple(np.zeros(shape, np.float32) for _ in range(2 if self.config.cell == "lstm" else 1)))

    def take_up(self, state: Sequence[Array]) -> "StepRows":
        """Rows that start from a copy of `state`, each part (layers, B, H)."""
        return StepRows(self, tuple(np.array(part, np.float32) for part in state))

    def follow(self, symbols: Iterable[int], boundary: int) -> Iterator["StepRows"]:
        """A row after each symbol of a text, read from the boundary on and reset at each boundary in it; the row is
        overwritten by the next."""
        rows, latest = self.begin(), np.array([boundary])
        rows.advance(latest)
        for symbol in symbols:
            if symbol == boundary:
                rows = self.begin()
            latest[0] = symbol
            rows.advance(latest)
            yield rows

    def read(self, texts: Sequence[Array], state: Arrays | None = None) -> "StepRows":
        """Rows that have each read a text (T,) of symbols, from a zero state or from `state`.

        The texts are read side by side, whatever their lengths, and layer by layer, so that the input from the layer
        below is one product for many steps. A text without symbols leaves its row unchanged.
        """
        rows = self.begin(len(texts)) if state is None else self.take_up(state)
        lengths = np.array([len(text) for text in texts])
        order = np.argsort(-lengths, kind="stable")
        rows = rows.keep(order)
        longest = int(lengths.max(initial=0))
        for first in range(0, longest, _CHUNK):
            here = np.minimum(lengths[order] - first, _CHUNK)
            active = int((here > 0).sum())
            symbols = np.zeros((int(here[0]), active), np.int64)
            for row in range(active):
                symbols[: here[row], row] = texts[order[row]][first : first + _CHUNK]
            rows.read(symbols, here[:active])
        return rows.keep(np.argsort(order))


_QUIETLY = np.errstate(over="ignore", invalid="ignore", under="ignore")
"""A network that overflows is refused with one sentence when its logits are checked."""


class StepRows:
    """B rows read side by side: their state, and scratch space for the next step.

    Every step works in place. `state` is overwritten, so copy what is to be kept; `keep` returns rows with a state of
    their own.
    """

    def __init__(self, stepper: Stepper, state: Arrays) -> None:
        self._stepper, self.state = stepper, state
        _, count, size = state[0].shape
        columns = stepper._layers[0].recurrent.shape[1]
        self._step = _STEPS[stepper.config.cell]
        self._layer_states = [tuple(part[layer] for part in state) for layer in range(len(stepper._layers))]
        "(h,) or (h, c) of each layer, (B, H) each: views, so that writing into them changes `state`."
        self._inputs, self._gates = np.empty((count, columns), np.float32), np.empty((count, columns), np.float32)
        self._spare, self._joint = np.empty((count, size), np.float32), np.empty((count, 2 * size), np.float32)
        self._logits = np.empty((count, stepper.outputs), np.float32)

    def __len__(self) -> int:
        return int(self.state[0].shape[1])

    @_QUIETLY
    def advance(self, symbols: Array) -> None:
        """Read one symbol for each row, (B,)."""
        h_below, size = self._layer_states[0][0], self._spare.shape[1]
        for layer, state in zip(self._stepper._layers, self._layer_states, strict=True):
            h = state[0]
            inputs = self._inputs
            if layer.below is None:
                layer.start.take(symbols, axis=0, out=inputs, mode="clip")
                np.dot(h, layer.recurrent, out=self._gates)
            elif layer.both is not None:
                self._joint[:, :size], self._joint[:, size:] = h_below, h
                np.dot(self._joint, layer.both, out=self._gates)
                inputs = layer.start
            else:
                np.dot(h_below, layer.below, out=inputs)
                inputs += layer.start
                np.dot(h, layer.recurrent, out=self._gates)
            h_below = h
            self._step(state, inputs, self._gates, self._spare, layer.recurrent_bias)

    @_QUIETLY
    def logits(self) -> Floats:
        """Logits (B, V) of the next symbol; the next call overwrites the array."""
        np.dot(self._layer_states[-1][0], self._stepper._output, out=self._logits)
        self._logits += self._stepper._output_bias
        return self._logits

    @_QUIETLY
    def read(self, symbols: Array, lengths: Array) -> None:
        """Read symbols (T, B') with the first B' rows; column b has `lengths[b]` symbols, the longest first."""
        steps, rows = symbols.shape
        size = self.state[0].shape[2]
        outputs = np.empty((steps, rows, size), np.float32)
        active = [int((lengths > time).sum()) for time in range(steps)]
        for layer, state in zip(self._stepper._layers, self._layer_states, strict=True):
            if layer.below is None:
                inputs = layer.start[symbols]
            else:
                np.dot(outputs.reshape(-1, size), layer.below, out=inputs.reshape(steps * rows, -1))
                inputs += layer.start
            for time, count in enumerate(active):
                now = tuple(part[:count] for part in state)
                gates = self._gates[:count]
                np.dot(now[0], layer.recurrent, out=gates)
                self._step(now, inputs[time, :count], gates, self._spare[:count], layer.recurrent_bias)
                outputs[time, :count] = now[0]

    def keep(self, chosen: Array) -> "StepRows":
        """New rows with copies of the chosen states, in that order; a row may be chosen twice."""
        return StepRows(self._stepper, tuple(np.ascontiguousarray(part[:, chosen]) for part in self.state))


def _layer(config: NetworkConfig, weights: Mapping[str, Array], number: int) -> _Layer:
    layer = gates(config, weights, number)
    below = both = None
    if layer.below is not None:
        below = _columns(layer.below)
        both = None if config.cell == "gru" else _columns(np.concatenate((layer.below, layer.recurrent), axis=1))
    return _Layer(layer.start, _columns(layer.recurrent), layer.recurrent_bias, below, both)


def _columns(matrix: Floats) -> Floats:
    """A matrix (to, from) as (from, to) with contiguous columns."""
    return aligned(matrix).T


def _lstm(state: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats) -> None:
    """Overwrite `state`; `gates` come in as the recurrent product, and `gates` and `spare` are used up. So do the
    others below."""
    h, c = state
    size = h.shape[1]
    gates += inputs
    np.tanh(gates, out=gates)
    sigmoids = gates[:, : 3 * size]
    sigmoids *= _HALF
    sigmoids += _HALF
    c *= gates[:, size : 2 * size]
    np.multiply(gates[:, :size], gates[:, 3 * size :], out=spare)
    c += spare
    np.tanh(c, out=spare)
    np.multiply(spare, gates[:, 2 * size : 3 * size], out=h)


def _gru(state: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats) -> None:
    (h,) = state
    size = h.shape[1]
    sigmoids, candidate = gates[:, : 2 * size], gates[:, 2 * size :]
    sigmoids += inputs[:, : 2 * size]
    np.tanh(sigmoids, out=sigmoids)
    sigmoids *= _HALF
    sigmoids += _HALF
    candidate += bias
    candidate *= gates[:, :size]
    candidate += inputs[:, 2 * size :]
    np.tanh(candidate, out=candidate)
    np.subtract(h, candidate, out=spare)
    spare *= gates[:, size : 2 * size]
    np.add(candidate, spare, out=h)


def _rnn_tanh(state: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats) -> None:
    gates += inputs
    np.tanh(gates, out=state[0])


def _rnn_relu(state: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats) -> None:
    gates += inputs
    np.maximum(gates, 0, out=state[0])


_STEPS = {"lstm": _lstm, "gru": _gru, "rnn-tanh": _rnn_tanh, "rnn-relu": _rnn_relu}

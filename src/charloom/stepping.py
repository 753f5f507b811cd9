"""The one-step path: a network as plain arrays, which reads one symbol at a time as fast as its weights can be read.

    x_t = W_xh e_t + b             one row of a table for each symbol, worked out once: no embedding, no product
    h_t = f(W_hh h_{t-1} + x_t)    one matrix product for all gates of a layer, one tanh for all of them
    logits_t = W_ho h_t + b_o      only where somebody asks

The gates' sigmoid is taken as (1 + tanh(z / 2)) / 2, its half already in the weights. What one row costs is the reading of
the weights; several rows share it. The same equations as `charloom.network`, in float32, in another order of additions: the
logits agree to some 1e-6 of their size. Axes: B rows, T time, H hidden, G gates, V symbols that can be predicted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from charloom.products import Floats, Product, product
from charloom.settings import Cell, NetworkConfig, Weights
from charloom.tensor_files import Array

Arrays = tuple[Floats, ...]
"""A state as arrays: (h,) of shape (layers, B, H), for an LSTM (h, c); a `charloom.State` whose tensors are numpy's."""

_HALF = np.float32(0.5)


@dataclass(frozen=True, eq=False)
class _Layer:
    """One layer's weights."""

    table: Floats | None
    "Of the first layer: what each symbol adds to the gates, (symbols, G H), biases and all."
    below: Product | None
    "Of the others: from the layer below to the gates."
    bias: Floats
    "Of the others."
    recurrent: Product
    recurrent_bias: Floats | None
    "Only a GRU's candidate needs its two biases apart."


class Stepper:
    """A network's weights in the form that single steps like best."""

    def __init__(self, config: NetworkConfig, weights: Mapping[str, Array], kind: Weights = "float32") -> None:
        self.config = config
        self._layers = tuple(_layer(config, weights, number, kind) for number in range(config.layers))
        self._output_bias = weights["output.bias"].astype(np.float32)
        matrix = weights["embedding.weight"][: self.outputs] if config.tied else weights["output.weight"]
        self._output = product(matrix, "float32", bounded=False)

    @property
    def outputs(self) -> int:
        """Symbols that can be predicted."""
        return len(self._output_bias)

    @property
    def weight_bytes(self) -> int:
        """Bytes that a step and its logits read: all matrices, and one row of the table."""
        read = self._output.weight_bytes + self._output_bias.nbytes
        for layer in self._layers:
            read += layer.recurrent.weight_bytes + 4 * layer.recurrent.columns
            read += layer.below.weight_bytes if layer.below else 0
        return read

    def begin(self, rows: int = 1) -> "Rows":
        """Rows that remember nothing."""
        shape = (self.config.layers, rows, self.config.hidden_size)
        return Rows(self, tuple(np.zeros(shape, np.float32) for _ in range(2 if self.config.cell == "lstm" else 1)))

    def take_up(self, state: Sequence[Array]) -> "Rows":
        """Rows that remember what `state`, each part (layers, B, H), says; it is copied."""
        return Rows(self, tuple(np.array(part, np.float32) for part in state))

    def read(self, texts: Sequence[Array], state: Arrays | None = None) -> "Rows":
        """Rows that have read a text (T,) of symbols each, from a zero state or from `state`.

        The texts are read side by side, whatever their lengths, layer by layer: what a layer takes from the one below is
        one product for many steps. A text with no symbol leaves its row as it was.
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


_CHUNK = 256
"""Symbols of a text that go through a layer before the next one: bounds the memory."""


_QUIETLY = np.errstate(over="ignore", invalid="ignore", under="ignore")
"""A network that explodes is refused where its logits are looked at, with a sentence."""


class Rows:
    """What B rows remember, and the scratch space of their next step."""

    def __init__(self, stepper: Stepper, state: Arrays) -> None:
        self._stepper, self.state = stepper, state
        _, count, size = state[0].shape
        gates = stepper._layers[0].recurrent.columns
        self._step = _STEPS[stepper.config.cell]
        self._parts = [tuple(part[layer] for part in state) for layer in range(len(stepper._layers))]
        self._inputs, self._gates = np.empty((count, gates), np.float32), np.empty((count, gates), np.float32)
        self._spare = np.empty((count, size), np.float32)
        self._logits = np.empty((count, stepper.outputs), np.float32)

    def __len__(self) -> int:
        return int(self.state[0].shape[1])

    @_QUIETLY
    def advance(self, symbols: Array) -> None:
        """Read one symbol a row, (B,)."""
        below: Floats | None = None
        for layer, part in zip(self._stepper._layers, self._parts, strict=True):
            if layer.table is not None:
                layer.table.take(symbols, axis=0, out=self._inputs, mode="clip")
            elif layer.below is not None and below is not None:
                layer.below(below, self._inputs)
                self._inputs += layer.bias
            layer.recurrent(part[0], self._gates)
            self._step(part, self._inputs, self._gates, self._spare, layer.recurrent_bias)
            below = part[0]

    @_QUIETLY
    def logits(self) -> Floats:
        """Logits (B, V) of the next symbol; the array is used again by the next call."""
        self._stepper._output(self._parts[-1][0], self._logits)
        self._logits += self._stepper._output_bias
        return self._logits

    @_QUIETLY
    def read(self, symbols: Array, lengths: Array) -> None:
        """Read columns of symbols (T, B') for the first B' rows, of which row b has `lengths[b]`, the longest first."""
        steps, rows = symbols.shape
        size = self.state[0].shape[2]
        outputs = np.empty((steps, rows, size), np.float32)
        active = [int((lengths > time).sum()) for time in range(steps)]
        for layer, part in zip(self._stepper._layers, self._parts, strict=True):
            if layer.table is not None:
                inputs = layer.table[symbols]
            elif layer.below is not None:
                layer.below(outputs.reshape(-1, size), inputs.reshape(steps * rows, -1))
                inputs += layer.bias
            for time, count in enumerate(active):
                now = tuple(values[:count] for values in part)
                gates = self._gates[:count]
                layer.recurrent(now[0], gates)
                self._step(now, inputs[time, :count], gates, self._spare[:count], layer.recurrent_bias)
                outputs[time, :count] = now[0]

    def keep(self, chosen: Array) -> "Rows":
        """Rows of their own with the memory of the chosen ones, in that order; one may be chosen twice."""
        return Rows(self._stepper, tuple(np.ascontiguousarray(part[:, chosen]) for part in self.state))


def _layer(config: NetworkConfig, weights: Mapping[str, Array], number: int, kind: Weights) -> _Layer:
    """A layer's arrays: gates in the order that its step wants, halves in place, what can be added beforehand added."""
    blocks = {
        name: np.split(weights[f"layers.{number}.{name}_l0"].astype(np.float64), _gates(config.cell))
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    order, halves = _ORDERS[config.cell]
    matrices = {
        name: np.concatenate([parts[gate] * half for gate, half in zip(order, halves, strict=True)])
        for name, parts in blocks.items()
    }
    bias, recurrent_bias = matrices["bias_ih"] + matrices["bias_hh"], None
    if config.cell == "gru":  # the reset gate multiplies the candidate's recurrent bias too
        candidate = slice(2 * config.hidden_size, None)
        bias[candidate] = matrices["bias_ih"][candidate]
        recurrent_bias = matrices["bias_hh"][candidate].astype(np.float32)
    bounded = config.cell != "rnn-relu"
    recurrent = product(matrices["weight_hh"], kind, bounded=bounded)
    if number:
        below = product(matrices["weight_ih"], kind, bounded=bounded)
        return _Layer(None, below, bias.astype(np.float32), recurrent, recurrent_bias)
    table = matrices["weight_ih"].T
    if config.embedding_size:
        table = weights["embedding.weight"].astype(np.float64) @ table
    return _Layer((table + bias).astype(np.float32), None, np.empty(0, np.float32), recurrent, recurrent_bias)


def _gates(cell: Cell) -> int:
    return len(_ORDERS[cell][0])


_ORDERS: dict[Cell, tuple[tuple[int, ...], tuple[float, ...]]] = {
    "lstm": ((0, 1, 3, 2), (0.5, 0.5, 0.5, 1)),  # torch's: input, forget, candidate, output; here the candidate last
    "gru": ((0, 1, 2), (0.5, 0.5, 1)),  # reset, update, candidate
    "rnn-tanh": ((0,), (1,)),
    "rnn-relu": ((0,), (1,)),
}


def _lstm(part: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats | None) -> None:
    h, c = part
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


def _gru(part: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats | None) -> None:
    (h,) = part
    assert bias is not None
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


def _rnn_tanh(part: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats | None) -> None:
    gates += inputs
    np.tanh(gates, out=part[0])


def _rnn_relu(part: tuple[Floats, ...], inputs: Floats, gates: Floats, spare: Floats, bias: Floats | None) -> None:
    gates += inputs
    np.maximum(gates, 0, out=part[0])


_STEPS = {"lstm": _lstm, "gru": _gru, "rnn-tanh": _rnn_tanh, "rnn-relu": _rnn_relu}

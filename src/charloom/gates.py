"""A layer's weights as single steps want them: in the order of the step, with what can be added beforehand added.

The gates' sigmoid is taken as (1 + tanh(z / 2)) / 2, its half already in the weights, so one tanh serves all gates of an LSTM.
Axes: G gates, H hidden.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.settings import Cell, NetworkConfig
from charloom.tensor_files import Array

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Gates:
    """One layer's weights, G blocks of H rows each."""

    start: Floats
    "What the gates start from: of the first layer a row (G H,) for each symbol, of the others a single row, the biases."
    below: Floats | None
    "(G H, H), from the layer below; the first has none, its inputs stand in `start`."
    recurrent: Floats
    "(G H, H), from the layer itself."
    recurrent_bias: Floats
    "(H,): only a GRU's candidate needs its two biases apart, because the reset gate multiplies the second."


def gates(config: NetworkConfig, weights: Mapping[str, Array], number: int) -> Gates:
    """The weights of layer `number`."""
    order, halves = _ORDERS[config.cell]
    matrices = {}
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        blocks = np.split(weights[f"layers.{number}.{name}_l0"].astype(np.float64), len(order))
        matrices[name] = np.concatenate([blocks[gate] * half for gate, half in zip(order, halves, strict=True)])
    bias, apart = matrices["bias_ih"] + matrices["bias_hh"], np.zeros(config.hidden_size)
    if config.cell == "gru":
        candidate = slice(2 * config.hidden_size, None)
        bias[candidate], apart = matrices["bias_ih"][candidate], matrices["bias_hh"][candidate]
    start, below = bias[None], None
    if number:
        below = matrices["weight_ih"].astype(np.float32)
    else:
        table = matrices["weight_ih"].T
        start = bias + (weights["embedding.weight"].astype(np.float64) @ table if config.embedding_size else table)
    return Gates(start.astype(np.float32), below, matrices["weight_hh"].astype(np.float32), apart.astype(np.float32))


def output_weights(config: NetworkConfig, weights: Mapping[str, Array]) -> tuple[Floats, Floats]:
    """The output's matrix (V, H) and bias (V,)."""
    bias = weights["output.bias"].astype(np.float32)
    matrix = weights["embedding.weight"][: len(bias)] if config.tied else weights["output.weight"]
    return matrix.astype(np.float32), bias


def aligned(array: Array) -> Array:
    """A copy of an array that begins where a line of the processor's cache does: its rows are read up to a tenth faster."""
    space = np.empty(array.nbytes + 64, np.uint8)
    begin = -space.ctypes.data % 64
    found = space[begin : begin + array.nbytes].view(array.dtype).reshape(array.shape)
    found[...] = array
    return found


_ORDERS: dict[Cell, tuple[tuple[int, ...], tuple[float, ...]]] = {
    "lstm": ((0, 1, 3, 2), (0.5, 0.5, 0.5, 1)),  # torch's: input, forget, candidate, output; here the candidate last
    "gru": ((0, 1, 2), (0.5, 0.5, 1)),  # reset, update, candidate
    "rnn-tanh": ((0,), (1,)),
    "rnn-relu": ((0,), (1,)),
}

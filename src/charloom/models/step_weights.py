"""A layer's weights laid out for single steps, with constant sums precomputed.

A gate's sigmoid is computed as (1 + tanh(z / 2)) / 2 with the inner half already in the weights, so one tanh serves all
gates of an LSTM. Axes: G gates, H hidden.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from charloom.settings import Cell, NetworkConfig
from charloom.storage.tensor_files import Array

Floats = NDArray[np.float32]

_LINE = 64
"""Bytes of a cache line."""


@dataclass(frozen=True, eq=False)
class Gates:
    """One layer's weights, G blocks of H rows each."""

    start: Floats
    """Initial values of the gates: in the first layer one row (G H,) for each symbol, in the others a single row, the
    biases."""
    below: Floats | None
    "(G H, H), from the layer below; None in the first layer, whose inputs are in `start`."
    recurrent: Floats
    "(G H, H), from the layer itself."
    recurrent_bias: Floats
    "(H,): the second bias of a GRU's candidate, which the reset gate multiplies; zero for other cells."


def gates(config: NetworkConfig, weights: Mapping[str, Array], number: int) -> Gates:
    """The weights of layer `number`."""
    order, halves = _ORDERS[config.cell]
    matrices = {}
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        blocks = np.split(weights[f"layers.{number}.{name}_l0"].astype(np.float32, copy=False), len(order))
        scaled = aligned_empty((sum(len(block) for block in blocks), *blocks[0].shape[1:]))
        for gate, half, place in zip(order, halves, np.split(scaled, len(order)), strict=True):
            np.multiply(blocks[gate], np.float32(half), out=place)  # a half is exact
        matrices[name] = scaled
    bias = matrices["bias_ih"].astype(np.float64) + matrices["bias_hh"]
    apart = np.zeros(config.hidden_size, np.float32)
    if config.cell == "gru":
        candidate = slice(2 * config.hidden_size, None)
        bias[candidate], apart = matrices["bias_ih"][candidate], matrices["bias_hh"][candidate]
    start, below = bias[None], None
    if number:
        below = matrices["weight_ih"]
    else:
        start = _first_start(config, weights, matrices["weight_ih"], bias)
    return Gates(start.astype(np.float32, copy=False), below, matrices["weight_hh"], apart)


def _first_start(config: NetworkConfig, weights: Mapping[str, Array], matrix: Array, bias: Array) -> Array:
    """The initial values (V, G H) of the gates of the first layer, added in float64."""
    if config.embedding_size:
        found: Array = bias + weights["embedding.weight"].astype(np.float64) @ matrix.T.astype(np.float64)
        return found
    return np.add(matrix, bias[:, None], out=np.empty_like(matrix), dtype=np.float64, casting="same_kind").T


def output_weights(config: NetworkConfig, weights: Mapping[str, Array]) -> tuple[Floats, Floats]:
    """The output's matrix (V, H) and bias (V,)."""
    bias = weights["output.bias"].astype(np.float32)
    matrix = weights["embedding.weight"][: len(bias)] if config.tied else weights["output.weight"]
    return matrix.astype(np.float32), bias


def aligned(array: Array) -> Array:
    """An array aligned to a cache line, copied if necessary, which makes it up to a tenth faster to read."""
    if array.ctypes.data % _LINE == 0 and array.flags.c_contiguous:
        return array
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> Array:
    """An uninitialised array aligned to a cache line."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    space = np.empty(size + _LINE, np.uint8)
    begin = -space.ctypes.data % _LINE
    return space[begin : begin + size].view(dtype).reshape(shape)


_ORDERS: dict[Cell, tuple[tuple[int, ...], tuple[float, ...]]] = {
    "lstm": (
        (0, 1, 3, 2),
        (0.5, 0.5, 0.5, 1),
    ),  # torch has input, forget, candidate, output; here the candidate comes last
    "gru": ((0, 1, 2), (0.5, 0.5, 1)),  # reset, update, candidate
    "rnn-tanh": ((0,), (1,)),
    "rnn-relu": ((0,), (1,)),
}

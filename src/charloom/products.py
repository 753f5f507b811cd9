"""Rows times a matrix of weights, for the one-step path: in float32, or with the weights rounded to eight bits.

A step's time is the reading of its weights, so a quarter of the bytes is worth a little rounding where the weights no longer
fit into a fast cache. Eight-bit products come from torch (oneDNN), float32 ones from numpy's BLAS.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from charloom.errors import SettingsError
from charloom.settings import Weights
from charloom.tensor_files import Array

Floats = NDArray[np.float32]


class Product(Protocol):
    """A matrix (from, to) that rows can be multiplied with."""

    columns: int
    weight_bytes: int

    def __call__(self, rows: Floats, out: Floats) -> None:
        """Write rows (B, from) times the matrix into `out` (B, to)."""


def product(matrix: Array, weights: Weights, *, bounded: bool) -> Product:
    """The product with a matrix (to, from); `bounded`: no number in a row is larger than 1."""
    return Float32(matrix) if weights == "float32" else Int8(matrix, bounded=bounded)


class Float32:
    """The matrix as it is, kept so that each column is contiguous: measured as fast or faster than the other way round."""

    def __init__(self, matrix: Array) -> None:
        self._matrix = np.ascontiguousarray(matrix, np.float32).T
        self.columns, self.weight_bytes = self._matrix.shape[1], self._matrix.nbytes

    def __call__(self, rows: Floats, out: Floats) -> None:
        """Write rows (B, from) times the matrix into `out` (B, to)."""
        np.dot(rows, self._matrix, out=out)


class Int8:
    """Weights in steps of a 127th of the largest of their column, rows in steps of a 127th of 1, or of their largest."""

    def __init__(self, matrix: Array, *, bounded: bool) -> None:
        try:
            import torch

            self._multiply, self._wrap = torch._int_mm, torch.from_numpy
        except (ImportError, AttributeError):
            raise SettingsError("this torch has no products of eight-bit numbers; use --weights float32") from None
        largest = np.maximum(np.abs(matrix).max(1), np.finfo(np.float32).tiny)
        rounded = np.rint(matrix / largest[:, None] * 127).astype(np.int8)
        self._matrix, self._scale = self._wrap(rounded).T, (largest / 127 / 127).astype(np.float32)
        self._bounded = bounded
        self.columns, self.weight_bytes = len(matrix), rounded.nbytes + self._scale.nbytes
        self._scratch: dict[int, tuple[Any, ...]] = {}
        if not self._is_right(rounded):
            raise SettingsError(
                f"this torch multiplies eight-bit numbers wrongly here (a matrix of {' x '.join(map(str, rounded.shape))}); "
                "use --weights float32"
            )

    def __call__(self, rows: Floats, out: Floats) -> None:
        """Write rows (B, from) times the matrix into `out` (B, to)."""
        steps, bytes_, of_torch, sums, sums_of_torch = self._scratch_for(rows)
        largest = None if self._bounded else np.maximum(np.abs(rows).max(1, keepdims=True), 1e-30)
        np.multiply(rows, 127 if largest is None else 127 / largest, out=steps)
        np.rint(steps, out=steps)
        bytes_[...] = steps
        self._multiply(of_torch, self._matrix, out=sums_of_torch)
        out[...] = sums
        out *= self._scale
        if largest is not None:
            out *= largest

    def _is_right(self, rounded: Array) -> bool:
        """Whether torch's product of a row is right: torch 2.13 gives what lay in memory where it does not like the strides."""
        rows = (np.arange(rounded.shape[1]) % 255 - 127).astype(np.int8).reshape(1, -1)
        exact = rows.astype(np.int32) @ rounded.astype(np.int32).T
        return bool((self._multiply(self._wrap(rows), self._matrix).numpy() == exact).all())

    def _scratch_for(self, rows: Floats) -> tuple[Any, ...]:
        count = len(rows)
        if count in self._scratch:
            return self._scratch[count]
        bytes_, sums = np.empty(rows.shape, np.int8), np.empty((count, self.columns), np.int32)
        made = np.empty(rows.shape, np.float32), bytes_, self._wrap(bytes_), sums, self._wrap(sums)
        if count <= 64:  # those of whole texts are too many and too large to be kept
            self._scratch[count] = made
        return made

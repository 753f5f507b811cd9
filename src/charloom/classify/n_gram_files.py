"""Counted n-grams as `n-grams.safetensors` in a model folder, or packed as `n-grams.safetensors.xz`."""

from pathlib import Path

import numpy as np

from charloom.classify.n_gram_packing import LARGEST, PACKED, unpack_small
from charloom.classify.n_gram_sizes import NGramSizes, contexts
from charloom.classify.n_grams import NGrams, Order, Sparse
from charloom.classify.symbols import SymbolTable
from charloom.errors import FolderError
from charloom.models.model_folder import LARGEST_WEIGHTS, read_model_file
from charloom.storage.tensor_files import Array, Expected, largest_file, pack_arrays, unpack

NAME = "n-grams.safetensors"


def pack_n_grams(n_grams: NGrams) -> bytes:
    """The tables as a safetensors file."""
    arrays: dict[str, Array] = {}
    for length, order in enumerate(n_grams.orders, 1):
        arrays[f"{length}.codes"] = order.codes
        for name, part in (("shares", order.shares), ("passed", order.passed)):
            arrays |= {f"{length}.{name}.{kind}": getattr(part, kind) for kind in ("starts", "columns", "values")}
    return pack_arrays(arrays)


def read_n_grams(folder: Path, counted: tuple[NGramSizes, ...], table: SymbolTable, *, classes: int) -> NGrams | None:
    """The n-grams of a model folder whose configuration says `counted`; None if that is empty. Raises `FolderError`."""
    if not counted:
        return None
    if (folder / PACKED).exists() and not (folder / NAME).exists():
        data = read_model_file(folder, PACKED, LARGEST)
        return unpack_small(data, counted, table, str(folder / PACKED), classes=classes)
    expected = _expected(counted)
    where = str(folder / NAME)
    arrays = unpack(read_model_file(folder, NAME, min(LARGEST_WEIGHTS, largest_file(expected))), expected, where)

    def part(length: int, name: str) -> Sparse:
        sparse = Sparse(*(arrays[f"{length}.{name}.{kind}"] for kind in ("starts", "columns", "values")))
        starts = sparse.starts.astype(np.int64)
        _demand(starts[0] == 0 and starts[-1] == len(sparse.values) and bool((np.diff(starts) >= 0).all()), where)
        _demand(int(sparse.columns.max()) < classes and bool(((sparse.values > 0) & (sparse.values <= 1)).all()), where)
        return sparse

    orders = []
    for length in range(1, len(counted) + 1):
        codes = arrays[f"{length}.codes"]
        most = contexts(counted, length) * len(table)
        _demand(codes[0] >= 0 and codes[-1] < most and bool((np.diff(codes) > 0).all()), where)
        orders.append(Order(codes, part(length, "shares"), part(length, "passed")))
    return NGrams(table, classes, tuple(orders))


def _expected(counted: tuple[NGramSizes, ...]) -> Expected:
    shapes: dict[str, tuple[tuple[int, ...], str]] = {}
    for length, size in enumerate(counted, 1):
        shapes[f"{length}.codes"] = (size.sequences,), "int64"
        for name, rows, values in (
            ("shares", size.sequences, size.shares),
            ("passed", contexts(counted, length), size.passed),
        ):
            shapes[f"{length}.{name}.starts"] = (rows + 1,), "uint32"
            shapes[f"{length}.{name}.columns"] = (values,), "uint16"
            shapes[f"{length}.{name}.values"] = (values,), "float32"
    return shapes


def _demand(holds: bool, where: str) -> None:
    if not holds:
        raise FolderError(f"{where} is damaged: its tables do not fit together; restore it from a copy")

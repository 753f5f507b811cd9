"""Counted n-grams as a file of a model folder, `n-grams.safetensors`, whose sizes `config.json` says."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy

from charloom.classify.n_grams import NGrams, Order, Sparse
from charloom.classify.symbols import SymbolTable
from charloom.errors import FolderError
from charloom.models.model_folder import LARGEST_WEIGHTS, read_model_file
from charloom.storage.tensor_files import Array, Expected, largest_file, unpack

NAME = "n-grams.safetensors"


@dataclass(frozen=True)
class NGramSizes:
    """How much is counted of sequences of one length."""

    sequences: int
    shares: int
    "Sequences, each in each class that has it."
    passed: int
    "Contexts, each in each class that has it."

    def __post_init__(self) -> None:
        if min(self.sequences, self.shares, self.passed) < 1:
            raise FolderError("n-grams are counted for a length of which there are none; restore the file from a copy")


def sizes(n_grams: NGrams | None) -> tuple[NGramSizes, ...]:
    """What `config.json` says of them."""
    orders = n_grams.orders if n_grams is not None else ()
    return tuple(NGramSizes(len(each.codes), len(each.shares.values), len(each.passed.values)) for each in orders)


def pack_n_grams(n_grams: NGrams) -> bytes:
    """The file."""
    arrays: dict[str, Array] = {}
    for length, order in enumerate(n_grams.orders, 1):
        arrays[f"{length}.codes"] = order.codes
        for name, part in (("shares", order.shares), ("passed", order.passed)):
            arrays |= {f"{length}.{name}.{kind}": getattr(part, kind) for kind in ("starts", "columns", "values")}
    return safetensors.numpy.save(arrays)


def read_n_grams(folder: Path, found: tuple[NGramSizes, ...], table: SymbolTable, *, classes: int) -> NGrams | None:
    """The n-grams of a model folder whose configuration says `found`; None where it says that there are none.

    Raises `FolderError` with one sentence for whatever is wrong with the file.
    """
    if not found:
        return None
    expected = _expected(found)
    where = str(folder / NAME)
    arrays = unpack(read_model_file(folder, NAME, min(LARGEST_WEIGHTS, largest_file(expected))), expected, where)

    def part(length: int, name: str) -> Sparse:
        made = Sparse(*(arrays[f"{length}.{name}.{kind}"] for kind in ("starts", "columns", "values")))
        starts = made.starts.astype(np.int64)
        _demand(starts[0] == 0 and starts[-1] == len(made.values) and bool((np.diff(starts) >= 0).all()), where)
        _demand(int(made.columns.max()) < classes and bool(((made.values > 0) & (made.values <= 1)).all()), where)
        return made

    orders = []
    for length in range(1, len(found) + 1):
        codes = arrays[f"{length}.codes"]
        most = _contexts(found, length) * len(table)
        _demand(codes[0] >= 0 and codes[-1] < most and bool((np.diff(codes) > 0).all()), where)
        orders.append(Order(codes, part(length, "shares"), part(length, "passed")))
    return NGrams(table, classes, tuple(orders))


def _expected(found: tuple[NGramSizes, ...]) -> Expected:
    shapes: dict[str, tuple[tuple[int, ...], str]] = {}
    for length, size in enumerate(found, 1):
        shapes[f"{length}.codes"] = (size.sequences,), "int64"
        for name, rows, values in (
            ("shares", size.sequences, size.shares),
            ("passed", _contexts(found, length), size.passed),
        ):
            shapes[f"{length}.{name}.starts"] = (rows + 1,), "uint32"
            shapes[f"{length}.{name}.columns"] = (values,), "uint16"
            shapes[f"{length}.{name}.values"] = (values,), "float32"
    return shapes


def _contexts(found: tuple[NGramSizes, ...], length: int) -> int:
    """In how many contexts a sequence of this length can end: sequences one shorter, or the empty one."""
    return found[length - 2].sequences if length > 1 else 1


def _demand(holds: bool, where: str) -> None:
    if not holds:
        raise FolderError(f"{where} is damaged: its tables do not fit each other; restore it from a copy")

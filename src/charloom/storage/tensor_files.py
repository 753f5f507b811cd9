"""Safetensors files, checked against the expected tensors before anything is built; no torch here."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from charloom.errors import FolderError
from charloom.storage import strict_json

LARGEST_HEADER = 1 << 20

Array = NDArray[Any]

Expected = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and dtype (numpy's name) of each tensor."""


SCALE = ".scale"
"""What the name of a rounded matrix's scales ends with."""


def unpack(data: bytes, expected: Expected, where: str, *, rounded: bool = False) -> dict[str, Array]:
    """The tensors of a safetensors file, which must have the names, shapes and types in `expected`, and finite values.

    With `rounded`, a float32 matrix may be stored as `rounded_rows` makes it; it comes back as float32. The header is
    checked before anything is built. Raises `FolderError`.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LARGEST_HEADER, len(data) - 8):
        raise FolderError(f"{where} is damaged: it is truncated or not a safetensors file; restore it from a copy")
    header = strict_json.parse(data[8 : 8 + length], where)
    if not isinstance(header, dict):
        raise FolderError(f"{where} is damaged: its header names no tensors; restore it from a copy")
    header.pop("__metadata__", None)
    asked, scaled = expected, _scaled(header, expected) if rounded else ()
    if scaled:
        expected = {**expected, **{name: (expected[name][0], "int8") for name in scaled}}
        expected |= {name + SCALE: (expected[name][0][:1], "float32") for name in scaled}
    for name in [*expected, *header]:
        if name not in header or name not in expected:
            what = "lacks" if name in expected else "has an unknown"
            raise FolderError(f"{where} {what} tensor {name[:100]!r}; it does not belong to this configuration")
        entry, wanted = header[name], list(expected[name][0])
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if shape != wanted:
            raise FolderError(
                f"{where}: tensor {name!r} has the shape {strict_json.short_json(shape)}, but configuration and "
                "vocabulary ask for "
                f"{wanted}; the files belong to different models"
            )
    try:
        tensors = safetensors.numpy.load(data)
    except Exception as error:  # safetensors raises its own exception, and others that it did not foresee
        reason = repr(str(error)[:150])[1:-1]  # it may quote the file
        raise FolderError(f"{where} is damaged: {reason}; restore it from a copy") from None
    for name, tensor in tensors.items():
        if tensor.dtype != expected[name][1]:
            raise FolderError(f"{where}: tensor {name!r} is {tensor.dtype}, not {expected[name][1]}; restore it")
    for name in scaled:
        with np.errstate(over="ignore", invalid="ignore"):
            tensors[name] = tensors[name] * tensors.pop(name + SCALE)[:, None]
    for name, tensor in tensors.items():
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise FolderError(f"{where}: tensor {name!r} holds numbers that are not finite; restore it from a copy")
    return {name: tensors[name] for name in asked}


def _scaled(header: Mapping[str, Any], expected: Expected) -> tuple[str, ...]:
    """Names of the expected float32 matrices for which the file has scales."""
    return tuple(
        name
        for name, (shape, kind) in expected.items()
        if len(shape) == 2 and kind == "float32" and name + SCALE in header and name + SCALE not in expected
    )


def rounded_rows(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors with each float32 matrix as int8, and float32 scales of its rows: value = integer * scale.

    A quarter of the size. A row's largest value becomes 127, so each value is off by at most 1/254 of it.
    """
    packed = dict[str, Array]()
    for name, tensor in tensors.items():
        if tensor.ndim != 2 or tensor.dtype != np.float32:
            packed[name] = tensor
            continue
        largest = np.abs(tensor).max(axis=1)
        scale = np.where(largest > 0, largest / np.float32(127), np.float32(1)).astype(np.float32)
        packed[name] = np.rint(tensor / scale[:, None]).astype(np.int8)
        packed[name + SCALE] = scale
    return packed


def pack_arrays(tensors: Mapping[str, Array]) -> bytes:
    """Arrays as a safetensors file; equal arrays give equal bytes."""
    return safetensors.numpy.save({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()})


def largest_file(expected: Expected) -> int:
    """Maximum size in bytes of a safetensors file with these tensors."""
    sizes = (int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize for shape, kind in expected.values())
    return 8 + LARGEST_HEADER + sum(sizes)

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


def unpack(data: bytes, expected: Expected, where: str) -> dict[str, Array]:
    """The tensors of a safetensors file, which must have the names, shapes and types in `expected`, and finite values.

    The header is checked before anything is built. Raises `FolderError`.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LARGEST_HEADER, len(data) - 8):
        raise FolderError(f"{where} is damaged: it is truncated or not a safetensors file; restore it from a copy")
    header = strict_json.parse(data[8 : 8 + length], where)
    if not isinstance(header, dict):
        raise FolderError(f"{where} is damaged: its header names no tensors; restore it from a copy")
    header.pop("__metadata__", None)
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
        if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
            raise FolderError(f"{where}: tensor {name!r} holds numbers that are not finite; restore it from a copy")
    return tensors


def largest_file(expected: Expected) -> int:
    """Maximum size in bytes of a safetensors file with these tensors."""
    sizes = (int(np.prod(shape, dtype=object)) * np.dtype(kind).itemsize for shape, kind in expected.values())
    return 8 + LARGEST_HEADER + sum(sizes)

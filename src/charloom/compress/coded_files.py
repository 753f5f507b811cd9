"""The format of a compressed file: a header that says what is needed to decode it, the code, and a checksum.

    bytes  what
    4      0x8f C L 1
    1      1 if the model kept learning, else 0
    16     the model: SHA-256 of configuration, vocabulary and weights, cut to 128 bits
    8      the arithmetic: SHA-256 of its results on the model, cut to 64 bits
    24     the machine that made it (charloom.compress.arithmetic)
    16     the original: SHA-256 of its bytes, cut to 128 bits
    8      size of the original in bytes
    8      number of coded symbols
    …      the code: 32-bit words
    8      SHA-256 of everything before, cut to 64 bits

Numbers are little endian. Two models or texts are never confused by chance, and constructing two that are takes 2^64
attempts. The arithmetic and the checksum only guard against accidents: whatever passes them must still decode to the
original.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom.compress import arithmetic
from charloom.compress.arithmetic import Arithmetic
from charloom.errors import FolderError
from charloom.models.model_folder import ModelArrays
from charloom.storage import strict_json

MAGIC = b"\x8fCL1"

MODEL_BYTES, ARITHMETIC_BYTES, ORIGINAL_BYTES, CHECKSUM_BYTES = 16, 8, 16, 8

_OLD_MAGIC = b"charloom-cl-"

_FIELDS = struct.Struct(f"<4sB{MODEL_BYTES}s{ARITHMETIC_BYTES}s{arithmetic.SIZE}s{ORIGINAL_BYTES}sQQ")

OVERHEAD = _FIELDS.size + CHECKSUM_BYTES
"""Bytes of a file besides the code."""

_SYMBOLS_A_BIT = 1 << 16
"""Most symbols that a bit can hold: none costs less than 2.1e-5 bits, because the others always keep a share."""

_DAMAGED = "it is damaged: {}; restore it from a copy"


@dataclass(frozen=True)
class Header:
    """The content of a file's header."""

    model: bytes
    arithmetic: bytes
    made_with: Arithmetic
    original: bytes
    bytes: int
    symbols: int
    adaptive: bool
    "Whether the model kept learning from what it had coded."


def pack(header: Header, coded: bytes) -> bytes:
    """The file with this header and these coded words."""
    fields = _FIELDS.pack(
        MAGIC,
        header.adaptive,
        header.model,
        header.arithmetic,
        header.made_with.pack(),
        header.original,
        header.bytes,
        header.symbols,
    )
    data = fields + coded
    return data + _checksum(data)


def unpack(data: bytes) -> tuple[Header, Any]:
    """The header and the coded words of an undamaged file. Raises `FolderError` for any other."""
    if data.startswith(_OLD_MAGIC):
        raise FolderError("it is in the format of a charloom before 0.1.0; decompress it with the one that made it")
    if not data.startswith(MAGIC):
        raise FolderError("it is not a file that charloom compressed; check the path")
    if len(data) < OVERHEAD:
        raise FolderError(_DAMAGED.format("it ends within its header"))
    end = len(data) - CHECKSUM_BYTES
    if _checksum(memoryview(data)[:end]) != data[end:]:
        raise FolderError(_DAMAGED.format("its checksum is wrong"))
    _, adaptive, model, arithmetic_there, made_with, original, size, symbols = _FIELDS.unpack_from(data)
    header = Header(
        model, arithmetic_there, Arithmetic.unpack(made_with), original, size, symbols, adaptive=adaptive == 1
    )
    words = end - _FIELDS.size
    possible = (
        adaptive < 2
        and words % 4 == 0
        and symbols <= size <= 4 * symbols  # a symbol takes one to four bytes
        and symbols <= (8 * words + 64) * _SYMBOLS_A_BIT
    )
    if not possible:
        raise FolderError(_DAMAGED.format("its header does not fit what follows"))
    return header, np.frombuffer(data, "<u4", offset=_FIELDS.size, count=words // 4).astype(np.uint32)


def made_by(beginning: bytes) -> bytes | None:
    """The `identity` of the model that made a compressed file, by its first bytes; None for another file."""
    if len(beginning) < _FIELDS.size or not beginning.startswith(MAGIC):
        return None
    model: bytes = _FIELDS.unpack_from(beginning)[2]
    return model


def identity(model: ModelArrays) -> bytes:
    """A digest of a model in 128 bits, which does not depend on where its folder is."""
    digest = hashlib.sha256()

    def add(part: bytes) -> None:
        digest.update(
            len(part).to_bytes(8, "little")
        )  # otherwise the end of one part could be taken for the beginning of the next
        digest.update(part)

    add(json.dumps(strict_json.plain(model.config), sort_keys=True).encode())
    add(model.vocabulary.kind.encode())
    add(model.vocabulary.characters.encode("utf-8", "surrogatepass"))
    for name in sorted(model.weights):
        weights = np.ascontiguousarray(model.weights[name])
        add(f"{name} {weights.dtype.str} {weights.shape}".encode())
        add(weights.tobytes())
    return digest.digest()[:MODEL_BYTES]


def _checksum(data: bytes | memoryview) -> bytes:
    return hashlib.sha256(data).digest()[:CHECKSUM_BYTES]

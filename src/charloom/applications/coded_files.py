"""The file that a compressed text is: a header that says what it takes to decode it, and checksums over all of it.

charloom-cl-1 | header, one line of JSON | the coded words, little endian | SHA-256 of all before
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom import records
from charloom.errors import FolderError
from charloom.model_files import ModelArrays

MAGIC = b"charloom-cl-1\n"


@dataclass(frozen=True)
class Header:
    """What stands before the coded symbols."""

    model: str
    "SHA-256 of its configuration, vocabulary and weights."
    arithmetic: str
    "SHA-256 of the distributions over a fixed sequence, as the machine works them out."
    original: str
    "SHA-256 of the file."
    bytes: int
    symbols: int
    "Coded symbols."
    adaptive: bool
    "Whether the model went on learning from what it had coded."


def pack(header: Header, coded: bytes) -> bytes:
    """The file with this header and these coded words."""
    data = MAGIC + json.dumps(records.plain(header)).encode() + b"\n" + coded
    return data + hashlib.sha256(data).digest()


def unpack(data: bytes) -> tuple[Header, Any]:
    """The header and the coded words of a file, if not a byte of it has changed. Raises `FolderError`."""
    if not data.startswith(MAGIC):
        raise FolderError("it is not a file that charloom compressed; check the path")
    head, _, rest = data[len(MAGIC) :].partition(b"\n")
    if len(rest) < 32 or hashlib.sha256(memoryview(data)[:-32]).digest() != data[-32:]:
        raise FolderError("it is damaged: its checksum is wrong; restore it from a copy")
    header = records.load(Header, records.parse(head, "its header"), "its header")
    coded = rest[:-32]
    if len(coded) % 4 or not 0 <= header.symbols <= header.bytes:  # a symbol is a byte at least
        raise FolderError("it is damaged: its header does not fit; restore it from a copy")
    return header, np.frombuffer(coded, "<u4").astype(np.uint32)


def identity(model: ModelArrays) -> str:
    """SHA-256 of what a model is: the same wherever its folder lies."""
    digest = hashlib.sha256(json.dumps(records.plain(model.config), sort_keys=True).encode())
    digest.update(f"{model.vocabulary.kind} {model.vocabulary.characters}".encode())
    for name in sorted(model.weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(model.weights[name]).tobytes())
    return digest.hexdigest()

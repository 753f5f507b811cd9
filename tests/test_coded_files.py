"""The header of a compressed file: small, exact, and refused if a byte of it is wrong."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.compress.arithmetic import Arithmetic
from charloom.compress.coded_files import CHECKSUM_BYTES, MAGIC, OVERHEAD, Header, identity, pack, unpack
from charloom.errors import FolderError
from models import small_model

MACHINE = Arithmetic(1, 1, (2, 4), 2, "SkylakeX", 2)
HEADER = Header(b"m" * 16, b"a" * 8, MACHINE, b"o" * 16, 40, 20, False)
CODED = bytes(range(24))


def closed(data: bytes) -> bytes:
    """The data followed by its checksum."""
    return data + hashlib.sha256(data).digest()[:CHECKSUM_BYTES]


def test_a_file_has_at_most_96_bytes_that_are_not_code() -> None:
    assert len(pack(HEADER, b"")) == OVERHEAD <= 96
    assert len(pack(replace(HEADER, bytes=2**50, symbols=2**50), CODED)) == OVERHEAD + len(CODED)


@given(
    st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.integers(0, 4),
    st.integers(0, 2**20),
    st.booleans(),
    st.integers(0, 50),
)
def test_a_header_comes_back(one: bytes, two: bytes, width: int, symbols: int, adaptive: bool, words: int) -> None:
    header = Header(one, two, MACHINE, one[::-1], max(1, width) * symbols, symbols, adaptive)
    coded = bytes(4 * words)
    found, code = unpack(pack(header, coded))
    assert found == header
    assert code.tobytes() == coded


def test_every_truncation_and_every_one_byte_change_is_refused() -> None:
    data = pack(HEADER, CODED)
    for size in range(len(data)):
        with pytest.raises(FolderError):
            unpack(data[:size])
    for place in range(len(data)):
        for value in range(1, 256):
            changed = bytearray(data)
            changed[place] ^= value
            with pytest.raises(FolderError):
                unpack(bytes(changed))
    for more in (b"\0", b"\0" * 4, data):
        with pytest.raises(FolderError):
            unpack(data + more)


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbols": 41},
        {"symbols": 9},
        {"symbols": 0},
        {"bytes": 2**63, "symbols": 2**63},
        {"bytes": 2**30, "symbols": 2**30},
    ],
    ids=str,
)
def test_lengths_that_the_code_cannot_hold_are_refused_before_anything_is_decoded(wrong: dict[str, int]) -> None:
    with pytest.raises(FolderError, match="does not fit"):
        unpack(pack(replace(HEADER, **wrong), CODED))  # type: ignore[arg-type]


def test_a_right_checksum_makes_no_right_header() -> None:
    data = pack(HEADER, CODED)[:-CHECKSUM_BYTES]
    for flag in range(2, 256):
        with pytest.raises(FolderError, match="does not fit"):
            unpack(closed(data[:4] + bytes([flag]) + data[5:]))
    for code in (CODED[:-1], CODED[:-2]):
        with pytest.raises(FolderError, match="does not fit"):
            unpack(pack(HEADER, code))
    with pytest.raises(FolderError, match="machine"):
        unpack(closed(data[:29] + b"\xff" + data[30:]))


@pytest.mark.parametrize("data", [b"", b"P", b"PK\3\4", MAGIC[:3], b"\x8fCL2" + bytes(200)])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(FolderError, match="not a file that charloom compressed"):
        unpack(data)


def test_the_format_before_this_one_gets_a_sentence_of_its_own() -> None:
    with pytest.raises(FolderError, match=r"before 0\.1\.0"):
        unpack(b'charloom-cl-1\n{"model": "ab"}\n' + bytes(400))


def test_models_that_differ_in_anything_have_different_identities() -> None:
    models = [
        small_model("abc"),
        small_model("abc", seed=1),
        small_model("abd"),
        small_model("abc", "gru"),
        small_model("abc", predicts_end=True),
        small_model("abc", documents="lines"),
    ]
    arrays = [model.arrays() for model in models]
    bit = small_model("abc").arrays()
    name = sorted(bit.weights)[-1]
    bit.weights[name] = bit.weights[name].copy()
    bit.weights[name].view("u4").flat[-1] ^= 1
    identities = [identity(one) for one in [*arrays, bit]]
    assert len(set(identities)) == len(identities)
    assert {len(one) for one in identities} == {16}
    assert identity(small_model("abc").arrays()) == identities[0]


def test_a_weight_does_not_pass_for_the_name_of_the_next() -> None:
    """Without lengths between its parts, the bytes that are hashed of these two are the same."""
    one = small_model("abc").arrays()
    name, following = sorted(one.weights)[:2]
    joined = one.weights[name].tobytes() + following.encode() + one.weights[following].tobytes()
    weights = {key: value for key, value in one.weights.items() if key != following}
    other = replace(one, weights=weights | {name: np.frombuffer(joined, np.uint8)})
    assert identity(one) != identity(other)

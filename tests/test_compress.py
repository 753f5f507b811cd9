"""Compression is lossless, and takes as many bits as the model's surprise."""

import hashlib
import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charloom.errors import FolderError, MissingExtraError
from charloom.evaluation.score import evaluate, evaluate_dynamic
from charloom.models.language_model import LanguageModel
from conftest import CELLS
from models import small_model

pytest.importorskip("constriction")

from charloom.compress.codec import Codec
from charloom.compress.coded_files import CHECKSUM_BYTES, MAGIC, OVERHEAD

KINDS = ("characters", "bytes", "lines", "byte-lines", "ends", "byte-ends")


def model_of(kind: str, cell: str = "lstm") -> LanguageModel:
    documents = "lines" if "lines" in kind else "none"
    return small_model(
        "abcdefgh \néß日🙂",
        cell,  # type: ignore[arg-type]
        kind="bytes" if kind.startswith("byte") else "characters",
        documents=documents,  # type: ignore[arg-type]
        predicts_end=kind.endswith(("lines", "ends")),
        sharpness=0.5,
    )


CODECS = {kind: Codec(model_of(kind)) for kind in KINDS}
kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
@settings(max_examples=60)
@given(
    st.binary(max_size=120) | st.text("abc \né日🙂", max_size=60).map(str.encode) | st.text(max_size=60).map(str.encode)
)
def test_compressing_and_decompressing_is_the_identity_for_any_bytes(kind: str, data: bytes) -> None:
    codec = CODECS[kind]
    assert codec.decompress(codec.compress(data).data) == data


@kinds
@settings(max_examples=40)
@given(
    data=st.binary(max_size=60) | st.text("ab\né日🙂", max_size=40).map(str.encode),
    cuts=st.lists(st.integers(0, 60), max_size=6),
)
def test_the_pieces_in_which_a_file_comes_change_nothing(kind: str, data: bytes, cuts: list[int]) -> None:
    codec = CODECS[kind]
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[first:last] for first, last in itertools.pairwise(edges)]
    assert codec.encode(iter(pieces)).data == codec.encode(data).data


AWKWARD = {
    "empty": b"",
    "zero": b"\x00",
    "every-byte": bytes(range(256)) * 3,
    "returns": b"\r\n\r",
    "half-a-pair": "\ud800".encode("utf-8", "surrogatepass"),
    "no-utf8": b"\xed\xa0\x80\xff",
    "last-point": "\U0010ffff".encode(),
    "unknown-over-blocks": b"z" * 700,
}


@pytest.mark.parametrize("data", AWKWARD.values(), ids=AWKWARD)
@kinds
def test_awkward_files_come_back(kind: str, data: bytes) -> None:
    codec = CODECS[kind]
    assert codec.decompress(codec.compress(data).data) == data


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["characters", "lines", "bytes", "byte-lines"])
def test_the_size_is_what_the_score_claims(cell: str, kind: str) -> None:
    model = model_of(kind, cell)
    text = "bad cafe\nhead 日 abba\n" * 120
    made = Codec(model).compress(text.encode())
    claimed = evaluate(model, text).nats
    assert made.escapes == 0
    assert made.nats == pytest.approx(claimed + (made.symbols * 2.0**-16 if "byte" not in kind else 0), rel=1e-4)
    assert made.coded_bytes * 8 * math.log(2) == pytest.approx(claimed, rel=1e-3, abs=64)
    assert len(made.data) - made.coded_bytes == OVERHEAD


@settings(max_examples=15)
@pytest.mark.parametrize("kind", ["characters", "bytes", "lines", "byte-lines"])
@given(st.text("abc \né日🙂", max_size=300).map(str.encode) | st.binary(max_size=150))
def test_what_a_model_that_adapts_has_compressed_comes_back(kind: str, data: bytes) -> None:
    codec = CODECS[kind]
    made = codec.encode(data, adaptive=True)
    assert codec.decompress(made.data) == data


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        pytest.param(cell, kind, marks=() if number == place else pytest.mark.slow)
        for number, cell in enumerate(CELLS)
        for place, kind in enumerate(("characters", "lines", "bytes", "byte-lines"))
    ],
)
def test_adapting_makes_the_file_as_small_as_dynamic_evaluation_says(cell: str, kind: str) -> None:
    model = model_of(kind, cell)
    text = "bad cafe\nhead 日 abba\n" * 40
    codec = Codec(model)
    made = codec.encode(text.encode(), adaptive=True)
    claimed = evaluate_dynamic(model, text).nats
    assert made.nats == pytest.approx(claimed + (made.symbols * 2.0**-16 if "byte" not in kind else 0), rel=1e-3)
    assert made.nats < codec.encode(text.encode()).nats
    assert codec.decompress(made.data) == text.encode()


def test_an_unknown_character_costs_what_it_is_said_to() -> None:
    codec = CODECS["characters"]
    plain, odd = codec.compress(b"abcabc" * 50), codec.compress(b"abcabc" * 50 + "Ω".encode())
    assert odd.escapes == 1
    assert odd.nats - plain.nats == pytest.approx(16 * math.log(2) + math.log(0x110000), abs=1e-6)


@kinds
def test_another_model_is_refused(kind: str) -> None:
    made = CODECS[kind].compress(b"abc")
    other = Codec(small_model("abcdefgh \néß日🙂", seed=1))
    with pytest.raises(FolderError, match="another model"):
        other.decompress(made.data)


def test_the_model_is_known_by_its_content() -> None:
    made = Codec(model_of("characters")).compress(b"head cafe")
    assert Codec(model_of("characters").arrays()).decompress(made.data) == b"head cafe"


def test_every_truncation_and_every_changed_byte_is_refused() -> None:
    codec = CODECS["characters"]
    data = codec.compress(b"bad cafe head" * 3).data
    draw = np.random.Generator(np.random.PCG64(0))
    for size in range(len(data)):
        with pytest.raises(FolderError):
            codec.decompress(data[:size])
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= int(draw.integers(1, 256))
        with pytest.raises(FolderError):
            codec.decompress(bytes(changed))


@kinds
def test_a_file_with_a_right_checksum_and_another_code_is_refused(kind: str) -> None:
    codec = CODECS[kind]
    data = codec.compress(b"bad cafe\n" * 9).data
    head, rest = data[: OVERHEAD - CHECKSUM_BYTES], data[OVERHEAD:]
    draw = np.random.Generator(np.random.PCG64(0))
    for size in (0, 4, 40, len(rest)):
        forged = head + draw.bytes(size // 4 * 4)
        with pytest.raises(FolderError, match="does not decode to what was compressed"):
            codec.decompress(forged + hashlib.sha256(forged).digest()[:CHECKSUM_BYTES])


def test_another_arithmetic_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Codec(model_of("characters"))
    data = codec.compress(b"abc").data
    monkeypatch.setattr(codec, "_arithmetic", {False: b"another "})
    with pytest.raises(FolderError, match="rounded in another order"):
        codec.decompress(data)


def test_what_is_no_compressed_file_is_refused() -> None:
    with pytest.raises(FolderError, match="not a file that charloom compressed"):
        CODECS["characters"].decompress(b"PK\x03\x04")
    assert CODECS["characters"].compress(b"").data.startswith(MAGIC)


def test_one_thread_and_two_give_the_same_file_or_refuse(tmp_path: Path) -> None:
    """BLAS splits larger products between threads; whatever that changes must be detected."""
    code = (
        "import sys; sys.path[:0] = sys.argv[3:]; from pathlib import Path; from models import small_model\n"
        "from charloom.compress.codec import Codec; from charloom.errors import FolderError\n"
        "codec = Codec(small_model('abcdefgh ', hidden_size=512, layers=1)); file = Path(sys.argv[2])\n"
        "if sys.argv[1] == 'compress': file.write_bytes(codec.compress(b'head cafe bad ' * 20).data)\n"
        "else:\n"
        "    try: assert codec.decompress(file.read_bytes()) == b'head cafe bad ' * 20\n"
        "    except FolderError as error: assert 'rounded in another order' in str(error)\n"
    )
    for step, threads in (("compress", "1"), ("decompress", "2")):
        command = [sys.executable, "-c", code, step, str(tmp_path / "file.cl"), str(Path(__file__).parent)]
        subprocess.run(command, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": threads})


@pytest.mark.parametrize("module", ["constriction", "threadpoolctl"])
def test_without_a_library_it_is_said_which_extra_brings_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"charloom\[compress\]"):
        Codec(model_of("characters"))

"""Compression at length: thousands of files and changes, megabytes, processors that add in another order."""

import lzma
import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from charloom.compress.codec import Codec
from charloom.errors import FolderError
from models import small_model

pytestmark = pytest.mark.slow

SYMBOLS = "abcdefgh \néß日🙂"


def awkward_files(count: int, docs_text: str) -> list[bytes]:
    """Files of all kinds, drawn with one seed."""
    draw = np.random.Generator(np.random.PCG64(0))
    files = [b"", *(bytes([value]) for value in range(256)), bytes(range(256))]
    while len(files) < count:
        start, size = int(draw.integers(len(docs_text) - 500)), int(draw.integers(1, 400))
        text = docs_text[start : start + size].encode()
        cut = int(draw.integers(len(text) + 1))
        files.append(
            (
                text,
                draw.bytes(size),
                zlib.compress(text),
                lzma.compress(text),
                text[:cut] + draw.bytes(1) + text[cut:],
                "".join(map(chr, draw.integers(0x100, 0xD800, size))).encode()[:-1],
                "".join(SYMBOLS[symbol] for symbol in draw.integers(0, len(SYMBOLS), size)).encode(),
                text.decode().encode("utf-16"),
                bytes([int(draw.integers(256))]) * size,
            )[len(files) % 9]
        )
    return files


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_two_thousand_files_come_back(kind: str, docs_text: str) -> None:
    codec = Codec(small_model(SYMBOLS, kind=kind, sharpness=0.5))
    for number, data in enumerate(awkward_files(2000, docs_text)):
        made = codec.encode(data, adaptive=number % 10 == 0)
        assert codec.decompress(made.data) == data, number


def test_ten_megabytes_come_back(docs_text: str) -> None:
    data = (docs_text * (10_000_000 // len(docs_text) + 1)).encode()[:10_000_000]
    codec = Codec(small_model(docs_text, layers=1, hidden_size=16, sharpness=0.5))
    made = codec.encode(data[start : start + 65536] for start in range(0, len(data), 65536))
    assert made.original_bytes == 10_000_000
    place = 0
    for piece in codec.decode(made.data):
        assert data[place : place + len(piece)] == piece
        place += len(piece)
    assert place == len(data)


def test_every_truncation_and_two_thousand_changes_are_refused(docs_text: str) -> None:
    codec = Codec(small_model(docs_text, sharpness=0.5))
    data = codec.encode(docs_text[:2000].encode()).data
    draw = np.random.Generator(np.random.PCG64(0))
    damaged = [data[:size] for size in range(len(data))]
    for _ in range(2000):
        changed = bytearray(data)
        changed[int(draw.integers(len(data)))] ^= int(draw.integers(1, 256))
        damaged.append(bytes(changed))
    for file in damaged:
        with pytest.raises(FolderError):
            codec.decode(file)


PROCESSORS = {
    "one thread": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "two threads": {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"},
    "AVX2": {
        "OPENBLAS_CORETYPE": "Haswell",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR",
    },
    "AVX-512": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "without oneDNN": {"WITHOUT_ONEDNN": "1"},
}

CHILD = """
import os, sys
sys.path[:0] = sys.argv[3:]
import numpy as np
import torch
from pathlib import Path
from charloom.compress import Codec
from charloom.errors import FolderError
from models import small_model
torch.backends.mkldnn.enabled = "WITHOUT_ONEDNN" not in os.environ
step, file = sys.argv[1], Path(sys.argv[2])
text = b"head cafe bad abba " * 30
model, draw = small_model("abcdefgh ", hidden_size=256, layers=1), np.random.Generator(np.random.PCG64(0))
with torch.no_grad():  # a start that is drawn is itself rounded in another order
    for weight in model.network.parameters():
        weight.copy_(torch.from_numpy(draw.uniform(-0.1, 0.1, weight.shape)))
codec = Codec(model)
for adaptive in (False, True):
    coded = file.with_suffix(f".{adaptive}")
    if step == "compress":
        coded.write_bytes(codec.encode(text, adaptive=adaptive).data)
    else:
        try:
            print("same" if codec.decompress(coded.read_bytes()) == text else "WRONG")
        except FolderError as error:
            print("refused" if "rounded in another order" in str(error) else f"WRONG {error}")
"""


def test_another_arithmetic_gives_the_same_or_is_refused(tmp_path: Path) -> None:
    def child(step: str, variables: dict[str, str], file: str) -> list[str]:
        command = [sys.executable, "-W", "ignore", "-c", CHILD, step, str(tmp_path / file), str(Path(__file__).parent)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables})
        assert done.returncode == 0, done.stderr
        return done.stdout.split("\n")[:-1]

    answers = {}
    for there, variables in PROCESSORS.items():
        child("compress", variables, there)
    for there in PROCESSORS:
        for here, variables in PROCESSORS.items():
            answers[there, here] = child("decompress", variables, there)
    print(answers)
    assert {answer for both in answers.values() for answer in both} <= {"same", "refused"}
    assert all(answers[name, name] == ["same", "same"] for name in PROCESSORS)

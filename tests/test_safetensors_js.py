"""The page reads weights as Python does, and believes no file."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save
from safetensors.torch import save as save_tensors

from charloom.storage.tensor_files import rounded_rows, unpack
from javascript import in_node

SHAPES = {"matrix": [5, 3], "bias": [4]}

READ = """
import { readFile } from "node:fs/promises";
const { readTensors } = await import(`${site}/local/safetensors.js`);
const { BackendError } = await import(`${site}/backend_error.js`);
const [paths, shapes] = given;
const results = [];
for (const path of paths) {
  const file = await readFile(path);
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
  try {
    const tensors = readTensors(bytes, new Map(Object.entries(shapes)));
    results.push(Object.fromEntries([...tensors].map(([name, values]) => [name, [...values]])));
  } catch (error) {
    results.push(error instanceof BackendError ? error.message : { crash: String(error) });
  }
}
console.log(JSON.stringify(results));
"""


def read(files: list[bytes], tmp_path: Path) -> list[Any]:
    """What the page reads from each file: its tensors, or its sentence."""
    paths = [tmp_path / f"{number}.safetensors" for number in range(len(files))]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    return in_node(READ, [str(path) for path in paths], SHAPES)  # type: ignore[no-any-return]


def tensors() -> dict[str, np.ndarray]:
    uniform = np.random.Generator(np.random.PCG64(1))
    return {name: uniform.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def test_float32_and_rounded_rows_are_read_as_in_python(tmp_path: Path) -> None:
    expected = {name: (tuple(shape), "float32") for name, shape in SHAPES.items()}
    files = [save(tensors()), save(rounded_rows(tensors()))]
    for data, found in zip(files, read(files, tmp_path), strict=True):
        for name, values in unpack(data, expected, "here", rounded=True).items():
            assert np.array_equal(np.array(found[name], np.float32), values.ravel())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_halves_are_read_exactly(kind: torch.dtype, tmp_path: Path) -> None:
    small = torch.tensor([6e-8, -3e-6, 65504.0, -0.0] if kind == torch.float16 else [1e-39, -3e-6, 1e38, -0.0])
    halves = {"matrix": torch.from_numpy(tensors()["matrix"]).to(kind), "bias": small.to(kind)}
    (found,) = read([save_tensors(halves)], tmp_path)
    for name, values in halves.items():
        assert found[name] == values.float().ravel().tolist()


def with_header(change: Callable[[dict[str, Any]], Any], data: bytes | None = None) -> bytes:
    """The file with a changed header."""
    data = data or save(tensors())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    changed = json.dumps(change(header) or header).encode()
    return struct.pack("<Q", len(changed)) + changed + data[8 + length :]


def entry(name: str, **fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda header: header[name].update(fields)


def not_finite(value: float) -> bytes:
    broken = tensors()
    broken["matrix"][4, 2] = value
    return save(broken)


WHOLE = save(tensors())
DAMAGED = {
    "empty": b"",
    "seven bytes": WHOLE[:7],
    "no header": WHOLE[:8],
    "a header that is longer than the file": struct.pack("<Q", 2**63) + WHOLE[8:],
    "a header that is no JSON": WHOLE[:8] + b"x" + WHOLE[9:],
    "a header that is no UTF-8": WHOLE[:8] + b"\xff" + WHOLE[9:],
    "a list as header": with_header(lambda header: [header]),
    "truncated": WHOLE[:-1],
    "too long": WHOLE + b"\0",
    "a missing tensor": with_header(lambda header: {"bias": header["bias"]}),
    "an unknown tensor": with_header(lambda header: {**header, "more": header["bias"]}),
    "scales of nothing": with_header(lambda header: {**header, "bias.scale": header["bias"]}),
    "another shape": with_header(entry("matrix", shape=[3, 5])),
    "no shape": with_header(entry("matrix", shape=None)),
    "another type": with_header(entry("matrix", dtype="F64")),
    "int8 without scales": with_header(entry("matrix", dtype="I8")),
    "a type from elsewhere": with_header(entry("matrix", dtype="toString")),
    "no type": with_header(entry("matrix", dtype=None)),
    "negative bounds": with_header(entry("matrix", data_offsets=[-60, 0])),
    "bounds beyond the file": with_header(entry("matrix", data_offsets=[76, 136])),
    "bounds of another size": with_header(entry("matrix", data_offsets=[16, 80])),
    "fractional bounds": with_header(entry("matrix", data_offsets=[0.5, 60.5])),
    "bounds that are no list": with_header(entry("matrix", data_offsets="0,60")),
    "a text in place of a tensor": with_header(lambda header: {**header, "matrix": "here"}),
    "nothing in place of a tensor": with_header(lambda header: {**header, "matrix": None}),
    "rounded, without its type": with_header(entry("matrix", dtype="F32"), save(rounded_rows(tensors()))),
    "not a number": not_finite(np.nan),
    "infinity": not_finite(np.inf),
}


def test_a_damaged_file_gets_a_sentence(tmp_path: Path) -> None:
    for name, sentence in zip(DAMAGED, read(list(DAMAGED.values()), tmp_path), strict=True):
        assert isinstance(sentence, str), (name, sentence)
        assert sentence.startswith("model.safetensors is damaged: ") and sentence.endswith("."), (name, sentence)


def test_any_cut_and_any_changed_byte_of_the_header_is_read_or_refused(tmp_path: Path) -> None:
    uniform = np.random.Generator(np.random.PCG64(7))
    length = len(WHOLE) - 76
    files = [WHOLE[:cut] for cut in range(0, len(WHOLE), 9)]
    for place in uniform.integers(0, length, 200).tolist():
        files.append(WHOLE[:place] + bytes([int(uniform.integers(256))]) + WHOLE[place + 1 :])
    for found in read(files, tmp_path):
        assert isinstance(found, str) or "crash" not in found, found

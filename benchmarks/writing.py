"""Does a model write as fast as its weights can be read, and how soon is the first character there?

Usage: python benchmarks/writing.py [--seconds 3] [--rounds 5] [--characters 1000000] [--output FILE.json]

By turns in one process, characters and draws included: the loop of the tutorials (`nn.LSTM` one step, softmax, `multinomial`,
`.item()`) and charloom, for 1x512 and 2x256 over 65 symbols, with all cores. Beside one text stands its limit: the bytes of
weights that a character needs at the speed at which the fastest of numpy's, torch's and (where it is installed) numba's
products reads them; beside 64 texts at once the best product of that shape. Then whole commands: from the start of
`charloom generate` to the first character. At last one text of many characters: is the last as cheap as the first?
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from charloom import records
from charloom.generation import generate_pieces
from charloom.language_model import LanguageModel
from charloom.model_files import VocabularyRecord
from charloom.samples import write_samples
from charloom.settings import NetworkConfig, SamplingConfig
from charloom.speed import fresh_model, median_seconds, vector_bandwidth
from charloom.writer import Writer
from machine import machine, title

NETWORKS = ((1, 512), (2, 256))
TEXTS = 64


class Tutorial(nn.Module):
    """Embedding, LSTM, output, and the loop that draws from it, as tutorials write them."""

    def __init__(self, layers: int, size: int, symbols: int = 65) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(symbols, 128), nn.Linear(size, symbols)
        self.lstm = nn.LSTM(128, size, layers, batch_first=True)

    @torch.no_grad()
    def write(self, characters: int) -> None:
        symbol, state = torch.zeros(1, 1, dtype=torch.long), None
        for _ in range(characters):
            values, state = self.lstm(self.embedding(symbol), state)
            probabilities = torch.softmax(self.output(values[0, -1]), -1)
            symbol = torch.multinomial(probabilities, 1)[None]
            symbol.item()


def numba_bandwidth(size: int, rows: int, seconds: float) -> float:
    """Bytes a second of a loop over a float32 matrix of that many bytes, compiled by numba; 0 where it is not installed."""
    try:
        from numba import njit  # type: ignore[import-not-found]
    except ImportError:
        return 0.0

    @njit(fastmath=True)  # type: ignore[untyped-decorator]
    def product(matrix: Any, vector: Any, out: Any) -> None:
        for row in range(matrix.shape[0]):
            total = np.float32(0)
            for column in range(matrix.shape[1]):
                total += matrix[row, column] * vector[column]
            out[row] = total

    draw = np.random.Generator(np.random.PCG64(0))
    matrix, vector = draw.random((size // (4 * rows), rows), np.float32), draw.random(rows, np.float32)
    out = np.empty(len(matrix), np.float32)
    return float(matrix.nbytes / median_seconds(lambda: product(matrix, vector, out), seconds, least=50))


def product_seconds(writer: Writer, rows: int, seconds: float) -> float:
    """Time of the matrix products of one step of `rows` texts, each by the faster of numpy and torch."""
    size, layers = writer.config.network.hidden_size, writer.config.network.layers
    total = 0.0
    for columns in [4 * size] * (2 * layers - 1) + [writer.stepper.outputs]:
        left, right = np.ones((rows, size), np.float32), np.ones((columns, size), np.float32).T
        out = np.empty((rows, columns), np.float32)
        ours, theirs = torch.from_numpy(left), torch.from_numpy(right)
        of_torch = torch.empty(rows, columns)
        with torch.inference_mode():
            total += min(
                median_seconds(lambda a=left, b=right, c=out: np.dot(a, b, out=c), seconds),
                median_seconds(lambda a=ours, b=theirs, c=of_torch: torch.mm(a, b, out=c), seconds),
            )
    return total


def writes(layers: int, size: int, seconds: float, rounds: int) -> dict[str, Any]:
    """The figures of one network."""
    model = fresh_model(NetworkConfig(layers=layers, hidden_size=size))
    writer, tutorial = Writer(model), Tutorial(layers, size)
    pieces = generate_pieces(writer, "", SamplingConfig(), length=10**12)

    def ours() -> None:
        for _ in range(200):
            next(pieces)

    def together() -> None:
        texts = [""] * TEXTS
        list(write_samples(writer, texts, SamplingConfig(), length=100, stop=(), seeds=range(TEXTS)))

    plain, single, many, prompt = [], [], [], []
    text = "a" * 2000
    for _ in range(rounds):
        plain.append(median_seconds(lambda: tutorial.write(200), seconds) / 200)
        single.append(median_seconds(ours, seconds) / 200)
        many.append(median_seconds(together, seconds) / 100 / TEXTS)
        prompt.append(median_seconds(lambda: writer.read(text), seconds) / len(text))
    bytes_needed = writer.stepper.weight_bytes
    bandwidth, by = vector_bandwidth(bytes_needed, size, seconds)
    compiled = numba_bandwidth(bytes_needed, size, seconds / 3)
    if compiled > bandwidth:
        bandwidth, by = compiled, "numba"
    product = product_seconds(writer, TEXTS, seconds / 5) / TEXTS
    return {
        "network": f"{layers}x{size}",
        "tutorial": 1 / statistics.median(plain),
        "one_text": 1 / statistics.median(single),
        "ratios": [theirs / mine for theirs, mine in zip(plain, single, strict=True)],
        "weight_bytes": bytes_needed,
        "bandwidth": bandwidth,
        "bandwidth_by": by,
        "share_of_bandwidth": bytes_needed / bandwidth / statistics.median(single),
        "together": 1 / statistics.median(many),
        "share_of_product": product / statistics.median(many),
        "prompt": 1 / statistics.median(prompt),
    }


def save(model: LanguageModel, folder: Path) -> None:
    """A model folder."""
    listed = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    (folder / "config.json").write_bytes(records.dump(model.config))
    (folder / "vocabulary.json").write_bytes(records.dump(listed))
    (folder / "model.safetensors").write_bytes(model.weights())


def first_character(rounds: int) -> list[float]:
    """Seconds from the start of the command to the first character that it writes, 1x512."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        save(fresh_model(NetworkConfig()), Path(folder))
        for _ in range(rounds + 1):
            began = time.perf_counter()
            command = [sys.executable, "-m", "charloom", "generate", folder, "--length", "1000"]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                assert process.stdout is not None
                process.stdout.read(1)
                times.append(time.perf_counter() - began)
                process.stdout.read()
    return times[1:]  # the first one read the files from the disk


def flatness(characters: int) -> dict[str, float]:
    """Seconds a character and memory, near the beginning of a long text and at its end (1x256)."""
    writer = Writer(fresh_model(NetworkConfig(hidden_size=256)))
    pieces = generate_pieces(writer, "", SamplingConfig(), length=None)
    take: Callable[[int], None] = lambda count: [next(pieces) for _ in range(count)] and None  # noqa: E731
    take(100)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    part = max(1000, characters // 100)
    began = time.perf_counter()
    take(part)
    first = time.perf_counter() - began
    for _ in range(98):
        take(part)
    began = time.perf_counter()
    take(part)
    last = time.perf_counter() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    return {"first": first / part, "last": last / part, "grown_megabytes": grown / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(description="Writing speed against the tutorials' loop and the machine's limits.")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    print(title(), f"numpy {np.__version__}, {os.cpu_count()} cores")
    rows = [writes(layers, size, options.seconds, options.rounds) for layers, size in NETWORKS]
    for row in rows:
        ratios = row["ratios"]
        print(
            f"{row['network']}  tutorial {row['tutorial']:,.0f}, charloom {row['one_text']:,.0f} characters a second: "
            f"{statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f}); "
            f"{row['share_of_bandwidth']:.0%} of {row['bandwidth'] / 1e9:,.0f} GB/s ({row['bandwidth_by']}), "
            f"{row['weight_bytes'] / 1e6:.2f} MB a character\n"
            f"       {TEXTS} texts {row['together']:,.0f} together, {row['share_of_product']:.0%} of the product alone; "
            f"prompt {row['prompt']:,.0f} read"
        )
    starts = first_character(options.rounds)
    print(f"first character after {statistics.median(starts):.2f} s ({min(starts):.2f} to {max(starts):.2f})")
    flat = flatness(options.characters)
    print(
        f"{options.characters:,} characters, 1x256: {flat['first'] * 1e6:.1f} us each at first, {flat['last'] * 1e6:.1f} us at "
        f"the end; memory grew by {flat['grown_megabytes']:.1f} MB"
    )
    if options.output:
        report = {"machine": machine(), "networks": rows, "first_character": starts, "flatness": flat}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Does a model write as fast as its weights can be read, and how soon does the first character appear?

Usage: python benchmarks/writing.py [--seconds 1] [--processes 5] [--characters 1000000] [--run RUN --text FILE]
[--output JSON]

The two sides take turns, each in a process of its own, as they are used. Repeated, because speeds differ between
processes. Characters and draws are included. Compared are the loop of the tutorials (`nn.LSTM` one step, softmax,
`multinomial`, `.item()`) and charloom: its defaults on a long text and on a short one (numpy), compiled, and compiled
with eight-bit weights, for 1x512 and 2x256 over 65 symbols, with all cores. The limit for one text is the bytes of
weights per character (in float32) at the speed at which the fastest of numpy's, torch's and numba's products reads
them; for 64 texts at once, the best product of that shape. Then whole commands: from the start of `charloom generate`
to the first character. Finally one text of many characters: does the last cost as little as the first? With --run and
--text also what eight bits cost a trained model, in nats per character.
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

import numba
import numpy as np
import torch
from torch import nn

from charloom.generation.batched_generation import write_samples
from charloom.generation.generate import generate_pieces
from charloom.generation.numba_steps import Loop, _dots
from charloom.generation.speed import fresh_model, median_seconds, vector_bandwidth
from charloom.generation.writer import SOON, Writer
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import VocabularyRecord, model_folder, read_model
from charloom.models.step_weights import aligned
from charloom.settings import NetworkConfig, SamplingConfig
from charloom.storage import strict_json
from machine import machine, title

NETWORKS = ((1, 512), (2, 256))
TEXTS = 64
KINDS = (None, "float32", "int8")
"""The default, the compiled loop, and the compiled loop with eight-bit weights."""


class Tutorial(nn.Module):
    """Embedding, LSTM, output, and the loop that draws from it, as in tutorials."""

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
    """Bytes a second that numba's product reads of a float32 matrix of that many bytes, shared by all cores."""
    draw = np.random.Generator(np.random.PCG64(0))
    matrix, vector = aligned(draw.random((size // (4 * rows), rows), np.float32)), draw.random(rows, np.float32)
    out, scale = np.empty(len(matrix), np.float32), np.ones(len(matrix), np.float32)
    parts = numba.get_num_threads()
    return float(
        matrix.nbytes / median_seconds(lambda: _shared_product(matrix, vector, scale, out, parts), seconds, least=50)
    )


@numba.njit(parallel=True)
def _shared_product(matrix: Any, vector: Any, scale: Any, out: Any, parts: int) -> None:
    for part in numba.prange(parts):
        _dots(matrix, vector, scale, out, 0, part * len(matrix) // parts, (part + 1) * len(matrix) // parts)


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


def tutorial_seconds(layers: int, size: int, seconds: float) -> float:
    """Seconds a character of the tutorials' loop in this process."""
    tutorial = Tutorial(layers, size)
    return statistics.fmean(median_seconds(lambda: tutorial.write(200), seconds) / 200 for _ in range(2))


def writes(layers: int, size: int, seconds: float) -> dict[str, Any]:
    """charloom's figures for one network in this process."""
    model = fresh_model(NetworkConfig(layers=layers, hidden_size=size))
    writers = {kind: Writer(model, compiled=kind) for kind in KINDS}
    texts = {kind: generate_pieces(writer, "", SamplingConfig(), length=None) for kind, writer in writers.items()}
    for pieces in texts.values():
        for _ in range(SOON + 100):  # a long text is compiled from here on, if the extra is installed
            next(pieces)
    writer = writers[None]
    prompt = writer.vocabulary.characters[0] * 2000

    def short() -> None:
        list(generate_pieces(writer, "", SamplingConfig(), length=1000))

    def several() -> None:
        list(write_samples(writer, [""] * TEXTS, SamplingConfig(), length=100, stop=(), seeds=range(TEXTS)))

    times: dict[str, list[float]] = {}
    for _ in range(2):
        for kind, pieces in texts.items():
            taken = median_seconds(lambda pieces=pieces: [next(pieces) for _ in range(1000)], seconds) / 1000
            times.setdefault(kind or "long text", []).append(taken)
        times.setdefault("numpy", []).append(median_seconds(short, seconds) / 1000)
    needed = writer.stepper.weight_bytes
    bandwidth, by = max(
        vector_bandwidth(needed, size, seconds), (numba_bandwidth(needed, size, seconds / 3), "numba, shared")
    )
    return {
        "seconds_a_character": {name: statistics.fmean(values) for name, values in times.items()},
        "together": median_seconds(several, seconds) / 100 / TEXTS,
        "prompt": {
            kind or "numpy": median_seconds(lambda reader=reader: reader.read(prompt), seconds) / len(prompt)
            for kind, reader in writers.items()
        },
        "weight_bytes": needed,
        "bandwidth": bandwidth,
        "bandwidth_by": by,
        "product": product_seconds(writer, TEXTS, seconds / 5) / TEXTS,
    }


def in_processes(layers: int, size: int, seconds: float, processes: int) -> list[dict[str, Any]]:
    """The figures of one network: pairs of processes, the tutorials' loop and charloom, one after the other."""

    def measured(side: str) -> Any:
        command = [sys.executable, __file__, "--network", f"{layers}x{size}", "--side", side, "--seconds", str(seconds)]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    rows = []
    for _ in range(processes):
        tutorial, row = measured("tutorial"), measured("charloom")
        row["seconds_a_character"]["tutorial"] = tutorial
        rows.append(row)
    return rows


def show(network: str, rows: list[dict[str, Any]]) -> None:
    """Medians over the processes, and the range of the ratios."""

    def middle(of: Callable[[dict[str, Any]], float]) -> float:
        return statistics.median(map(of, rows))

    print(
        f"{network}  {rows[0]['weight_bytes'] / 1e6:.2f} MB of weights a character, "
        f"{middle(lambda row: row['bandwidth']) / 1e9:,.0f} GB/s ({rows[0]['bandwidth_by']})"
    )
    for name in ("tutorial", "long text", "numpy", "float32", "int8"):
        taken = [row["seconds_a_character"] for row in rows]
        ratios = [each["tutorial"] / each[name] for each in taken]
        line = f"  {name:10}{1 / statistics.median(each[name] for each in taken):9,.0f} characters a second"
        if name != "tutorial":
            line += f", {statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f})"
        else:
            speeds = [1 / each[name] for each in taken]
            line += f" ({min(speeds):,.0f} to {max(speeds):,.0f})"
        if name in ("numpy", "float32"):
            share = middle(
                lambda row, name=name: row["weight_bytes"] / row["bandwidth"] / row["seconds_a_character"][name]
            )
            line += f", {share:.0%} of the bandwidth"
        print(line)
    print(
        f"  {TEXTS} texts {1 / middle(lambda row: row['together']):9,.0f} together, "
        f"{middle(lambda row: row['product'] / row['together']):.0%} of the product alone"
    )
    reading = (f"{1 / middle(lambda row, kind=kind: row['prompt'][kind]):,.0f} {kind}" for kind in rows[0]["prompt"])
    print(f"  characters of a prompt read a second: {', '.join(reading)}")


def cost_of_eight_bits(run: Path, text: Path) -> dict[str, float]:
    """Nats per character of a text, carried, by the compiled loop's weights in float32 and rounded."""
    model = read_model(model_folder(run))
    stepper = Writer(model).stepper
    ids = model.encode(text.read_text("utf-8-sig").replace("\r\n", "\n"))
    return {kind: Loop(stepper, model.vocabulary.boundary, kind).nats(ids) / len(ids) for kind in ("float32", "int8")}


def save(model: LanguageModel, folder: Path) -> None:
    """A model folder."""
    listed = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    (folder / "config.json").write_bytes(strict_json.dump(model.config))
    (folder / "vocabulary.json").write_bytes(strict_json.dump(listed))
    (folder / "model.safetensors").write_bytes(model.weights())


def first_character(rounds: int) -> list[float]:
    """Seconds from the start of the command to its first written character, 1x512."""
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
    return times[1:]  # the first one reads files from the disk


def flatness(characters: int) -> dict[str, float]:
    """Seconds a character and memory, near the beginning of a long text and at its end (1x256)."""
    writer = Writer(fresh_model(NetworkConfig(hidden_size=256)))
    pieces = generate_pieces(writer, "", SamplingConfig(), length=None)
    take: Callable[[int], None] = lambda count: [next(pieces) for _ in range(count)] and None  # noqa: E731
    take(SOON + 1000)
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
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--characters", type=int, default=1_000_000)
    parser.add_argument("--run", type=Path, default=None)
    parser.add_argument("--text", type=Path, default=None)
    parser.add_argument("--network", default=None, help="one network in this process, as JSON")
    parser.add_argument("--side", choices=["tutorial", "charloom"], default="charloom", help="what writes with it")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    if options.network:
        layers, size = map(int, options.network.split("x"))
        side = {"tutorial": tutorial_seconds, "charloom": writes}[options.side]
        print(json.dumps(side(layers, size, options.seconds)))
        return
    print(title(), f"numpy {np.__version__}, {os.cpu_count()} cores")
    networks = {}
    for layers, size in NETWORKS:
        rows = networks[f"{layers}x{size}"] = in_processes(layers, size, options.seconds, options.processes)
        show(f"{layers}x{size}", rows)
    starts = first_character(options.processes)
    print(f"first character after {statistics.median(starts):.2f} s ({min(starts):.2f} to {max(starts):.2f})")
    flat = flatness(options.characters)
    print(
        f"{options.characters:,} characters, 1x256: {flat['first'] * 1e6:.1f} us each at first, "
        f"{flat['last'] * 1e6:.1f} us at "
        f"the end; memory grew by {flat['grown_megabytes']:.1f} MB"
    )
    cost = cost_of_eight_bits(options.run, options.text) if options.run and options.text else None
    if cost:
        print(f"{options.text.name}: {cost['float32']:.5f} nats per character, {cost['int8']:.5f} in eight bits")
    if options.output:
        report = {"machine": machine(), "networks": networks, "first_character": starts, "flatness": flat, "int8": cost}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""What does a large text cost: memory, the one pass that prepares it, and starting again?

Usage: python benchmarks/large_texts.py [--full] [--kind ascii,mixed,lines] [--output FILE.json] [--folder FOLDER]

Texts of 1 MB, 100 MB and 1 GB, with --full also 10 GB, are the embedded corpus repeated, with a word changed here and
there so that no stretch is like another. "mixed" has characters beyond ASCII, and "lines" is trained on with
`--documents lines`. Each figure is of a process of its own: `charloom train TEXT --steps 8` with the default network,
once without anything in the cache and once more. The peak is the largest resident size that the system saw.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from charloom.data.datasets import dataset
from machine import machine, title

SIZES = (1e6, 1e8, 1e9)
STEPS = 8

_MEASURED = """
import resource, subprocess, sys, time
began = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""

_PREPARED = """
import sys, time
from pathlib import Path
from charloom.data.large_texts import large_text
began = time.monotonic()
text = large_text(Path(sys.argv[1]))
print(time.monotonic() - began)
"""

_BEGUN = """
import sys, time
began = time.monotonic()
from pathlib import Path
from charloom.data.text_sources import open_text
from charloom.settings import CorpusConfig, TrainingConfig
from charloom.training.start import begin
from charloom.training.request import Length, RunRequest
config = CorpusConfig(documents=sys.argv[3])
session = begin(open_text(sys.argv[1], config), RunRequest(config, length=Length(steps=8)), run=Path(sys.argv[2]))
session.trainer.advance()
print(time.monotonic() - began)
"""


def salted(size: int, kind: str) -> Iterator[bytes]:
    """About `size` bytes of text, some megabytes at a time, without long repetitions."""
    corpus = b"".join(data for _, data in dataset("python-docs").read()).decode()
    words = sorted(set(re.findall("[a-z]{4,}", corpus)))
    if kind == "ascii":
        corpus = corpus.encode("ascii", "ignore").decode()
    if kind == "mixed":
        corpus = corpus.replace("ss", "ß").replace("ae", "æ").replace(" - ", " – ").replace("->", "→")
    places = [found.start() for found in re.finditer(" ", corpus)]
    draw = np.random.Generator(np.random.PCG64(0))
    written = 0
    while written < size:
        pieces, last = list[str](), 0
        for place in sorted(draw.choice(places, len(places) // 50, replace=False).tolist()):
            pieces += [corpus[last:place], " ", words[int(draw.integers(len(words)))]]
            last = place
        data = "".join([*pieces, corpus[last:]]).encode()[: size - written].decode(errors="ignore").encode()
        yield data
        written += len(data)
        if size - written < 4:
            return


def write_text(path: Path, size: int, kind: str) -> None:
    """Some salted copies of the corpus, then the same in an order drawn at random, each after a number of its own."""
    made = list(salted(min(size, 16_000_000), kind))
    draw = np.random.Generator(np.random.PCG64(1))
    written = 0
    with path.open("wb") as file:
        for data in made:
            written += file.write(data)
        while written < size:
            data = made[int(draw.integers(len(made)))]
            if written + len(data) > size:
                data = data[: size - written].decode(errors="ignore").encode()
                written = size
            written += file.write(b"%d " % written + data)


def run(program: str, *arguments: object, environment: dict[str, str]) -> list[float]:
    """What a program in a fresh process prints."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, text=True)
    return [float(word) for word in done.stdout.split()]


def measure(size: int, kind: str, folder: Path) -> dict[str, object]:
    """The figures of one text, which is removed afterwards."""
    text, documents = folder / "text.txt", "lines" if kind == "lines" else "none"
    write_text(text, size, kind)
    environment = {**os.environ, "CHARLOOM_CACHE": str(folder / "cache")}
    (prepared,) = run(_PREPARED, text, environment=environment)
    train = [sys.executable, "-m", "charloom", "train", text, "--steps", STEPS, "--documents", documents]
    first, peak_first = run(_MEASURED, *train, "--run", folder / "first", environment=environment)
    again, peak = run(_MEASURED, *train, "--run", folder / "again", environment=environment)
    (begun,) = run(_BEGUN, text, folder / "begun", documents, environment=environment)
    unit = 1 if sys.platform == "darwin" else 1024
    cache = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
    return {
        "kind": kind,
        "text_bytes": text.stat().st_size,
        "cache_bytes": cache,
        "seconds_to_prepare": prepared,
        "megabytes_a_second": text.stat().st_size / 1e6 / prepared,
        "seconds_of_first_run": first,
        "seconds_of_second_run": again,
        "seconds_to_first_step": begun,
        "peak_bytes_first": peak_first * unit,
        "peak_bytes": peak * unit,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Memory and time of training on large texts.")
    parser.add_argument("--full", action="store_true", help="also 10 GB")
    parser.add_argument("--kind", default="ascii,mixed,lines")
    parser.add_argument("--megabytes", default="", help="other sizes, as in 1,20")
    parser.add_argument("--output", type=Path, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where there is room for the texts")
    options = parser.parse_args()
    sizes = [1e6 * float(word) for word in options.megabytes.split(",") if word] or [*SIZES, *[1e10] * options.full]
    rows = []
    print(title())
    for kind in options.kind.split(","):
        for size in map(int, sizes):
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                row = measure(size, kind, Path(folder))
            rows.append(row)
            print(
                f"{kind:6} {size / 1e6:8,.0f} MB: prepared in {row['seconds_to_prepare']:.1f} s "
                f"({row['megabytes_a_second']:,.0f} MB/s), cache {row['cache_bytes'] / 1e6:,.1f} MB, first step after "
                f"{row['seconds_to_first_step']:.1f} s, at most {row['peak_bytes_first'] / 1e6:,.0f} MB the first time "
                f"and {row['peak_bytes'] / 1e6:,.0f} MB again",
                flush=True,
            )
    if options.output:
        data = {"machine": machine(), "time": time.strftime("%F"), "rows": rows}
        options.output.write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()

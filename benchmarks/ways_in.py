"""How fast a large text is cleaned, and in how much memory: plain, with CRLF, compressed, shuffled, as rows.

    python benchmarks/ways_in.py [TEXT] [--megabytes 200]

The text is repeated, with a number on each line so that no two are equal. Each way runs in a process of its own, on
files that the system has just written. Seconds are those of the processor, so that neither the disk nor other processes
count; the peak is that of the process beyond one that reads 1 MB. Prints a table in Markdown.
"""

import argparse
import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from charloom.settings import CorpusConfig

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

WAYS: dict[str, dict[str, object]] = {
    "plain, checked": {},
    "CRLF": {},
    "latin-1": {"encoding": "latin-1"},
    "gzip": {},
    "bzip2": {},
    "xz": {},
    "zstd": {},
    "a folder of 1,000 files": {},
    "shuffled lines": {"documents": "lines", "shuffle": 1},
    "JSON lines": {"column": "text"},
    "Parquet": {"column": "text"},
}


def lines_of(text: Path, size: int) -> Iterable[bytes]:
    """Lines of the text over and over, each with its number, until they have `size` bytes."""
    lines = textwrap.wrap(text.read_text("utf-8"), 200, break_long_words=False)
    written = number = 0
    while written < size:
        line = f"{number} {lines[number % len(lines)]}\n".encode()
        yield line
        number, written = number + 1, written + len(line)


def made(way: str, folder: Path, plain: bytes) -> list[Path]:
    """The files of one way, holding the same text."""
    path = folder / way.replace(" ", "-").replace(",", "")
    if way == "a folder of 1,000 files":
        path.mkdir()
        lines = plain.splitlines(keepends=True)
        for number in range(1000):
            here = slice(number * len(lines) // 1000, (number + 1) * len(lines) // 1000)
            (path / f"{number:04}").write_bytes(b"".join(lines[here]))
        return sorted(path.iterdir())
    if way == "Parquet":
        import pyarrow
        from pyarrow import parquet

        texts = [line.decode() for line in plain.split(b"\n") if line]
        parquet.write_table(pyarrow.table({"text": texts}), path)
    elif way == "JSON lines":
        path.write_bytes(b"".join(json.dumps({"text": line.decode()}).encode() + b"\n" for line in plain.split(b"\n")))
    elif way == "zstd":
        from backports import zstd  # Python's own from 3.14 on

        path.write_bytes(zstd.compress(plain))
    else:
        pack = {
            "gzip": partial(gzip.compress, compresslevel=6),
            "bzip2": bz2.compress,
            "xz": partial(lzma.compress, preset=1),
        }
        data = plain.replace(b"\n", b"\r\n") if way == "CRLF" else plain
        path.write_bytes(pack.get(way, bytes)(data))
    return [path]


def measure(way: str, paths: list[Path]) -> None:
    """Clean the files in this process; prints its seconds and the peak in KiB."""
    from charloom.data.blocks import file_pieces
    from charloom.data.cleaning import Cleaning
    from charloom.data.large_sources import clean_copy

    begun = time.process_time()
    if way == "plain, checked":
        for _ in Cleaning(file_pieces(paths[0]), "utf-8", "text"):
            pass
    else:
        folder = paths[0].parent if len(paths) > 1 else None
        clean_copy(paths, CorpusConfig(**WAYS[way]), name="text", folder=folder)  # type: ignore[arg-type]
    status = Path("/proc/self/status").read_text()
    print(time.process_time() - begun, status.split("VmHWM:")[1].split()[0])


def measured(way: str, text: Path, size: int) -> tuple[float, int]:
    """Seconds and peak in KiB of one way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = made(way, folder, b"".join(lines_of(text, size)))
        command = [sys.executable, __file__, "--way", way, *map(str, paths)]
        environment = os.environ | {"CHARLOOM_CACHE": str(folder / "cache")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        seconds, peak = done.stdout.split()
        return float(seconds), int(peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", nargs="*", type=Path)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--ways", default=",".join(name.replace(",", ";") for name in WAYS), help="only these")
    arguments = parser.parse_args()
    if arguments.way:
        measure(arguments.way, arguments.text)
        return
    text = arguments.text[0] if arguments.text else SHARED / "text" / "state-of-the-union-10mb.txt"
    print("| way | MB of text a second | peak beyond that of 1 MB |\n|---|---|---|")
    for way in (name.replace(";", ",") for name in arguments.ways.split(",")):
        _, least = measured(way, text, 1 << 20)
        seconds, peak = measured(way, text, arguments.megabytes * 1_000_000)
        print(f"| {way} | {arguments.megabytes / seconds:.0f} | {(peak - least) / 1024:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()

"""How much memory does training take, and how does it grow with the text?

Usage: python benchmarks/memory.py [--megabytes 1,10,100] [--output FILE.json]

The text is the embedded corpus, repeated; the command is `charloom train TEXT --steps 50` with the default network. The
peak is the largest resident size of the process that the system saw.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from charloom.data.datasets import dataset
from machine import machine, title

_PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(arguments: list[str]) -> int:
    """Peak memory in bytes; measured from a small process, because a child first counts its parent's pages."""
    command = [sys.executable, "-c", _PEAK, sys.executable, "-m", "charloom", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of training against the size of the text.")
    parser.add_argument("--megabytes", default="1,10,100")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    corpus = b"".join(data for _, data in dataset("python-docs").read())
    rows = []
    print(title())
    with tempfile.TemporaryDirectory() as folder:
        for size in (int(float(word) * 1e6) for word in options.megabytes.split(",")):
            text = Path(folder) / f"{size}.txt"
            text.write_bytes((corpus * (size // len(corpus) + 1))[:size].decode(errors="ignore").encode())
            resident = peak(["train", str(text), "--steps", "50", "--run", str(Path(folder) / f"run-{size}")])
            rows.append({"text_bytes": size, "peak_bytes": resident})
            print(f"text of {size / 1e6:6,.0f} MB: {resident / 1e6:6,.0f} MB at most", flush=True)
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()

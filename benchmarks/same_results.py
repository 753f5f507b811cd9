"""Compare two checkouts: the same seeds must give the same weights, metrics and scores.

python benchmarks/same_results.py OLD [--steps 40]

trains each cell on characters and bytes, as running text and as lines, with the package of this checkout and with that
of the checkout OLD, in the same environment, and compares weights, `metrics.jsonl` and `charloom evaluate`.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CELLS, VOCABULARIES, DOCUMENTS = ("lstm", "gru", "rnn-tanh", "rnn-relu"), ("characters", "bytes"), ("whole", "lines")


def charloom(checkout: Path, folder: Path, *arguments: str) -> str:
    """What a command of a checkout's package prints, run in `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    command = [sys.executable, "-m", "charloom", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(arguments)}: {done.stderr.splitlines()[-1:]}")
    return done.stdout


def main() -> None:
    """Print a line for each combination; exit with 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    arguments = parser.parse_args()
    differing = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "text.txt").write_text("".join(f"{n} Ämter, {n * n} Töne: {n % 7}.\n" for n in range(4000)), "utf-8")
        for cell, vocabulary, documents in itertools.product(CELLS, VOCABULARIES, DOCUMENTS):
            results = []
            for side, checkout in (("old", arguments.old.resolve()), ("new", HERE)):
                run = f"{side}-{cell}-{vocabulary}-{documents}"
                kind = ["--documents", "lines"] if documents == "lines" else []
                settings = ["--network.cell", cell, "--vocabulary", vocabulary, *kind, "--steps", str(arguments.steps)]
                small = ["--network.hidden-size", "48", "--network.dropout", "0.2", "--training.sequence-length", "32"]
                charloom(checkout, folder, "train", "text.txt", "--run", run, *settings, *small)
                files = [(folder / run / file).read_bytes() for file in ("model/model.safetensors", "metrics.jsonl")]
                results.append([*files, charloom(checkout, folder, "evaluate", run, "--json")])
            same = results[0] == results[1]
            differing += not same
            print(f"{cell:9} {vocabulary:10} {documents:5} {'the same' if same else 'DIFFERENT'}", flush=True)
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()

"""Do two versions of charloom make the same bytes: weights, metrics, checkpoints, texts, scores, archives, predictions?

Usage: python benchmarks/same_bytes.py OLD [NEW]

OLD and NEW are commits or folders with a checkout; NEW defaults to this working tree. Both run the same commands, each
in its own process, on a text that comes with Python. Every file they write and everything they print is compared by its
SHA-256, except durations, paths, and the files that hold nothing else (`clock.jsonl`, locks). Then NEW reads the runs
that OLD made; figures and texts must be the same. Exit code 1 and a list of what differs, or 0. About two minutes for
each version.
"""

import argparse
import hashlib
import json
import os
import pydoc_data.topics
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

CELLS = ("lstm", "gru", "rnn-tanh", "rnn-relu")

UNEQUAL_BY_NATURE = ("clock.jsonl", ".lock", "checkpoint.safetensors", "checkpoint.safetensors.previous")

TIMES = re.compile(
    r'"(seconds|check_seconds|characters_per_second|path|run|peak_memory_bytes)": ("[^"]*"|[0-9.e+-]+),?\s*'
)

DELETED = re.compile(rb'\n *"members": 1,')
"""Deleted options of classifiers: a configuration that names their one remaining value equals one without them."""

Digests = dict[str, str]
"""SHA-256 by the name of a file or a command."""


def commands(folder: Path) -> dict[str, list[str]]:
    """The commands to run, in this order, by name."""
    text, lines, rows, words = (folder / name for name in ("text.txt", "lines.txt", "rows.tsv", "words.txt"))
    network = ["--network.hidden-size", "24", "--network.embedding-size", "8"]
    small = [*network, "--training.batch-size", "4", "--training.sequence-length", "32"]
    steps = ["--steps", "45", "--save-every", "20"]
    runs = folder / "runs"
    todo: dict[str, list[str]] = {}
    for cell in CELLS:
        run = str(runs / cell)
        sizes = [*small, "--network.cell", cell, "--network.layers", "2", "--network.dropout", "0.2"]
        todo[f"train {cell}"] = ["train", str(text), "--run", run, *sizes, *steps, "--json"]
        todo[f"resume {cell}"] = ["train", "--resume", "--run", run, "--steps", "60", "--json"]
        todo[f"generate {cell}"] = ["generate", run, "--prompt", "The ", "--length", "200", "--seed", "7", "--json"]
        todo[f"samples {cell}"] = ["generate", run, "--samples", "5", "--length", "60", "--top-p", "0.9", "--seed", "3"]
        todo[f"evaluate {cell}"] = ["evaluate", run, "--json"]
        todo[f"score {cell}"] = ["score", run, "The value of an expression.", "--json"]
        todo[f"compress {cell}"] = ["compress", run, str(words), "--output", str(folder / f"{cell}.cl"), "--json"]
        todo[f"info {cell}"] = ["info", run, "--json"]
    of_lines = [*small, "--documents", "lines", *steps, "--json"]
    first = str(runs / "lstm")
    todo |= {
        "train lines": ["train", str(lines), "--run", str(runs / "lines"), *of_lines],
        "generate lines": ["generate", str(runs / "lines"), "--samples", "6", "--seed", "2"],
        "train bytes": ["train", str(text), "--run", str(runs / "bytes"), "--vocabulary", "bytes", *small, *steps],
        "evaluate bytes": ["evaluate", str(runs / "bytes"), "--json"],
        "fine-tune": ["train", str(lines), "--run", str(runs / "tuned"), "--from", first, *steps, *small[4:], "--json"],
        "complete": ["complete", first, "The expr", "--json"],
        "correct": ["correct", first, "The valeu of an expresion is returned.", "--json"],
        "classify train": ["classify", "train", str(rows), "--run", str(runs / "classes"), "--epochs", "2", "--json"],
        "classify predict": ["classify", "predict", str(runs / "classes"), str(words), "--json"],
        "classify evaluate": ["classify", "evaluate", str(runs / "classes"), str(rows), "--json"],
    }
    return todo


def write_inputs(folder: Path) -> None:
    """The texts that all commands read: Python's own help, its lines, and rows of two classes of lines."""
    topics = sorted(pydoc_data.topics.topics.items())
    text = "\n".join(body for _, body in topics)[:60_000]
    lines = [line for line in (line.strip() for line in text.splitlines()) if 10 < len(line) < 60][:600]
    code = [line for line in lines if re.search(r"[=()]", line)]
    prose = [line for line in lines if line not in set(code)]
    rows = [f"code\t{line}" for line in code] + [f"prose\t{line}" for line in prose]
    (folder / "text.txt").write_text(text, "utf-8")
    (folder / "lines.txt").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "rows.tsv").write_text("\n".join(row.replace('"', "") for row in rows) + "\n", "utf-8")
    (folder / "words.txt").write_text("\n".join(lines[:40]) + "\n", "utf-8")


READING = (
    "generate",
    "samples",
    "evaluate",
    "score",
    "info",
    "complete",
    "correct",
    "classify predict",
    "classify evaluate",
)
"""Commands that do not change a run."""


def printed(checkout: Path, folder: Path, todo: dict[str, list[str]]) -> Digests:
    """The SHA-256 of the output of each command with this version."""
    made: Digests = {}
    fixed = {"PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    environment = os.environ | fixed
    for name, words in todo.items():
        print(f"{checkout.name}: {name}", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, "-m", "charloom", *words], cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{checkout}: charloom {' '.join(words)}: {done.stderr.strip()}")
        made[f"printed by: {name}"] = sha256(TIMES.sub("", done.stdout).replace(str(folder), "").encode())
    return made


def digests(checkout: Path, folder: Path) -> Digests:
    """The SHA-256 of each file that this version makes, and of each command's output."""
    write_inputs(folder)
    made = printed(checkout, folder, commands(folder))
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith(UNEQUAL_BY_NATURE):
            data = path.read_bytes()
            if path.name in ("config.json",):
                data = DELETED.sub(b"", data.replace(str(folder).encode(), b""))
            made[str(path.relative_to(folder))] = sha256(data)
    return made


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def checkout(version: str, folder: Path) -> Path:
    """The folder with this version: the folder itself, or a copy of the commit."""
    if (Path(version) / "src" / "charloom").is_dir():
        return Path(version).resolve()
    folder.mkdir()
    archive = subprocess.run(["git", "archive", version], cwd=ROOT, capture_output=True)
    if archive.returncode:
        raise SystemExit(f"{version} is neither a commit nor a folder with a checkout")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default=str(ROOT))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        work, made, places = Path(root) / "work", [], []  # one place for both, so that no path differs
        for name, version in (("old", given.old), ("new", given.new)):
            places.append(checkout(version, Path(root) / name))
            work.mkdir()
            made.append(digests(places[-1], work))
            work.rename(Path(root) / f"made-by-{name}")
        old, new = made
        different = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        (Path(root) / "made-by-old").rename(work)
        reading = {name: words for name, words in commands(work).items() if name.startswith(READING)}
        again = printed(places[1], work, reading)
        different += sorted(f"of a run made by OLD, {name}" for name, digest in again.items() if old[name] != digest)
        print(json.dumps({"compared": len(old.keys() | new.keys()) + len(again), "different": different}, indent=2))
    sys.exit(bool(different))


if __name__ == "__main__":
    main()

"""Makes the ready-made model `english`: its texts, its training, its files, its figures.

Usage: python benchmarks/ready_english.py DATA BUILD [--steps 22000] [--only train|pack]

DATA is a folder with english-prose/, moby-dick.txt and state-of-the-union-10mb.txt; everything that is made lies in
BUILD: the documents (text/), the run (run/) and the finished model (english/), which is copied into the package. The
training can be interrupted at any time and goes on where it was when the same command is given again.
"""

import argparse
import json
from pathlib import Path

import charloom
from ready_texts import Source, english

NETWORK = charloom.NetworkConfig(hidden_size=960, embedding_size=128, dropout=0.1)
"""960 units is the largest LSTM whose bfloat16 gradient torch computes correctly on every processor."""

TRAINING = charloom.TrainingConfig(learning_rate=12e-3, weight_decay=0.05, validations=20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("build", type=Path)
    parser.add_argument("--steps", type=int, default=22_000)
    parser.add_argument("--only", choices=("train", "pack"))
    arguments = parser.parse_args()
    sources = english(arguments.data)
    run = arguments.build / "run"
    if arguments.only != "pack":
        train(sources, arguments.build / "text", run, arguments.steps)


def train(sources: list[Source], folder: Path, run: Path, steps: int) -> None:
    """Train the run, or go on with it."""
    if (run / "checkpoint.json").exists():
        charloom.train(resume=run, progress=True)
        return
    documents = [text for source in sources for text in source.train]
    held_out = [text for source in sources for text in source.held_out]
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate([*documents, *held_out]):
        (folder / f"{number:05}.txt").write_text(text, encoding="utf-8", newline="")
    trained, rest = sum(map(len, documents)), sum(map(len, held_out))
    share = (trained + 0.5) / (trained + rest)  # half a character, so that rounding cannot move the border
    corpus = charloom.CorpusConfig(split=(share, 1 - share, 0.0))
    facts = {source.name: [source.sha256, len(source.train), len(source.held_out)] for source in sources}
    (folder.parent / "sources.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    charloom.train(folder, run=run, steps=steps, network=NETWORK, training=TRAINING, corpus=corpus, progress=True)


if __name__ == "__main__":
    main()

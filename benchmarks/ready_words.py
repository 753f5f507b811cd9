"""Makes the file of counted words that comes with the ready-made model `english`, from the same texts.

Usage: python benchmarks/ready_words.py DATA [--output FILE] [--pairs 2] [--triples 3]

DATA is a folder with english-prose/, moby-dick.txt and state-of-the-union-10mb.txt. Only the documents that the model
is trained on are counted. The file goes into the package unless --output names another place; its SHA-256 and what is
in it are printed for the model's card. It takes about half a minute and 1 GB of memory.
"""

import argparse
import hashlib
from pathlib import Path

from charloom.complete.pruned_counts import PAIRS, TRIPLES, PrunedCounts
from charloom.complete.word_files import read_counts, write_counts
from charloom.places.ready_made import READY_MADE, WORDS
from ready_texts import english


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=READY_MADE["english"].folder / WORDS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--triples", type=int, default=TRIPLES)
    options = parser.parse_args()
    texts = [text for source in english(options.data) for text in source.train]
    counts = PrunedCounts.of(texts, pairs=options.pairs, triples=options.triples)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_counts(options.output, counts)
    written = options.output.read_bytes()
    tables = read_counts(options.output).tables
    print(
        f"{options.output.name}: {len(written):,} bytes, SHA-256 {hashlib.sha256(written).hexdigest()}; "
        f"{len(counts):,} words and marks in {len(texts):,} documents, {len(tables.words):,} different, "
        f"{len(tables.second):,} pairs that occur at least {options.pairs} times, "
        f"{len(tables.third):,} triples at least {options.triples} times"
    )


if __name__ == "__main__":
    main()

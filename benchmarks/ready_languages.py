"""Makes the ready-made model `languages`: its training, its pruning, its files, its figures.

Usage: python benchmarks/ready_languages.py DATA BUILD [--only train|choose|pack]

DATA is a folder with languages/sentences.tsv. A tenth of each language's sentences is held out. On the others a
classifier is trained as `benchmarks/classify_languages.py` does, in BUILD/run; it is what the ready-made model is
compared with. The training can be interrupted, and continues when the same command is given again. The ready-made model
has no network. Its n-grams are counted on what that run is trained on, pruned, calibrated on the twentieth that the run
holds out (the development sentences), and written into the package. The sentences held out at first are read once, for
the figures on its card. `--only choose` compares sizes on the development sentences; LONGEST and SHARES come from it.
"""

import argparse
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charloom.classify.batches import held_parts
from charloom.classify.counts_alone import calibrated, counts_alone, folder_files
from charloom.classify.experiment import begin, resume
from charloom.classify.model import Classifier, label_places, load_classifier
from charloom.classify.n_gram_packing import rounded
from charloom.classify.n_grams import NGrams
from charloom.classify.pruning import pruned, telling
from charloom.classify.request import ClassifierRequest
from charloom.classify.rows import Rows, hold_out, read_rows
from charloom.classify.symbols import SymbolTable, vocabulary_of
from charloom.places.ready_made import READY_MADE
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig
from charloom.training.card_metadata import Metadata
from charloom.training.request import Length
from classify_languages import QUERIES, sample, share
from language_names import NAMES
from machine import title

CROPS, SEED = 0.5, 1
CLASSIFICATION = ClassificationConfig(crops=CROPS, next_character=0.0, every_place=1.0)
"""As in `benchmarks/classify_languages.py`."""

LARGEST = 3_000_000
"""The most bytes that the files may have together."""

LONGEST, SHARES = 6, 1_850_000
"""Characters of the longest sequences, and how many shares of longer sequences than one stay."""

CHOICES = ((5, 1_200_000), (5, 1_850_000), (6, 1_200_000), (6, 1_850_000))

TAGS = ("character-level", "n-grams", "language-identification")

TEST = 60
"""Held-out sentences of each language that are asked."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("build", type=Path)
    parser.add_argument("--only", choices=("train", "choose", "pack"))
    arguments = parser.parse_args()
    file = arguments.data / "languages" / "sentences.tsv"
    rows = read_rows(file)
    kept, held = hold_out(rows, 0.1, 1001)
    train_rows, test = rows.take(kept), sample(rows.take(held), TEST)
    run = arguments.build / "run"
    if arguments.only in (None, "train"):
        train(train_rows, run)
    if arguments.only == "choose":
        choose(Counted.of(train_rows))
    if arguments.only in (None, "pack"):
        pack(train_rows, test, run, hashlib.sha256(file.read_bytes()).hexdigest())


def train(rows: Rows, run: Path) -> None:
    """Train the classifier to compare with, or continue."""
    if (run / "checkpoint.safetensors").exists():
        session = resume(run)
    else:
        training, length = ClassifierTrainingConfig(seed=SEED), Length(epochs=4)
        request = ClassifierRequest(CLASSIFICATION, ClassifierNetworkConfig(), training, length=length)
        session = begin(rows, request, name="languages", run=run)
    for _ in session.events():
        pass


@dataclass(frozen=True, eq=False)
class Counted:
    """The sentences to count, and the development sentences."""

    rows: Rows
    development: Rows
    table: SymbolTable

    @classmethod
    def of(cls, rows: Rows) -> "Counted":
        """The same parts as the run's."""
        kept, held = hold_out(rows, CLASSIFICATION.held, SEED)
        return cls(rows.take(kept), rows.take(held), SymbolTable(vocabulary_of(rows.take(kept).texts)))

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each sentence."""
        return label_places(self.rows.labels, self.rows.classes)

    def n_grams(self, longest: int) -> NGrams:
        """Sequences of up to `longest` characters."""
        texts = [self.table.encode(text) for text in self.rows.texts]
        return NGrams.count(texts, self.labels, self.table, classes=len(self.rows.classes), longest=longest)

    def classifier(self, n_grams: NGrams) -> Classifier:
        """These n-grams, calibrated."""
        held = held_parts(self.development.texts, self.table, crops=CROPS, seed=SEED)
        model = counts_alone(n_grams, self.rows.classes, np.bincount(self.labels))
        return calibrated(model, held, model.places(self.development.labels))


def choose(counted: Counted) -> None:
    """Compare sizes on the development sentences."""
    print("| Characters | Shares | Bytes | " + " | ".join(QUERIES) + " |")
    for longest in sorted({longest for longest, _ in CHOICES}):
        n_grams = counted.n_grams(longest)
        weights = telling(n_grams)
        whole = right(counted.classifier(n_grams), counted.development)
        print(row(f"{longest} | all | -", whole), flush=True)
        for shares in (shares for each, shares in CHOICES if each == longest):
            model = counted.classifier(rounded(pruned(n_grams, shares=shares, weights=weights)))
            size = sum(map(len, folder_files(model).values()))
            print(row(f"{longest} | {shares:,} | {size:,}", right(model, counted.development)), flush=True)


def pack(rows: Rows, test: Rows, run: Path, sha256: str) -> None:
    """Write the model's folder, and measure it."""
    counted = Counted.of(rows)
    n_grams = counted.n_grams(LONGEST)
    files = folder_files(counted.classifier(rounded(pruned(n_grams, shares=SHARES))))
    folder = READY_MADE["languages"].folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    shipped = load_classifier(folder)
    compared = {
        "network and n-grams of up to 5 characters, unpruned": right(load_classifier(run), test),
        f"n-grams of up to {LONGEST} characters, unpruned": right(counted.classifier(n_grams), test),
        "**this model**": right(shipped, test),
    }
    lines = card(rows, test, shipped, compared, hashes(files) | {"sentences.tsv": sha256})
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert size <= LARGEST, f"{size:,} bytes"


def row(name: str, figures: Mapping[str, float]) -> str:
    """A row of a table of figures."""
    return f"| {name} | " + " | ".join(f"{value:.2f}" for value in figures.values()) + " |"


def right(model: Classifier, rows: Rows) -> dict[str, float]:
    """Percent of the rows that are classified right, of each kind of query."""
    return {query: share(rows.labels, answers(model, rows, query)) for query in QUERIES}


def answers(model: Classifier, rows: Rows, query: str) -> list[str]:
    """The language of each row's query."""
    return [label for label, _ in model.predict([QUERIES[query](text) for text in rows.texts])]


def hashes(files: dict[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def card(
    rows: Rows, test: Rows, shipped: Classifier, compared: dict[str, dict[str, float]], sums: dict[str, str]
) -> list[str]:
    """The lines of the card: texts, hashes, licence, command, machine, figures, limits."""
    codes = tuple(sorted({name.split("-")[0] for name in shipped.classes}))
    metadata = Metadata("text-classification", "Common Voice", "held out", licence="cc0-1.0", language=codes, tags=TAGS)
    longest, shares = len(shipped.config.n_grams), sum(each.shares for each in shipped.config.n_grams)
    return [
        *metadata.block("languages"),
        "# languages",
        "",
        f"The language of a text, one of {len(shipped.classes)}: of a sentence, of a few words, of one word. It comes "
        f"with charloom. Counted n-grams of up to {longest} characters decide: Kneser-Ney smoothing for each language, "
        f"pruned to {shares:,} shares of one byte. There is no network.",
        "",
        "- Made by: `python benchmarks/ready_languages.py DATA BUILD`, on " + title(),
        f"- Texts: {len(rows):,} sentences of Common Voice, at most 1,800 of each language, CC0; a twentieth of them "
        "only chose sizes and calibrated. SHA-256 of the file, which holds the sentences held out too: "
        f"`{sums.pop('sentences.tsv')}`",
        "- Licence: the sentences are CC0; the model is CC0.",
        *(f"- SHA-256 of {name}: `{value}`" for name, value in sums.items()),
        "- The same command makes the same n-grams on any machine; temperature and count weight, in model.safetensors, "
        "may differ in the last bits. The network, only compared with, differs between machines.",
        "",
        f"Percent right of {len(test):,} held-out sentences, at most {TEST} of each language; none of them was used "
        "for training or for a choice:",
        "",
        "| | " + " | ".join(QUERIES) + " |",
        "|---|" + "---|" * len(QUERIES),
        *(row(name, figures) for name, figures in compared.items()),
        "",
        *limits(test, shipped),
        "",
        "## Languages",
        "",
        "The classes are language tags (BCP 47), as Common Voice uses them.",
        "",
        "| Tag | Language | Sentences |",
        "|---|---|---|",
        *languages(rows, shipped),
        "",
        "## Use",
        "",
        "```sh",
        'charloom classify predict languages "Wie spät ist es?"',
        "```",
        "",
        "```python",
        "import charloom",
        "",
        'charloom.load_classifier("languages").predict(["Wie spät ist es?"])',
        "```",
    ]


def languages(rows: Rows, model: Classifier) -> list[str]:
    """A row for each language: its tag, its name, how many sentences it learned from."""
    counts = Counter(rows.labels)
    return [f"| {name} | {NAMES[name]} | {counts[name]:,} |" for name in model.classes]


def limits(test: Rows, model: Classifier) -> list[str]:
    """What the model is bad at, with figures."""
    found = answers(model, test, "one word")
    pairs = Counter((label, taken) for label, taken in zip(test.labels, found, strict=True) if label != taken)
    return [
        "Limits:",
        "",
        "- Any text gets one of these languages, also a text in another language or in none; `--threshold` answers "
        '"unknown" where the model is unsure.',
        "- It learned from sentences that people read aloud: few names, numbers or addresses, no code, no slang of "
        "chats. A text in two languages gets one.",
        "- One word is often a word of several languages. Most often wrong for one word: "
        + "; ".join(f"{a} taken for {b} ({count})" for (a, b), count in pairs.most_common(8))
        + ".",
        "- Lowest share right of one word: " + weakest(test.labels, found) + ".",
        "- Lowest share right of a whole sentence: "
        + weakest(test.labels, answers(model, test, "whole sentence"))
        + ".",
    ]


def weakest(labels: Sequence[str], found: Sequence[str]) -> str:
    """The five languages of which the smallest share is right."""
    asked, good = Counter(labels), Counter(a for a, b in zip(labels, found, strict=True) if a == b)
    worst = sorted(asked, key=lambda name: (good[name] / asked[name], name))[:5]
    return ", ".join(f"{name} {100 * good[name] / asked[name]:.0f} % of {asked[name]}" for name in worst)


if __name__ == "__main__":
    main()

"""The origin of a surname: charloom, whole and by halves, n-grams, a linear SVM, PyTorch's tutorial, on the same
splits.

Usage: python benchmarks/classify_surnames.py [ROWS.tsv] [--splits 3] [--quick] [--only NAMES] [--output FILE.json]

Each split holds out a fifth of every language (names that differ only in case or punctuation go to one side);
everything is trained on the rest and tested on the held-out fifth once. Peers choose smoothing, C and the length of
n-grams on a tenth of the training rows. Accuracy favours a model that knows that half of the names are Russian,
balanced accuracy one that ignores it. So peers and charloom appear twice here if they can be told to weight classes
equally. Needs: pip install 'charloom[bench]'.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charloom.classify.model import Classifier
from charloom.classify.rows import Rows, hold_out, read_rows
from classify_peers import Trained, alone, chosen, classifier, figures, linear_svm, naive_bayes, table, tutorial
from machine import machine, title

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "names" / "surnames-by-language.tsv"


def ways(train: Rows, split: int, *, quick: bool) -> dict[str, Callable[[], Trained]]:
    """The methods, each trained when it is called."""
    epochs: dict[str, Any] = {"epochs": 2} if quick else {}
    words = {"analyzer": "char_wb"}
    models: list[Classifier] = []

    def ours() -> Trained:
        trained, model = classifier(train, name="surnames", seed=split, settings=epochs)
        models.append(model)
        return trained

    return {
        "naive Bayes, 1- to 4-grams": lambda: naive_bayes(train, longest=4, **words),
        "naive Bayes, classes alike": lambda: naive_bayes(train, longest=3, prior=False, **words),
        "linear SVM, 1- to 4-grams": lambda: linear_svm(train, longest=4, **words),
        "linear SVM, 1- to 5-grams": lambda: linear_svm(train, longest=5, **words),
        "linear SVM, classes alike": lambda: linear_svm(train, longest=4, balanced=True, **words),
        "PyTorch's tutorial": lambda: tutorial(train, epochs=1 if quick else 27),
        "charloom": ours,
        "charloom, its network alone": lambda: alone(models[0], train, network=True),
        "charloom, its n-grams alone": lambda: alone(models[0], train, network=False),
        "charloom, classes alike": lambda: classifier(
            train, name="surnames", seed=split, settings={**epochs, "class_weights": 0.5}
        )[0],
        "charloom, generative": lambda: classifier(
            train, name="surnames", seed=split, settings={**epochs, "kind": "generative"}
        )[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="The origin of a surname, compared with common tools.")
    parser.add_argument("rows", type=Path, nargs="?", default=DATA)
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="one split, short trainings: shows that it works, not how good it is"
    )
    parser.add_argument("--only", nargs="+", default=[], help="only methods with one of these in their names")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    rows = read_rows(options.rows)
    results: dict[str, list[dict[str, float]]] = {}
    for split in range(1, 2 if options.quick else options.splits + 1):
        kept, held = hold_out(rows, 0.2, 1000 + split)
        train, test = rows.take(kept), rows.take(held)
        for name, make in ways(train, split, quick=options.quick).items():
            if not chosen(name, options.only):
                continue
            trained = make()
            found = figures(test.labels, list(trained.predict(test.texts)))
            results.setdefault(name, []).append({**found, "seconds": trained.seconds})
            print(f"split {split}  {name}: {found}", file=sys.stderr, flush=True)
    print(f"{len(rows):,} surnames of {len(rows.classes)} languages, a fifth held out; {title()}")
    print(table(results))
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

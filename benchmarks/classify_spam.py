"""Spam among short messages: charloom, whole and by halves, compared with n-gram naive Bayes and linear SVMs, five
folds.

Usage: python benchmarks/classify_spam.py [ROWS.tsv] [--folds 5] [--quick] [--only NAMES] [--output FILE.json]

Every message is classified once, by a model trained on the other folds; messages that differ only in digits, case and
punctuation are in one fold. F1 is that of spam. Peers choose smoothing and C on a tenth of the training rows. Needs:
pip install 'charloom[bench]'.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from charloom.classify.model import Classifier
from charloom.classify.rows import Rows, read_rows
from classify_peers import Trained, alone, chosen, classifier, figures, folds, linear_svm, naive_bayes, table
from machine import machine, title

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "spam" / "sms.tsv"


def ways(train: Rows, number: int, *, quick: bool) -> dict[str, Callable[[], Trained]]:
    """The methods, each trained when it is called."""
    epochs: dict[str, Any] = {"epochs": 2} if quick else {}
    models: list[Classifier] = []

    def ours() -> Trained:
        trained, model = classifier(train, name="spam", seed=number, settings=epochs)
        models.append(model)
        return trained

    return {
        "naive Bayes, 1- to 4-grams": lambda: naive_bayes(train, longest=4),
        "linear SVM, 1- to 4-grams": lambda: linear_svm(train, longest=4),
        "linear SVM, 1- to 5-grams": lambda: linear_svm(train, longest=5),
        "linear SVM, classes alike": lambda: linear_svm(train, longest=5, balanced=True),
        "charloom": ours,
        "charloom, its network alone": lambda: alone(models[0], train, network=True),
        "charloom, its n-grams alone": lambda: alone(models[0], train, network=False),
        "charloom, generative": lambda: classifier(
            train, name="spam", seed=number, settings={**epochs, "kind": "generative"}
        )[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Spam among short messages, compared with common tools.")
    parser.add_argument("rows", type=Path, nargs="?", default=DATA)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="one fold, short trainings: shows that it works, not how good it is"
    )
    parser.add_argument("--only", nargs="+", default=[], help="only methods with one of these in their names")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    rows = read_rows(options.rows)
    results: dict[str, list[dict[str, float]]] = {}
    for number, held in enumerate(folds(rows, options.folds, seed=1)[: 1 if options.quick else None], 1):
        train, test = rows.take(np.setdiff1d(np.arange(len(rows)), held)), rows.take(held)
        for name, make in ways(train, number, quick=options.quick).items():
            if not chosen(name, options.only):
                continue
            trained = make()
            found = figures(test.labels, list(trained.predict(test.texts)), positive="spam")
            results.setdefault(name, []).append({**found, "seconds": trained.seconds})
            print(f"fold {number}  {name}: {found}", file=sys.stderr, flush=True)
    print(f"{len(rows):,} messages, {rows.labels.count('spam'):,} of them spam, {options.folds} folds; {title()}")
    print(table(results))
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

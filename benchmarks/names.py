"""Do written names look like names, and are they new? Compared with character n-grams of orders 3 to 5.

Usage: python benchmarks/names.py FOLDER [--steps 1500] [--seed 1] [--quick] [--output JSON]

FOLDER holds `first-names.txt`, one name per line, and `surnames-by-language.tsv`, `language<TAB>surname`. First names
get the order and split of makemore's lectures (Python's `random`, seed 42; 80 % to train, 10 % dev, 10 % test), so that
the loss is comparable with theirs; surnames get the order of `--shuffle 1`, with the same shares. The model of surnames
reads the language and a tab as its prompt. The loss is nats per character of a name and its end, given the language;
the n-grams of surnames mix one of all languages with the language's own, with a weight chosen on the dev names.
Settings were also chosen on the dev names.

As many names are written as are held out (dev and test), in the same languages, at each temperature. New: not in the
training list, apart from capitals and accents. Held out: share of all that are real names not trained on. Distinct:
share when each is counted once. Right language: the verdict of a linear model trained on the training list, next to its
verdict on the held-out names. Told apart: how often a linear model distinguishes a written name from a held-out one (50
% if they cannot be told apart).
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import charloom
from charloom.data.corpus import make_corpus
from charloom.generation.batched_generation import generate_many
from charloom.generation.novelty import Lines, compare, line_of
from charloom.models.language_model import LanguageModel
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from machine import title
from name_peers import Grams, Origin, told_apart

TEMPERATURES = (0.5, 0.8, 1.0)
ORDERS = (3, 4, 5)
PUBLISHED = (
    "published for the same split of the first names (dev; the performance log of makemore's part 5, nn-zero-to-hero): "
    "MLP 2.105, WaveNet of 76,000 parameters 1.993"
)

Names = list[tuple[str, str]]
"""Language (or an empty string) and name."""


def split(names: Names) -> tuple[Names, Names, Names]:
    first, second = int(0.8 * len(names)), int(0.9 * len(names))
    return names[:first], names[first:second], names[second:]


def first_names(file: Path) -> tuple[Names, Names, Names]:
    names = file.read_text("utf-8").split()
    random.seed(42)
    random.shuffle(names)
    return split([("", name) for name in names])


def surnames(file: Path) -> tuple[Names, Names, Names]:
    config = CorpusConfig(documents="lines", shuffle=1)
    corpus = make_corpus([(file.name, file.read_bytes())], config, name=file.stem, source=str(file))
    rows = [line.partition("\t") for line in str(corpus.text).splitlines()]
    return split([(language, name) for language, _, name in rows])


def text(names: Names) -> str:
    return "".join(f"{language}\t{name}\n" if language else f"{name}\n" for language, name in names)


def train(parts: tuple[Names, Names, Names], run: Path, steps: int, network: NetworkConfig, seed: int) -> LanguageModel:
    """A model of the training names; the best one on the dev names is kept. The shares cut between two names."""
    whole = [text(part) for part in parts]
    size = sum(map(len, whole))
    first, second = ((len(whole[0]) + 0.5) / size, len(whole[1]) / size)
    config = CorpusConfig(split=(first, second, 1 - first - second), documents="lines")
    charloom.train(
        "".join(whole),
        run=run,
        steps=steps,
        corpus=config,
        network=network,
        training=TrainingConfig(batch_size=32, learning_rate=12e-3, weight_decay=0.1, seed=seed),
    )
    return charloom.load(run)


def nats(model: LanguageModel, names: Names) -> float:
    """Surprisal of names and their ends, given their languages: that of the lines, minus that of their prefixes."""
    surprise = charloom.surprisal(model, text(names))
    total, place = 0.0, 0
    for language, name in names:
        place += len(language) + bool(language)
        total += float(surprise[place : place + len(name) + 1].sum())
        place += len(name) + 1
    return total


def written(model: LanguageModel, languages: list[str], temperature: float) -> list[str]:
    prompts = [f"{language}\t" if language else "" for language in languages]
    samples = generate_many(model, prompts, temperature=temperature, length=60, seed=1)
    return [line_of(sample).rpartition("\t")[2] for sample in samples]


def measure(
    parts: tuple[Names, Names, Names], run: Path, steps: int, network: NetworkConfig, seed: int
) -> dict[str, Any]:
    train_names, dev, test = parts
    began = time.perf_counter()
    model = train(parts, run, steps, network, seed)
    rows: dict[str, Any] = {}
    seconds = time.perf_counter() - began
    has_languages = bool(train_names[0][0])

    def loss(total: float, names: Names) -> float:
        return total / sum(len(name) + 1 for _, name in names)

    writers: dict[str, Any] = {
        "charloom": lambda languages, temperature: written(model, languages, temperature),
    }
    rows["charloom"] = {"dev": loss(nats(model, dev), dev), "test": loss(nats(model, test), test), "seconds": seconds}
    for order in ORDERS:
        grams = Grams(train_names, model.vocabulary, order)
        if has_languages:
            found = dict[float, float]()
            for own in (0.2, 0.35, 0.5, 0.65, 0.8):
                grams.own = own
                found[own] = grams.nats(dev)
            grams.own = min(found, key=found.__getitem__)
        name = f"{order}-gram" + (f", {grams.own:.0%} the language's own" if has_languages else "")
        rows[name] = {"dev": loss(grams.nats(dev), dev), "test": loss(grams.nats(test), test)}

        def write(languages: list[str], temperature: float, grams: Grams = grams) -> list[str]:
            draw = np.random.Generator(np.random.PCG64(1))
            return [grams.write(language, temperature, draw) for language in languages]

        writers[name] = write
    held = dev + test
    known, held_lines = Lines(name for _, name in train_names), Lines(name for _, name in held)
    origin = Origin(train_names) if has_languages else None
    languages, real = [language for language, _ in held], [name for _, name in held]
    again = compare(real, known, held_lines)
    rows["held out"] = {"names": len(held), "mean_length": again.mean_length, "new": again.share("new")}
    rows["held out"]["distinct"] = again.share("distinct")
    if origin:
        rows["held out"]["right_language"] = origin.right(held)
    for name, write in writers.items():
        for temperature in TEMPERATURES:
            names = write(languages, temperature)
            told = compare(names, known, held_lines)
            row = {count: told.share(count) for count in ("new", "alike", "repeated", "distinct", "held_out")}
            row |= {"mean_length": told.mean_length, "told_apart": told_apart(real, names)}
            if origin:
                row["right_language"] = origin.right(list(zip(languages, names, strict=True)))
            rows[name][f"{temperature:g}"] = row
            if name == "charloom" and temperature == 0.8:
                rows[name]["examples"] = list(zip(languages, names, strict=True))[:12]
    return rows


def show(name: str, rows: dict[str, Any]) -> None:
    held = rows["held out"]
    has_languages = "right_language" in held
    print(f"\n{name}: {held['names']:,} names held out, {held['mean_length']:.2f} letters on average")
    columns = [
        "dev nats",
        "test nats",
        "temperature",
        "new",
        "of all: held out",
        "repeated",
        "distinct",
        "letters",
        "told apart",
    ]
    columns += ["right language"] * has_languages
    print("| | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for who, row in rows.items():
        if who == "held out":
            continue
        for number, temperature in enumerate(TEMPERATURES):
            one = row[f"{temperature:g}"]
            cells = [f"{row['dev']:.3f}", f"{row['test']:.3f}"] if number == 0 else ["", ""]
            cells += [f"{temperature:g}", *(f"{one[key]:.1%}" for key in ("new", "held_out", "repeated", "distinct"))]
            cells += [f"{one['mean_length']:.2f}", f"{one['told_apart']:.1%}"]
            cells += [f"{one['right_language']:.1%}"] if has_languages else []
            print(f"| {who if number == 0 else ''} | " + " | ".join(cells) + " |")
    cells = ["", "", "", f"{held['new']:.1%}", "", "", f"{held['distinct']:.1%}", f"{held['mean_length']:.2f}", ""]
    cells += [f"{held['right_language']:.1%}"] if has_languages else []
    print("| held-out names | " + " | ".join(cells) + " |")
    print("written at 0.8: " + ", ".join(" ".join(filter(None, pair)) for pair in rows["charloom"]["examples"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument(
        "--seed", type=int, default=1, help="seed of the network's weights, its dropout and the order of names"
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    steps = 300 if options.quick else options.steps
    network = NetworkConfig(hidden_size=options.hidden_size, embedding_size=32, dropout=options.dropout)
    print(title())
    told = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, parts in {
            "first names": first_names(options.folder / "first-names.txt"),
            "surnames by language": surnames(options.folder / "surnames-by-language.tsv"),
        }.items():
            told[name] = measure(parts, Path(folder) / name.replace(" ", "-"), steps, network, options.seed)
            show(name, told[name])
            if name == "first names":
                print(PUBLISHED)
    if options.output:
        options.output.write_text(
            json.dumps({"machine": title(), "steps": steps, "seed": options.seed, "rows": told}, indent=1)
        )


if __name__ == "__main__":
    main()

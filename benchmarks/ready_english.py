"""Makes the ready-made model `english`: its texts, its training, its files, its figures.

Usage: python benchmarks/ready_english.py DATA BUILD [--steps 8000] [--only train|pack]

DATA is a folder with english-prose/, moby-dick.txt and state-of-the-union-10mb.txt; everything that is made lies in
BUILD: the documents (text/), the run (run/) and the finished model (english/), which is copied into the package. The
training can be interrupted at any time and goes on where it was when the same command is given again.
"""

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import charloom
from charloom.evaluation.score import evaluate_side_by_side
from charloom.models.model_folder import ModelArrays, VocabularyRecord
from charloom.models.tokenizer_files import tokenizer_files
from charloom.places.ready_made import READY_MADE, WORDS
from charloom.storage import strict_json
from charloom.storage.tensor_files import SCALE, Array, pack_arrays, rounded_rows
from charloom.training.card_metadata import Metadata
from machine import title
from ready_texts import LEFT_OUT, Source, english

NETWORK = charloom.NetworkConfig(hidden_size=768, embedding_size=128, dropout=0.1)

TRAINING = charloom.TrainingConfig(batch_size=64, learning_rate=12e-3, weight_decay=0.05, validations=20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("build", type=Path)
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--only", choices=("train", "pack"))
    arguments = parser.parse_args()
    sources = english(arguments.data)
    run = arguments.build / "run"
    if arguments.only != "pack":
        train(sources, arguments.build / "text", run, arguments.steps)
    if arguments.only != "train":
        pack(sources, run, arguments.build / "english")


def train(sources: list[Source], folder: Path, run: Path, steps: int) -> None:
    """Train the run, or resume it."""
    if (run / "checkpoint.safetensors").exists():
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


def pack(sources: list[Source], run: Path, folder: Path) -> None:
    """Write the model folder, and copy it into the package."""
    model = endless(charloom.load(run).arrays())
    formats: dict[str, Mapping[str, Array]] = {
        "float32": model.weights,
        "bfloat16": {name: bfloat16(array) for name, array in model.weights.items()},
        "int8": restored(rounded_rows(model.weights)),
    }
    scores = {name: figures(replace(model, weights=dict(weights)), sources) for name, weights in formats.items()}
    for name, parts in scores.items():
        print(f"{name:9}{parts['all'].nats_per_character:.4f} nats per character")
    folder.mkdir(parents=True, exist_ok=True)
    weights = pack_arrays(rounded_rows(model.weights))
    vocabulary = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    (folder / "config.json").write_bytes(strict_json.dump(model.config))
    (folder / "vocabulary.json").write_bytes(strict_json.dump(vocabulary))
    (folder / "model.safetensors").write_bytes(weights)
    for name, data in tokenizer_files(model.config, model.vocabulary).items():
        (folder / name).write_bytes(data)
    (folder / "README.md").write_text(card(sources, run, scores, weights), encoding="utf-8")
    shutil.copytree(folder, READY_MADE["english"].folder, dirs_exist_ok=True)
    print(f"{len(weights):,} bytes of weights, SHA-256 {hashlib.sha256(weights).hexdigest()}")


def endless(model: ModelArrays) -> ModelArrays:
    """The model without the prediction that a document ends: the cuts between documents mean nothing to a reader."""
    weights = {name: array[:-1] if name.startswith("output.") else array for name, array in model.weights.items()}
    return replace(model, config=replace(model.config, predicts_end=False), weights=weights)


def bfloat16(array: Array) -> Array:
    """The array rounded to bfloat16."""
    rounded: Array = torch.from_numpy(array.copy()).bfloat16().float().numpy()
    return rounded


def restored(packed: Mapping[str, Array]) -> dict[str, Array]:
    """What a reader gets from rounded rows."""
    return {
        name: array.astype(np.float32) * packed[name + SCALE][:, None] if name + SCALE in packed else array
        for name, array in packed.items()
        if not name.endswith(SCALE)
    }


def figures(model: ModelArrays, sources: list[Source]) -> dict[str, charloom.Score]:
    """The score on the held-out documents of each source and of all, each document read from nothing."""
    loaded = charloom.LanguageModel.of(model)
    scores = {source.name: evaluate_side_by_side(loaded, source.held_out) for source in sources}
    first, *rest = scores.values()
    return scores | {"all": sum(rest, first)}


def card(sources: list[Source], run: Path, scores: dict[str, dict[str, charloom.Score]], weights: bytes) -> str:
    """The card: texts, hashes, licences, command, machine, figures."""
    config = charloom.Run(run).config()
    exact, shipped = scores["float32"], scores["int8"]
    lost = {
        name: f"{scores[name]['all'].nats_per_character - exact['all'].nats_per_character:+.4f}"
        for name in ("int8", "bfloat16")
    }
    table = [
        f"| {source.name} | {source.licence} | {sum(map(len, source.train)):,} | {sum(map(len, source.held_out)):,} | "
        f"{shipped[source.name].nats_per_character:.4f} | {shipped[source.name].bits_per_character:.3f} | "
        f"`{source.sha256[:16]}` |"
        for source in sources
    ]
    network, plan, training = config.network, config.plan, config.training
    parameters = plan.parameters - network.hidden_size - 1  # without the prediction that a document ends
    metadata = Metadata(
        "text-generation", "English prose", "held out", shipped["all"].summary(), language="en", licence="cc0-1.0"
    )
    words = READY_MADE["english"].folder / WORDS
    return "\n".join(
        [
            *metadata.block("english"),
            "# english",
            "",
            f"A recurrent network ({network.cell}, {network.layers} x {network.hidden_size} units, {parameters:,} "
            "parameters) that predicts the next character of English prose. It comes with charloom: it writes, "
            "completes and corrects, and small texts start from it.",
            "",
            f"- Made by: `python benchmarks/ready_english.py DATA BUILD --steps {plan.steps}`, on {title()}",
            f"- Training: {plan.steps:,} steps of {training.batch_size} x {training.sequence_length} characters, "
            f"{plan.steps / plan.steps_per_epoch:.1f} epochs, seed {training.seed}, {plan.precision}",
            f"- Stored as int8 with a float32 scale for each row: {lost['int8']} nats per character against float32 "
            f"(bfloat16: {lost['bfloat16']})",
            f"- SHA-256 of model.safetensors: `{hashlib.sha256(weights).hexdigest()}`",
            f"- SHA-256 of {words.name}, the counted words of the same texts, made by "
            f"`python benchmarks/ready_words.py DATA`: `{hashlib.sha256(words.read_bytes()).hexdigest()}`",
            "- The same command makes the same bytes on the same machine; another processor, torch version or number "
            "of threads differs in the last bits, and a long training carries them into all.",
            "- Texts: cut at paragraphs into documents of about 10,000 characters; every third document of prose "
            "is wrapped to 60 to 78 characters; every third document of the speeches is used. Left out, so that "
            f"recipes and figures have texts of their own: {', '.join(LEFT_OUT)}.",
            "- Licence: the texts are in the public domain in the USA, or CC0; the model is CC0.",
            "- Limits: mostly prose from before 1929, so its words, spelling and opinions are of that time.",
            "",
            "Held-out documents, the last hundredth of each source, each read from nothing:",
            "",
            "| Text | Licence | trained on | held out | nats | bits | SHA-256 of the file |",
            "|---|---|---|---|---|---|---|",
            *table,
            f"| all | | {sum(len(text) for source in sources for text in source.train):,} | "
            f"{sum(len(text) for source in sources for text in source.held_out):,} | "
            f"{shipped['all'].nats_per_character:.4f} | {shipped['all'].bits_per_character:.3f} | |",
            "",
            "Use it with charloom:",
            "",
            "```python",
            "import charloom",
            "",
            'print("".join(charloom.generate("english", "It was ", length=300, seed=1)))',
            "```",
            "",
        ]
    )


if __name__ == "__main__":
    main()

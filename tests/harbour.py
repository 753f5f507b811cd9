"""A small world of sentences, and a model that has learned it in seconds: for tests of correction."""

import random
from pathlib import Path

from charloom.data.text_sources import string_corpus
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.training import start
from charloom.training.request import Length, RunRequest

PEOPLE = ("sailor", "captain", "merchant", "stranger", "fisherman", "carpenter", "keeper", "widow")
LIKE = ("old", "quiet", "clever", "weary", "honest")
DID = ("carried", "found", "followed", "watched", "received", "remembered", "repaired")
THINGS = ("lantern", "letter", "anchor", "basket", "compass", "blanket", "ladder", "message")
WHERE = ("from the harbour", "from the market", "near the lighthouse", "across the bridge", "behind the church")
MORE = ("in the form of a ship", "in the form of a fish", "before the morning", "after the storm", "without a word")


def sentences(count: int, seed: int = 0) -> str:
    """Sentences of that world, one per line."""
    draw = random.Random(seed)
    pick = draw.choice
    return "".join(
        f"The {pick(LIKE)} {pick(PEOPLE)} {pick(DID)} a {pick(LIKE)} {pick(THINGS)} {pick(WHERE)} {pick(MORE)}.\n"
        for _ in range(count)
    )


def train(run: Path, steps: int = 260) -> Path:
    """A run that has learned it."""
    config = CorpusConfig()
    request = RunRequest(
        config,
        NetworkConfig(cell="gru", hidden_size=64, embedding_size=16, dropout=0.0),
        TrainingConfig(batch_size=32, sequence_length=48, validations=1, learning_rate=0.02),
        length=Length(steps=steps),
        device="cpu",
        precision="float32",
    )
    session = start.begin(string_corpus(sentences(1500), config), request, run=run)
    for _ in session.events():
        pass
    return run

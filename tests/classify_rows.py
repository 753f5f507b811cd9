"""Small sets of labelled texts for the tests of classification, made from Python's own modules and from names."""

import keyword
import random
from pathlib import Path

from charloom.classify import experiment
from charloom.classify.request import ClassifierRequest
from charloom.classify.rows import Rows
from charloom.classify.session import ClassifierSession
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig
from charloom.training.loop import SaveEvery
from charloom.training.request import Length

GERMAN = (
    "der",
    "die",
    "das",
    "und",
    "nicht",
    "eine",
    "ich",
    "wir",
    "haben",
    "schon",
    "noch",
    "über",
    "können",
    "schön",
)
ENGLISH = (
    "the",
    "is",
    "an",
    "you",
    "we",
    "have",
    "will",
    "already",
    "still",
    "when",
    "over",
    "can",
    "must",
    "beautiful",
)


def small_rows(count: int = 120, seed: int = 0) -> Rows:
    """Sentences of two or three distinguishable classes: German words, English words, Python's keywords."""
    draw = random.Random(seed)
    words = {"german": GERMAN, "english": ENGLISH, "python": keyword.kwlist}
    labels = [draw.choice(list(words)) for _ in range(count)]
    texts = [" ".join(draw.choices(words[label], k=draw.randint(1, 6))) for label in labels]
    return Rows(tuple(labels), tuple(texts))


def as_tsv(rows: Rows, path: Path) -> Path:
    """The rows as a file."""
    path.write_text("".join(f"{label}\t{text}\n" for label, text in zip(rows.labels, rows.texts, strict=True)), "utf-8")
    return path


def begin(
    rows: Rows, run: Path, *, steps: int = 12, save_every: int = 5, cell: str = "lstm", **changes: object
) -> ClassifierSession:
    """A session with a network so small that a step takes a millisecond or two."""
    training = {name: changes.pop(name) for name in ("batch_size", "sequence_length", "validations") if name in changes}
    network = {name: changes.pop(name) for name in ("layers", "hidden_size", "dropout") if name in changes}
    request = ClassifierRequest(
        ClassificationConfig(**changes),  # type: ignore[arg-type]
        ClassifierNetworkConfig(cell=cell, **{"hidden_size": 8, "embedding_size": 6, **network}),  # type: ignore[arg-type]
        ClassifierTrainingConfig(**{"batch_size": 16, "validations": 3, **training}),  # type: ignore[arg-type]
        length=Length(steps),
    )
    return experiment.begin(rows, request, run=run, save_every=SaveEvery(None, save_every))


def finish(session: ClassifierSession) -> Path:
    """Train to the end and return the run."""
    for _ in session.events():
        pass
    return session.run.path

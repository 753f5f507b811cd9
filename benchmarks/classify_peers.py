"""Other models trained on the same rows: n-gram naive Bayes, linear SVM, the network of PyTorch's tutorial; and
charloom, whole and by halves.

Every entry takes training rows and returns a function from texts to labels. Needs scikit-learn (the extra `bench`).
"""

import random
import tempfile
import time
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from torch import nn

from charloom.classify.experiment import begin
from charloom.classify.model import Classifier, load_classifier
from charloom.classify.request import ClassifierRequest
from charloom.classify.rows import Rows, folded
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig
from charloom.training.request import Length

Predict = Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True)
class Trained:
    """A classification method, and how long it took to train."""

    predict: Predict
    seconds: float


def naive_bayes(rows: Rows, *, longest: int, analyzer: str = "char", prior: bool = True) -> Trained:
    """Multinomial naive Bayes over character n-grams up to `longest`; smoothing is the best of four on a tenth."""

    def made(alpha: float) -> Any:
        counts = CountVectorizer(analyzer=analyzer, ngram_range=(1, longest))
        return make_pipeline(counts, MultinomialNB(alpha=alpha, fit_prior=prior))

    return _best(rows, [made(alpha) for alpha in (0.01, 0.05, 0.2, 1.0)])


def linear_svm(rows: Rows, *, longest: int, analyzer: str = "char", balanced: bool = False) -> Trained:
    """A linear SVM over TF-IDF of character n-grams up to `longest`; C is the best of three on a tenth."""

    def made(penalty: float) -> Any:
        weights = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, longest), sublinear_tf=True)
        return make_pipeline(weights, LinearSVC(C=penalty, class_weight="balanced" if balanced else None))

    return _best(rows, [made(penalty) for penalty in (0.3, 1.0, 3.0)])


def stochastic_svm(rows: Rows, *, longest: int, analyzer: str = "char_wb") -> Trained:
    """The same by stochastic gradients, for many classes; the regularisation is the better of two on a tenth."""

    def made(alpha: float) -> Any:
        weights = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, longest), sublinear_tf=True, min_df=2)
        return make_pipeline(weights, SGDClassifier(loss="hinge", alpha=alpha, max_iter=8, tol=None, random_state=0))

    return _best(rows, [made(alpha) for alpha in (1e-6, 1e-5)])


def _best(rows: Rows, candidates: list[Any]) -> Trained:
    began = time.perf_counter()
    order = np.random.default_rng(0).permutation(len(rows))
    held, kept = rows.take(order[: len(rows) // 10]), rows.take(order[len(rows) // 10 :])
    scores = [each.fit(kept.texts, kept.labels).score(held.texts, held.labels) for each in candidates]
    best = candidates[int(np.argmax(scores))].fit(rows.texts, rows.labels)
    return Trained(best.predict, time.perf_counter() - began)


def classifier(rows: Rows, *, name: str, seed: int, settings: dict[str, Any]) -> tuple[Trained, Classifier]:
    """charloom: what `charloom classify train` does with these settings."""

    def part(kind: type[Any]) -> Any:
        return kind(**{key: value for key, value in settings.items() if key in kind.__dataclass_fields__})

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        request = ClassifierRequest(
            part(ClassificationConfig),
            part(ClassifierNetworkConfig),
            replace(part(ClassifierTrainingConfig), seed=seed),
            length=Length(epochs=settings.get("epochs")),
        )
        session = begin(rows, request, name=name, run=Path(folder) / "run")
        for _ in session.events():
            pass
        model = load_classifier(session.run.path)
    seconds = time.perf_counter() - began
    return Trained(lambda texts: [label for label, _ in model.predict(texts)], seconds), model


def alone(model: Classifier, rows: Rows, *, network: bool) -> Trained:
    """One half of a trained classifier: its network, or its n-grams with Bayes' rule."""
    counts = dict(zip(rows.classes, rows.counts, strict=True))
    prior = np.log([counts[name] / len(rows) for name in model.classes])

    def predict(texts: Sequence[str]) -> list[str]:
        symbols = [model.table.encode(text) for text in texts]
        if network:
            found = model.network_logits(symbols)
        else:
            found = model.counted(symbols) * np.sqrt([[len(each) + 1] for each in symbols]) + prior
        return [model.classes[place] for place in found.argmax(1)]

    return Trained(predict, float("nan"))


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ .,;'_"


class Tutorial(nn.Module):
    """The network of PyTorch's tutorial on classifying names: one-hot letters, an Elman network of 128, last state."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.rnn, self.output = nn.RNN(len(LETTERS), 128), nn.Linear(128, classes)

    def forward(self, names: Sequence[str]) -> torch.Tensor:
        rows = [torch.tensor(letters(name)) for name in names]
        lengths = torch.tensor([len(row) for row in rows])
        ids = nn.utils.rnn.pad_sequence(rows)
        states, _ = self.rnn(nn.functional.one_hot(ids, len(LETTERS)).float())
        return self.output(states[lengths - 1, torch.arange(len(rows))])


def letters(name: str) -> list[int]:
    """A name in the tutorial's 58 letters: accents are stripped, and any other character becomes the last letter."""
    plain = (character for character in unicodedata.normalize("NFD", name) if unicodedata.category(character) != "Mn")
    return [LETTERS.find(character) % len(LETTERS) for character in plain] or [LETTERS.index(" ")]


def tutorial(rows: Rows, *, epochs: int = 27, seed: int = 0) -> Trained:
    """That network, trained as there: 27 epochs, batches of 64, SGD at 0.15, clipping at 3, accents stripped."""
    began = time.perf_counter()
    torch.manual_seed(seed)
    draw = random.Random(seed)
    places = {name: place for place, name in enumerate(rows.classes)}
    model = Tutorial(len(places))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.15)
    for _ in range(epochs):
        order = draw.sample(range(len(rows)), len(rows))
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            targets = torch.tensor([places[rows.labels[place]] for place in chosen])
            loss = nn.functional.cross_entropy(model([rows.texts[place] for place in chosen]), targets)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 3)
            optimizer.step()

    @torch.no_grad()
    def predict(texts: Sequence[str]) -> list[str]:
        return [rows.classes[place] for place in model(texts).argmax(1).tolist()]

    return Trained(predict, time.perf_counter() - began)


def folds(rows: Rows, count: int, seed: int) -> list[np.ndarray]:
    """Indices of the rows of each fold: classes are spread evenly, near-duplicates stay together."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(rows.texts):
        groups[folded(text)].append(place)
    draw = np.random.default_rng(seed)
    made: list[list[int]] = [[] for _ in range(count)]
    sizes: dict[str, list[int]] = defaultdict(lambda: [0] * count)
    members = list(groups.values())
    for number in draw.permutation(len(members)):
        label = rows.labels[members[number][0]]
        fold = int(np.argmin(sizes[label]))
        made[fold] += members[number]
        sizes[label][fold] += len(members[number])
    return [np.array(sorted(fold)) for fold in made]


def chosen(name: str, only: Sequence[str]) -> bool:
    """Whether a method is requested: its name contains one of `only`, or `only` is empty."""
    return not only or any(part in name for part in only)


def figures(labels: Sequence[str], predicted: Sequence[str], positive: str | None = None) -> dict[str, float]:
    """Accuracy, balanced accuracy, macro F1, and F1 of one class if it is named, in percent."""
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    found = {
        "accuracy": accuracy_score(labels, predicted),
        "balanced accuracy": balanced_accuracy_score(labels, predicted),
        "macro F1": f1_score(labels, predicted, average="macro", zero_division=0),
    }
    if positive is not None:
        found["F1"] = f1_score(labels, predicted, pos_label=positive)
    return {name: 100 * float(value) for name, value in found.items()}


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Mean and range over the splits, one row per method."""
    names = list(next(iter(results.values()))[0])
    width = max(map(len, results)) + 2
    lines = ["".ljust(width) + "".join(name.rjust(26) for name in names)]
    for who, rows in results.items():
        cells = []
        for name in names:
            values = [row[name] for row in rows]
            cells.append(f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})".rjust(26))
        lines.append(who.ljust(width) + "".join(cells))
    return "\n".join(lines)

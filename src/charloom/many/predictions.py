"""The classes of many texts."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from charloom.classify.model import Classifier, load_classifier
from charloom.machine.workers import check, in_order
from charloom.many.groups import Group, called, groups, strings
from charloom.many.model_place import lasting_place
from charloom.models.model_folder import ModelPlace


def predict(
    model: ModelPlace, texts: Iterable[str], *, threshold: float = 0.0, workers: int | None = None
) -> Iterator[tuple[str, float]]:
    """The most probable class of each text and its probability, in order, as an iterator; `texts` may be one too.

    "unknown" stands for a class less probable than `threshold`. With `workers` of 2 or more that many processes share
    the texts; their answers are those of one. `model`: the path of a run or model folder, or a name such as
    "languages". Raises `FolderError`, `SettingsError`, and `TextError` for what is not a string.
    """
    check(workers)
    found = in_order(
        partial(_Predictor, lasting_place(model), threshold),
        groups(strings(texts), size=len),
        workers=workers,
        called=called,
    )
    return (each for some in found for each in some)


@dataclass(frozen=True)
class PredictionLines:
    """Prepares a classifier whose answers are lines, as `charloom classify predict` prints them."""

    model: ModelPlace
    threshold: float = 0.0
    every: bool = False
    "With `json`, also the probability of every class."
    json: bool = False

    def __call__(self) -> Callable[[Group[str]], list[str]]:
        classifier = load_classifier(self.model)
        return lambda group: [
            prediction_line(classifier, text, row, self.threshold, every=self.every, json=self.json) + "\n"
            for text, row in zip(group.rows, classifier.probabilities(group.rows), strict=True)
        ]


def prediction_line(
    classifier: Classifier, text: str, probabilities: np.ndarray[Any, Any], threshold: float, *, every: bool, json: bool
) -> str:
    """The line for a text whose classes have these probabilities (C,)."""
    label, probability = classifier.decide(probabilities, threshold)
    if not json:
        return f"{label}\t{probability:.4f}\t{text}"
    value: dict[str, Any] = {"label": label, "probability": probability, "text": text}
    if every:
        value["probabilities"] = dict(zip(classifier.classes, probabilities.tolist(), strict=True))
    return _dumped(value)


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


class _Predictor:
    def __init__(self, model: ModelPlace, threshold: float) -> None:
        self._classifier, self._threshold = load_classifier(model), threshold

    def __call__(self, group: Group[str]) -> list[tuple[str, float]]:
        return self._classifier.predict(group.rows, threshold=self._threshold)

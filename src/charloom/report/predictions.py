"""What a model predicted at each symbol of a text, read once from the start, with the state carried."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.data.text_sources import AnyText
from charloom.errors import NotFiniteError
from charloom.evaluation.score import text_to_score
from charloom.evaluation.surprisal import predicted
from charloom.models.language_model import AnyModel, LanguageModel, as_model

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TEMPERATURES = tuple(round(float(value), 4) for value in np.geomspace(0.5, 2.0, 25))
"""Temperatures at which the likelihood is evaluated, including 1."""

END = -1
"""Marks the end of a text, where there is no character."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """One row for each predicted symbol, in text order."""

    targets: Integers
    "Ids (n,) of the true symbols."
    nats: Floats
    predicted: Integers
    "Ids of the most probable symbols."
    confidence: Floats
    "Their probabilities."
    tempered: Floats
    "Nats (parts, temperatures) of consecutive parts of the text, with the logits divided by each of `TEMPERATURES`."
    sizes: Integers
    "Symbols in each of those parts."

    @property
    def right(self) -> NDArray[np.bool_]:
        """Where the most probable symbol was the right one."""
        right: NDArray[np.bool_] = self.targets == self.predicted
        return right


def predict(model: AnyModel, text: AnyText) -> Predictions:
    """Predictions for all of `text`. Raises `TextError` for an empty text or an unseen character."""
    model, text = as_model(model), text_to_score(text)
    temperatures = torch.tensor(TEMPERATURES)
    parts = []
    for targets, logs in predicted(model, model.encode(text)):
        true = logs.gather(1, targets[:, None])[:, 0]
        best = logs.max(1)
        cooled = [float((torch.logsumexp(logs / each, 1) - true / each).double().sum()) for each in temperatures]
        arrays = (targets, -true.double(), best.indices, best.values.exp().double())
        parts.append((*(array.numpy() for array in arrays), np.array(cooled), np.array(len(targets))))
    targets_, nats, indices, values = (np.concatenate([part[place] for part in parts]) for place in range(4))
    if not np.isfinite(nats).all():
        raise NotFiniteError
    tempered, sizes = (np.array([part[place] for part in parts]) for place in (4, 5))
    return Predictions(targets_, nats, indices, values, tempered, sizes)


@dataclass(frozen=True, eq=False)
class Characters:
    """Predictions per character: with a byte vocabulary, one character may take several predictions."""

    codes: Integers
    "Code points (m,); `END` for the end of a text that is not a newline."
    nats: Floats
    right: NDArray[np.bool_]
    "Whether all of the character's symbols were the most probable."
    last: Integers
    "Index of its last symbol among the predictions."


def by_character(model: LanguageModel, predictions: Predictions) -> Characters:
    """Predictions grouped into characters."""
    boundary = model.vocabulary.boundary
    end = ord("\n") if model.config.documents == "lines" else END
    ends = predictions.targets == boundary
    if model.vocabulary.kind == "characters":
        table = np.array([*map(ord, model.vocabulary.characters), end])
        return Characters(
            table[predictions.targets], predictions.nats, predictions.right, np.arange(len(predictions.targets))
        )
    starts = np.flatnonzero(ends | ((predictions.targets & 0xC0) != 0x80))
    codes = np.full(len(starts), end, np.int64)
    text = bytes(predictions.targets[~ends].astype(np.uint8).tolist()).decode()
    codes[~ends[starts]] = np.frombuffer(text.encode("utf-32-le"), "<u4")
    nats, right = np.add.reduceat(predictions.nats, starts), np.logical_and.reduceat(predictions.right, starts)
    return Characters(codes, nats, right, np.append(starts[1:], len(ends)) - 1)

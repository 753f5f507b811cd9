"""Completion of words by a model and by the counts of a text together.

    P(word | before) = s P_model(word | before) + (1 - s) P_counts(word | before)

and of that what the characters already typed leave over, so that whoever foresaw them better counts for more from then on. A
model of characters knows how words are made and what a sentence is about; counts know whole words and turns of phrase by heart.
"""

import math
from dataclasses import dataclass

import numpy as np

from charloom.applications.complete import Completer, Completion
from charloom.applications.word_counts import Floats, WordCounts
from charloom.writer import Model

SHARE = 0.5
"""Weight of the model before a word's first character."""

_MORE = 8
"""Words beyond the suggestions that each side puts forward."""


@dataclass(frozen=True)
class _Place:
    """Where a word begins: what the counts say of it."""

    counted: Floats
    "Probability (W,) of each word that is counted."


class CountedCompleter:
    """What was typed so far, and the counts of a text; `type` gives the completer of one keystroke, or more, later.

    Suggestions are `Completion`s of words whose probability is that of the mixture: they exclude each other, as the model's do.
    """

    def __init__(self, model: Model, counts: WordCounts, typed: str = "", *, share: float = SHARE) -> None:
        """`share`: weight of the model, above 0. Raises `TextError` for a character that the model does not know."""
        self._counts, self._share = counts, share
        whole = Completer(model, typed)
        begun = whole.begun
        before = typed[: len(typed) - len(begun)]
        self._begin(whole if not begun else Completer(model, before))
        if begun:
            self._read(begun)

    @property
    def typed(self) -> str:
        return self._completer.typed

    @property
    def begun(self) -> str:
        """The part of what was typed that belongs to the word that is to be finished."""
        return self._begun

    def type(self, text: str) -> "CountedCompleter":
        """The completer after these further characters; this one stays as it is. Raises `TextError`."""
        made = object.__new__(CountedCompleter)
        made._counts, made._share = self._counts, self._share
        made._completer, made._begun, made._place, made._nats = self._completer, self._begun, self._place, self._nats
        rest = Completer.begun_in(text)
        if len(rest) < len(text):
            made._begin(self._completer.type(text[: len(text) - len(rest)]))
        if rest:
            made._read(rest)
        return made

    def suggest(self, suggestions: int = 5) -> list[Completion]:
        """The most probable ways to finish the word, at most so many, the most probable first."""
        model = {each.text: each for each in self._completer.suggest(suggestions + _MORE)}
        span = self._counts.beginning_with(self._begun)
        counted = self._place.counted[span]
        total = float(counted.sum())
        model_share = self._model_share(total)
        best = span.start + np.argsort(-counted, kind="stable")[: suggestions + _MORE + 1]
        words = [
            self._counts.words[place][len(self._begun) :] for place in best.tolist() if self._place.counted[place] > 0
        ]
        missing = [word for word in words if word and word not in model and self._completer.knows(word)]
        for word, nats in zip(missing, self._completer.nats(missing).tolist(), strict=True):
            model[word] = Completion(word, nats, True)
        found = list[Completion]()
        for text, each in model.items():
            probability = model_share * each.probability
            if each.ends and model_share < 1:
                probability += (1 - model_share) * self._counted(self._begun + text) / total
            if probability > 0:
                found.append(Completion(text, -math.log(probability), each.ends))
        return sorted(found, key=lambda completion: (completion.nats, completion.text))[:suggestions]

    def _model_share(self, counted: float) -> float:
        """The model's weight after the characters that were typed, which the counts gave a probability of `counted`."""
        if counted <= 0:
            return 1.0
        model = math.log(self._share) - self._nats
        counts = math.log(1 - self._share) + math.log(counted) if self._share < 1 else -math.inf
        return 1 / (1 + math.exp(min(700.0, counts - model)))

    def _counted(self, word: str) -> float:
        place = self._counts.number(word)
        return 0.0 if place is None else float(self._place.counted[place])

    def _begin(self, completer: Completer) -> None:
        self._completer, self._begun, self._nats = completer, "", 0.0
        self._place = _Place(self._counts.after(completer.typed))

    def _read(self, text: str) -> None:
        """Characters of the word."""
        self._nats += self._completer.surprise(text)
        self._completer = self._completer.type(text)
        self._begun += text

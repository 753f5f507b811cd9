"""Completion of words by a model together with counts: of a text, and of what was typed so far.

    P(word | before) = sum over i of s_i P_i(word | before)

where i is the model, the counts of a text, the words typed recently, and those of them that followed the same word.
Once characters of the word are typed, the mixture is conditioned on them, so a component that predicted them better
counts for more. A character model knows how words are built and what a sentence is about; counts know words and phrases
by heart; and what was written once is often written again (a cache: Kuhn and De Mori 1990).
"""

import copy
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from charloom.complete.completer import MOST, Completer, Completion, check_number
from charloom.complete.next_words import TOKEN, Floats, NextWords, is_word
from charloom.complete.word_counts import WordCounts
from charloom.complete.word_files import counted_words
from charloom.errors import SettingsError
from charloom.generation.writer import Model
from charloom.models.model_folder import place_of

_MORE = 4
"""Words beyond the requested number that each component proposes."""

_LATELY, _FADING = 1000, 0.997
"""How many recent words and marks are remembered, and the weight of each relative to the one after it."""


@dataclass(frozen=True)
class Shares:
    """The weight of each component before a word's first character; one that knows nothing leaves its weight to the
    others."""

    model: float = 0.4
    counts: float = 0.35
    "Counts of a text."
    recent: float = 0.1
    "Words typed recently."
    following: float = 0.15
    "Words that recently followed the same word."

    def __post_init__(self) -> None:
        for name in ("model", "counts", "recent", "following"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} is {getattr(self, name):g}; a share is at least 0 and at most 1")
        if self.model == 0:
            raise SettingsError(
                "model is 0; the model's share must be above 0, because only the model knows every word"
            )


@dataclass(frozen=True)
class _Place:
    """The beginning of a word, and what every component except the model expects there."""

    counted: Floats
    "Probability (W,) of each counted word; all 0 without counts."
    typed: tuple[Mapping[str, float], ...]
    "Probabilities of words typed before: recently, and after the same word."


class MixedCompleter:
    """Completes the word typed so far; `type` returns the completer after further keystrokes.

    Suggestions are `Completion`s of words that exclude each other, as those of a `Completer` do; with `complete` their
    probabilities add up to 1. Without `counts`, a model given by its name or folder brings the words that come with it
    (`counted_words`), as "english" does; for any other model only what was typed is counted.
    """

    def __init__(
        self, model: Model, counts: NextWords | None = None, typed: str = "", *, shares: Shares = Shares()
    ) -> None:
        """Raises `TextError` for a character that the model does not know, `FolderError` for a damaged model."""
        if counts is None and place_of(model) is not None:
            counts = counted_words(model)  # type: ignore[arg-type]
        self._counts, self._shares = counts or WordCounts(()), shares
        begun = Completer.begun_in(typed)
        self._begin(Completer(model, typed[: len(typed) - len(begun)]))
        if begun:
            self._read(begun)

    @property
    def typed(self) -> str:
        """The words typed so far, and how often."""
        return self._completer.typed

    @property
    def begun(self) -> str:
        """The beginning of the unfinished word: the end of the typed text."""
        return self._begun

    def type(self, text: str) -> "MixedCompleter":
        """The completer after further characters; this one does not change. Raises `TextError`."""
        later = copy.copy(self)
        rest = Completer.begun_in(text)
        if len(rest) < len(text):
            later._begin(self._completer.type(text[: len(text) - len(rest)]))
        if rest:
            later._read(rest)
        return later

    @property
    def complete(self) -> float:
        """Probability that the word is already complete: that its end comes next."""
        return self._probability("", self._completer.complete, self._weights())

    def suggest(self, suggestions: int = 5) -> list[Completion]:
        """The most probable ways to finish the word, at most `suggestions`, the most probable first. Raises
        `SettingsError`."""
        check_number(suggestions)
        more, weights, completions = min(suggestions + _MORE, MOST), self._weights(), list[Completion]()
        words, cut = dict[str, float](), set[str]()
        for each in self._completer.suggest(more):
            if each.ends:
                words[each.text] = each.probability
            else:
                cut.add(each.text)
                completions.append(Completion(each.text, each.nats - math.log(weights[0]), False))
        missing = [word for word in self._foreseen(more) if word not in words and self._completer.knows(word)]
        missing = sorted(missing, key=lambda word: -self._probability(word, 0.0, weights))[:more]
        for word, nats in zip(missing, self._completer.nats(missing).tolist(), strict=True):
            in_cut = any(word.startswith(text) for text in cut)  # the completion that was cut off includes it
            words[word] = 0.0 if in_cut else math.exp(-nats)
        for text, probability in words.items():
            mixed = self._probability(text, probability, weights)
            if mixed > 0:
                completions.append(Completion(text, -math.log(mixed), True))
        return sorted(completions, key=lambda completion: (completion.nats, completion.text))[:suggestions]

    def _foreseen(self, most: int) -> list[str]:
        """The most probable ways to finish the word by the counts and by what was typed."""
        span, size = self._counts.beginning_with(self._begun), len(self._begun)
        counted = self._place.counted[span]
        best = np.argpartition(-counted, most)[:most] if len(counted) > most else np.arange(len(counted))
        words = [self._counts.words[span.start + place] for place in best.tolist() if counted[place] > 0]
        for typed in self._place.typed:
            begin_so = (word for word in typed if word.startswith(self._begun))
            words += sorted(begin_so, key=lambda word: (-typed[word], word))[:most]
        return list(dict.fromkeys(word[size:] for word in words if len(word) > size))

    def _probability(self, text: str, model: float, weights: tuple[float, ...]) -> float:
        """Mixed probability of a completion; `model`: the model's own."""
        word = self._begun + text
        place = self._counts.number(word)
        counted = 0.0 if place is None else float(self._place.counted[place])
        sides = (counted, *(typed.get(word, 0.0) for typed in self._place.typed))
        return weights[0] * model + sum(
            weight * side for weight, side in zip(weights[1:], sides, strict=True) if weight
        )

    def _weights(self) -> tuple[float, ...]:
        """The factor of each component's probability of a whole word, now that the word is begun; the model's first."""
        begun, place = self._begun, self._place
        left = [
            float(place.counted[self._counts.beginning_with(begun)].sum()),
            *(sum(value for word, value in typed.items() if word.startswith(begun)) for typed in place.typed),
        ]
        shares = (self._shares.counts, self._shares.recent, self._shares.following)
        model = self._shares.model * math.exp(-min(self._nats, 700.0))
        known = [share if any_ else 0.0 for share, any_ in zip(shares, self._knowing, strict=True)]
        total = model + sum(share * part for share, part in zip(known, left, strict=True))
        if total <= 0:
            return 1.0, 0.0, 0.0, 0.0
        return model / total, *(share / total for share in known)

    @property
    def _knowing(self) -> tuple[bool, ...]:
        """Which components besides the model know anything here."""
        return len(self._counts) > 0, bool(self._place.typed[0]), bool(self._place.typed[1])

    def _begin(self, completer: Completer) -> None:
        self._completer, self._begun, self._nats = completer, "", 0.0
        self._place = _Place(self._counts.after(completer.typed), typed_before(completer.typed))

    def _read(self, text: str) -> None:
        """Read further characters of the word."""
        self._nats += self._completer.surprise(text)
        self._completer = self._completer.type(text)
        self._begun += text


def typed_before(text: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Probabilities of a text's recent words, and of the words that followed its last word earlier."""
    tokens = TOKEN.findall(text[-12 * _LATELY :])[-_LATELY:]
    recent, weight = Counter[str](), 1.0
    for token in reversed(tokens):
        if is_word(token):
            recent[token] += weight  # type: ignore[assignment]
        weight *= _FADING
    following = Counter(after for before, after in pairwise(tokens) if before == tokens[-1] and is_word(after))
    return _shares(recent), _shares(following)


def _shares(counts: Mapping[str, float]) -> dict[str, float]:
    total = sum(counts.values())
    return {word: count / total for word, count in counts.items()}

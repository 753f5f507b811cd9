"""Baselines for completion: a word trigram with back-off, and a character n-gram, on the same training text."""

import bisect
import re
from collections import Counter, defaultdict
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from charloom.complete.completer import in_word
from charloom.complete.mixed import typed_before
from charloom.complete.next_words import NextWords
from charloom.data.vocabulary import Vocabulary
from charloom.evaluation.baselines import NGram

TOKEN = re.compile(r"[\w'’]+|[^\w\s]")


class WordTrigram:
    """Interpolated absolute discounting, Kneser-Ney lower orders (Kneser and Ney 1995), of words and punctuation."""

    def __init__(self, text: str, discount: float = 0.75) -> None:
        tokens = TOKEN.findall(text)
        self._discount = discount
        self._three: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        two: dict[str, Counter[str]] = defaultdict(Counter)
        for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
            self._three[first, second][third] += 1
        for (_, second), followers in self._three.items():
            two[second].update(followers.keys())
        self._two = two
        self._one: Counter[str] = Counter()
        for followers in two.values():
            self._one.update(followers.keys())
        self._total = sum(self._one.values())
        self._words = sorted(word for word in self._one if in_word(word[0]))
        self._sums = {key: sum(counts.values()) for key, counts in two.items()}

    def words(self, before: str, begun: str, most: int) -> dict[str, float]:
        """The most probable words that begin with `begun` and are longer, after a text, with their probabilities."""
        context = TOKEN.findall(before[-200:])[-2:]
        pair = (context[0], context[1]) if len(context) == 2 else ("", "")
        three, two = self._three.get(pair, Counter()), self._two.get(pair[1], Counter())
        known = {word for word in [*three, *two] if word.startswith(begun) and in_word(word[0])}
        known.update(self._common(begun, most + 1))
        found = {word: self._probability(word, pair, three, two) for word in known if len(word) > len(begun)}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:most])

    def probability(self, before: str, word: str) -> float:
        """Probability of a word after a text."""
        context = TOKEN.findall(before[-200:])[-2:]
        pair = (context[0], context[1]) if len(context) == 2 else ("", "")
        three, two = self._three.get(pair, Counter()), self._two.get(pair[1], Counter())
        return self._probability(word, pair, three, two)

    def _probability(self, word: str, pair: tuple[str, str], three: Counter[str], two: Counter[str]) -> float:
        probability = self._one[word] / self._total
        for counts in (two, three):
            total = sum(counts.values()) if counts is three else self._sums.get(pair[1], 0)
            if total:
                kept = max(0.0, counts[word] - self._discount) if counts[word] else 0.0
                probability = (kept + self._discount * len(counts) * probability) / total
        return probability

    @lru_cache(maxsize=100_000)  # noqa: B019  (one object for the whole process)
    def _common(self, begun: str, many: int) -> list[str]:
        first = bisect.bisect_left(self._words, begun)
        last = bisect.bisect_left(self._words, begun + "\U0010ffff")
        return sorted(self._words[first:last], key=lambda word: -self._one[word])[:many]


class CharacterGrams:
    """The character n-gram with modified Kneser-Ney smoothing; a beam finds its completions."""

    def __init__(self, text: str, vocabulary: Vocabulary, order: int, width: int = 16) -> None:
        self._vocabulary, self._order, self._width = vocabulary, order, width
        self._model = NGram(vocabulary.encode(text), order, vocabulary.boundary)
        self._ends = np.array([not in_word(character) for character in vocabulary.characters])

    @lru_cache(maxsize=400_000)  # noqa: B019
    def _logs(self, context: str) -> NDArray[np.float64]:
        size, before = self._vocabulary.boundary, self._vocabulary.encode(context)
        rows = np.empty((size, len(before) + 1), np.int64)
        rows[:, :-1], rows[:, -1] = before, np.arange(size)
        found: NDArray[np.float64] = self._model.probabilities(rows.ravel()).reshape(rows.shape)[:, -1]
        return np.log(np.maximum(found / found.sum(), 1e-300))

    def words(self, before: str, begun: str, most: int) -> dict[str, float]:
        """The same."""
        done, text = dict[str, float](), before + begun
        alive = [("", self._begun(before, begun))]
        while alive:
            grown = list[tuple[str, float]]()
            for added, log in alive:
                logs = log + self._logs((text + added)[-(self._order - 1) :])
                if added:
                    done[begun + added] = float(np.logaddexp.reduce(logs[self._ends]))
                for place in np.argpartition(-logs, self._width)[: self._width].tolist():
                    if not self._ends[place]:
                        grown.append((added + self._vocabulary.characters[place], float(logs[place])))
            best = sorted(done.values(), reverse=True)
            least = best[most - 1] if len(best) >= most else -np.inf
            alive = sorted((each for each in grown if each[1] > least), key=lambda each: -each[1])[: self._width]
            alive = [each for each in alive if len(each[0]) < 32]
        return {word: float(np.exp(done[word])) for word in sorted(done, key=lambda word: -done[word])[:most]}

    def probability(self, before: str, word: str) -> float:
        """The same."""
        logs = self._logs((before + word)[-(self._order - 1) :])
        return float(np.exp(self._begun(before, word) + np.logaddexp.reduce(logs[self._ends])))

    def _begun(self, before: str, begun: str) -> float:
        """Log-probability of the beginning of a word."""
        return float(
            sum(
                self._logs((before + begun[:place])[-(self._order - 1) :])[self._vocabulary.characters.index(character)]
                for place, character in enumerate(begun)
            )
        )


class Counted:
    """The counts that charloom mixes with its model, alone."""

    def __init__(self, counts: NextWords) -> None:
        self._counts = counts
        self._after = lru_cache(maxsize=4)(counts.after)

    def words(self, before: str, begun: str, most: int) -> dict[str, float]:
        """The same."""
        span = self._counts.beginning_with(begun)
        found = self._after(before)[span]
        best = np.argsort(-found, kind="stable")[: most + 1].tolist()
        words = {self._counts.words[span.start + place]: float(found[place]) for place in best if found[place] > 0}
        return dict([(word, share) for word, share in words.items() if len(word) > len(begun)][:most])

    def probability(self, before: str, word: str) -> float:
        """The same."""
        number = self._counts.number(word)
        return 0.0 if number is None else float(self._after(before)[number])


class Peer(Protocol):
    """Predicts words."""

    def words(self, before: str, begun: str, most: int) -> dict[str, float]:
        """The most probable words that begin with `begun` and are longer, after a text, with their probabilities."""

    def probability(self, before: str, word: str) -> float:
        """Probability of a word after a text."""


class Suggester:
    """A peer that suggests words; with `lately`, mixed with previously typed words, as in charloom."""

    def __init__(self, peer: Peer, *, lately: bool, shares: tuple[float, float] = (0.1, 0.2)) -> None:
        self._peer, self._lately, self._shares = peer, lately, shares
        self._before, self._typed = "", typed_before("")

    def __call__(self, before: str, begun: str, suggestions: int) -> list[str]:
        """The rest of the most probable words that begin with `begun`, after a text."""
        if not self._lately:
            return [word[len(begun) :] for word in self._peer.words(before, begun, suggestions)]
        if before != self._before:
            self._before, self._typed = before, typed_before(before)
        found = self._peer.words(before, begun, suggestions + 8)
        for typed in self._typed:
            again = (word for word in typed if word.startswith(begun) and len(word) > len(begun))
            for word in sorted(again, key=lambda word: -typed[word])[: suggestions + 8]:
                if word not in found:
                    found[word] = self._peer.probability(before, word)
        shares = [share if typed else 0.0 for share, typed in zip(self._shares, self._typed, strict=True)]
        mixed = {
            word: (1 - sum(shares)) * probability
            + sum(share * typed.get(word, 0.0) for share, typed in zip(shares, self._typed, strict=True))
            for word, probability in found.items()
        }
        return [word[len(begun) :] for word in sorted(mixed, key=lambda word: (-mixed[word], word))][:suggestions]

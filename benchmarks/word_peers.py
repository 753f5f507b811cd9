"""What completion is compared with: a trigram of words with back-off, and an n-gram of characters, on the same training text."""

import bisect
import re
from collections import Counter, defaultdict
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from charloom.applications.complete import in_word
from charloom.baselines import NGram
from charloom.vocabulary import Vocabulary

TOKEN = re.compile(r"[\w'’]+|[^\w\s]")


class WordTrigram:
    """Interpolated absolute discounting with Kneser-Ney's lower orders (Kneser and Ney 1995), over words and marks."""

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

    def suggest(self, before: str, begun: str, suggestions: int) -> list[str]:
        """The rest of the most probable words that begin with `begun`, after a text."""
        context = TOKEN.findall(before[-200:])[-2:]
        pair = (context[0], context[1]) if len(context) == 2 else ("", "")
        three, two = self._three.get(pair, Counter()), self._two.get(pair[1], Counter())
        known = {word for word in [*three, *two] if word.startswith(begun) and in_word(word[0])}
        known.update(self._common(begun, suggestions + 1))
        ranked = sorted(known, key=lambda word: (-self._probability(word, pair, three, two), word))
        return [word[len(begun) :] for word in ranked if len(word) > len(begun)][:suggestions]

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
    """The n-gram of characters with modified Kneser-Ney smoothing, its completions found by a beam."""

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

    def suggest(self, before: str, begun: str, suggestions: int) -> list[str]:
        """The same."""
        done, alive, text = dict[str, float](), [("", 0.0)], before + begun
        while alive:
            grown = list[tuple[str, float]]()
            for added, log in alive:
                logs = log + self._logs((text + added)[-(self._order - 1) :])
                if added:
                    done[added] = float(np.logaddexp.reduce(logs[self._ends]))
                for place in np.argpartition(-logs, self._width)[: self._width].tolist():
                    if not self._ends[place]:
                        grown.append((added + self._vocabulary.characters[place], float(logs[place])))
            best = sorted(done.values(), reverse=True)
            least = best[suggestions - 1] if len(best) >= suggestions else -np.inf
            alive = sorted((each for each in grown if each[1] > least), key=lambda each: -each[1])[: self._width]
            alive = [each for each in alive if len(each[0]) < 32]
        return sorted(done, key=lambda each: -done[each])[:suggestions]

"""The words that are known, and those of them that are near to a word that is not."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from charloom.applications.correct.spans import WORD
from charloom.errors import MissingExtraError, TextError

MOST_COUNT = 10**15


class Lexicon:
    """Words in small letters and how often each was seen. Raises `MissingExtraError` without rapidfuzz."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        try:
            from rapidfuzz import process
            from rapidfuzz.distance import OSA
        except ImportError:
            raise MissingExtraError("correcting", "text") from None
        self.counts = {word: count for word, count in counts.items() if count > 0}
        self.total = sum(self.counts.values())
        self._distances, self._osa = process.cdist, OSA.distance
        by_length: dict[int, list[str]] = {}
        for word in sorted(self.counts):
            by_length.setdefault(len(word), []).append(word)
        self._by_length = by_length
        self._near = dict[tuple[str, int, int], list[str]]()

    @classmethod
    def of(cls, pieces: Iterable[str], words: Mapping[str, int] | None = None) -> "Lexicon":
        """The words of a text that comes in pieces, and further ones with their counts."""
        counts = Counter(words or {})
        for piece in pieces:
            counts.update(plain(word) for word in WORD.findall(piece))
        return cls(counts)

    def __len__(self) -> int:
        return len(self.counts)

    def __contains__(self, word: str) -> bool:
        """Whether a word is known, in whatever case; with a possessive ending if the rest is."""
        word = plain(word)
        return word in self.counts or (word.endswith("'s") and word[:-2] in self.counts)

    def nats(self, word: str) -> float:
        """Surprisal of a word that stands alone; one that is not known counts as seen half a time."""
        return -math.log(max(self.counts.get(plain(word), 0), 0.5) / max(self.total, 1))

    def near(self, word: str, distance: int, *, most: int) -> list[str]:
        """Known words at most so many slips away (optimal string alignment), the nearest and then the commonest first."""
        key = plain(word), distance, most
        if key not in self._near:
            if len(self._near) > 100_000:
                self._near.clear()
            self._near[key] = self._find(*key)
        return self._near[key]

    def _find(self, word: str, distance: int, most: int) -> list[str]:
        found = list[tuple[int, int, str]]()
        for size in range(max(1, len(word) - distance), len(word) + distance + 1):
            words = self._by_length.get(size, [])
            if words:
                row = self._distances([word], words, scorer=self._osa, score_cutoff=distance)[0]
                for place in np.flatnonzero(row <= distance).tolist():
                    found.append((int(row[place]), -self.counts[words[place]], words[place]))
        return [each for _, _, each in sorted(found)[:most]]

    def pairs(self, word: str) -> Iterator[str]:
        """Two known words that give this one when they are run together."""
        word = plain(word)
        for place in range(1, len(word)):
            first, second = word[:place], word[place:]
            if all(part in self.counts and (len(part) > 1 or part in ("a", "i")) for part in (first, second)):
                yield f"{first} {second}"


def plain(word: str) -> str:
    """A word as it is looked up: in small letters, apostrophes straight."""
    return word.lower().replace("’", "'")


def read_words(text: str, name: str) -> dict[str, int]:
    """A list of words, one a line, each with its count behind it or without. Raises `TextError`."""
    counts = dict[str, int]()
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) > 2 or (len(parts) == 2 and not (parts[1].isascii() and parts[1].isdigit())):
            raise TextError(
                f"line {number:,} of {name} is not a word, or a word and its count: {line[:60]!r}; put one on each line"
            )
        count = min(int(parts[1][:16]), MOST_COUNT) if len(parts) == 2 else 1
        counts[plain(parts[0])] = counts.get(plain(parts[0]), 0) + count
    if not counts:
        raise TextError(f"{name} has no words; put one on each line")
    return counts

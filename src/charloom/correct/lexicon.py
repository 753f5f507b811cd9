"""The known words, those that may be suggested as corrections, and which of these are near an unknown word."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from charloom.correct.distances import Distances
from charloom.correct.english import other_spellings
from charloom.correct.spans import WORD
from charloom.errors import TextError

MOST_COUNT = 10**15

ATTESTED = 10
"""How often a word that is in no list must occur in the training text before it is suggested. A rarer one may be a
name, a term or a misprint: it counts as known, but nothing is corrected to it."""


class Lexicon:
    """Words in lower case and their counts.

    All words with a count are known. `targets`: the words that may be suggested, by default all; `capitals`: how often
    the training text writes a word with a capital, and how often in all; `unseen`: the probability that the next word
    of such a text is unknown (Good 1953); `has_list`: whether some words come from a list; `english`: a word also
    counts as known if its British or American spelling is known; `general`: whether the words come with a ready-made
    model, which knows the language but not the kind of text.
    """

    def __init__(
        self,
        counts: Mapping[str, int],
        *,
        targets: Collection[str] | None = None,
        capitals: Mapping[str, tuple[int, int]] | None = None,
        unseen: float | None = None,
        english: bool = False,
        has_list: bool = True,
        general: bool = False,
    ) -> None:
        self.counts = {word: count for word, count in counts.items() if count > 0}
        self.total = sum(self.counts.values())
        self.targets = self.counts.keys() if targets is None else frozenset(targets)
        self.unseen, self.english, self.has_list, self.general = unseen, english, has_list, general
        self._capitals = capitals
        by_length: dict[int, list[str]] = {}
        for word in sorted(self.targets & self.counts.keys()):
            by_length.setdefault(len(word), []).append(word)
        self._by_length = {length: Distances(words) for length, words in by_length.items()}
        self._near = dict[tuple[str, int, int], list[str]]()

    @classmethod
    def of(cls, pieces: Iterable[str], words: Mapping[str, int] | None = None, *, english: bool = False) -> "Lexicon":
        """The words of a text, given in pieces, and those of a list, their counts scaled to the size of the text."""
        return cls.joined(forms_of(pieces), words or {}, english=english)

    @classmethod
    def joined(
        cls,
        forms: Mapping[str, int],
        words: Mapping[str, int],
        *,
        english: bool = False,
        attested: int = ATTESTED,
        general: bool = False,
    ) -> "Lexicon":
        """Like `of`, from the words of a text as they are written there and their counts.

        `attested`: how often an unlisted word must occur before it is suggested; `general`: the text is that of a
        ready-made model, which is as good as a list.
        """
        seen, capitals = Counter[str](), Counter[str]()
        for form, count in forms.items():
            word = plain(form)
            seen[word] += count
            if form[0].isupper():
                capitals[word] += count
        total = sum(seen.values())
        scale = min(1.0, total / max(1, sum(words.values()))) if total else 1.0
        counts = Counter(seen)
        for word, count in words.items():
            counts[word] += max(1, round(scale * count))
        new = sum(1 for word, count in seen.items() if count == 1 and word not in words)
        return cls(
            counts,
            targets=words.keys() | {word for word, count in seen.items() if count >= attested},
            capitals={word: (capitals[word], count) for word, count in seen.items()},
            unseen=new / total if total else None,
            english=english,
            has_list=general or bool(words),
            general=general,
        )

    def __len__(self) -> int:
        return len(self.counts)

    def __contains__(self, word: str) -> bool:
        """Whether a word is known: in any case, with or without a possessive ending, and for English in either
        spelling."""
        word = plain(word)
        if word in self.counts or (word.endswith("'s") and word[:-2] in self.counts):
            return True
        return self.english and any(other in self.counts for other in other_spellings(word.removesuffix("'s")))

    def nats(self, word: str) -> float:
        """Surprisal of a word by its count; an unknown word counts as seen half a time."""
        return -math.log(max(self.counts.get(plain(word), 0), 0.5) / max(self.total, 1))

    def capital_nats(self, word: str) -> float:
        """Surprisal of a capital at the front of a word, by the training text; 0 without one."""
        if self._capitals is None:
            return 0.0
        capitals, seen = self._capitals.get(plain(word), (0, 0))
        return math.log((seen + 2.0) / (capitals + 0.2))

    def is_name(self, word: str) -> bool:
        """Whether a word is known only from the training text, which always writes it with a capital."""
        if self._capitals is None:
            return False
        capitals, seen = self._capitals.get(plain(word), (0, 0))
        return 0 < capitals == seen == self.counts.get(plain(word))

    def near(self, word: str, distance: int, *, most: int) -> list[str]:
        """At most `most` targets within a distance (optimal string alignment), the nearest and then the commonest
        first."""
        key = plain(word), distance, most
        if key not in self._near:
            if len(self._near) > 100_000:
                self._near.clear()
            self._near[key] = self._find(*key)
        return self._near[key]

    def _find(self, word: str, distance: int, most: int) -> list[str]:
        ranked = list[tuple[int, int, str]]()
        for size in range(max(1, len(word) - distance), len(word) + distance + 1):
            compared = self._by_length.get(size)
            if compared is not None:
                row = compared.to(word, distance)
                for place in np.flatnonzero(row <= distance).tolist():
                    found = compared.words[place]
                    ranked.append((int(row[place]), -self.counts[found], found))
        return [each for _, _, each in sorted(ranked)[:most]]

    def pairs(self, word: str) -> Iterator[str]:
        """Pairs of targets that make this word when written without a space."""
        word = plain(word)
        for place in range(1, len(word)):
            first, second = word[:place], word[place:]
            if all(part in self.targets and (len(part) > 1 or part in ("a", "i")) for part in (first, second)):
                yield f"{first} {second}"


def plain(word: str) -> str:
    """A word as it is looked up: in lower case, with straight apostrophes."""
    return word.lower().replace("’", "'")


def forms_of(pieces: Iterable[str]) -> Counter[str]:
    """The words of a text, given in pieces, as they are written there, with their counts."""
    forms = Counter[str]()
    for piece in pieces:
        forms.update(WORD.findall(piece))
    return forms


def read_words(text: str, name: str) -> dict[str, int]:
    """Parse a list of words, one per line, each optionally followed by its count. Raises `TextError`."""
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

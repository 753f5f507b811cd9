"""Which words follow which, in little space: counts of single words, and of frequent pairs and triples.

    p_k(w | h) = max(0, a(hw) - D) / a(h) + (1 - sum over w' of max(0, a(hw') - D) / a(h)) p_{k-1}(w | h')

with a as in `WordCounts`, but the sums run over the followers that are kept, while a(h) counts them all. So the
probability of what was left out goes to the shorter context, and everything still adds up to 1. If nothing is left out,
these are the probabilities of `WordCounts`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from charloom.complete.next_words import TOKEN, Floats, NextWords, Places
from charloom.complete.word_counts import unconditional
from charloom.errors import SettingsError

DISCOUNT = 0.9
"""More than where everything is counted, because the longer contexts have fewer followers."""

PAIRS, TRIPLES = 2, 3
"""How often a pair and a triple must occur to be kept."""


@dataclass(frozen=True)
class Tables:
    """The counts. Words have numbers by their order in `words`, and ranks: the commonest is the first."""

    words: list[str]
    "W words and marks, sorted."
    counts: Places
    "How often each word (W,) occurs."
    before: Places
    "After how many different words each word (W,) occurs."
    around: Places
    "In how many different pairs of neighbours each word (W,) occurs."
    followers: Places
    "How many kept pairs begin with each word (W,), by rank."
    second: Places
    "The rank of the second word of each pair (P,), in order within a first word."
    second_counts: Places
    "After how many different words each pair (P,) occurs."
    pair_followers: Places
    "How many kept triples begin with each pair (P,)."
    totals: Places
    "How often any word follows each pair (P,); 0 where no triple is kept."
    third: Places
    "The rank of the third word of each triple (T,), in order within a pair."
    third_counts: Places
    "How often each triple (T,) occurs."

    def __post_init__(self) -> None:
        """Raises `ValueError` for tables that do not belong together."""
        sizes, pairs, triples = len(self.words), len(self.second), len(self.third)
        lengths = (self.counts, self.before, self.around, self.followers)
        if any(len(table) != sizes for table in lengths) or self.followers.sum() != pairs:
            raise ValueError("as many words as counts")
        if any(len(table) != pairs for table in (self.second_counts, self.pair_followers, self.totals)):
            raise ValueError("as many pairs as counts")
        if len(self.third_counts) != triples or self.pair_followers.sum() != triples:
            raise ValueError("as many triples as counts")
        if any(len(ranks) and not 0 <= ranks.min() <= ranks.max() < sizes for ranks in (self.second, self.third)):
            raise ValueError("ranks of words")


class PrunedCounts(NextWords):
    """The probability of each word as the next one by `Tables`."""

    def __init__(self, tables: Tables, *, discount: float = DISCOUNT) -> None:
        super().__init__(tables.words)
        self.tables, self._discount = tables, discount
        self._number = _by_rank(tables.counts)
        self._rank = np.empty_like(self._number)
        self._rank[self._number] = np.arange(len(self._number))
        self._pairs = np.concatenate(([0], np.cumsum(tables.followers)))
        self._triples = np.concatenate(([0], np.cumsum(tables.pair_followers)))
        self._single = unconditional(tables.before, discount)

    @classmethod
    def of(
        cls, texts: Iterable[str], *, pairs: int = PAIRS, triples: int = TRIPLES, discount: float = DISCOUNT
    ) -> "PrunedCounts":
        """The counted words of texts, of which pairs and triples are kept that occur often enough.

        Raises `SettingsError` if a triple would be kept without its first pair.
        """
        if not 1 <= pairs <= triples:
            raise SettingsError(f"pairs is {pairs} and triples {triples}; it must be 1 <= pairs <= triples")
        return cls(_count(texts, pairs, triples), discount=discount)

    def __len__(self) -> int:
        return int(self.tables.counts.sum())

    def after(self, before: str) -> Floats:
        """Probability (W,) of each word as the next one after `before`, given that a word comes next; 0 for marks."""
        probability, tables = self._single.copy(), self.tables
        context = [int(self._rank[number]) for number in self.context(before, 2)]
        if context:
            pairs = slice(*self._pairs[context[-1] : context[-1] + 2])
            total = int(tables.around[self._number[context[-1]]])
            self._interpolate(probability, tables.second[pairs], tables.second_counts[pairs], total)
        if len(context) == 2:
            first = slice(*self._pairs[context[0] : context[0] + 2])
            place = first.start + int(np.searchsorted(tables.second[first], context[1]))
            if place < first.stop and tables.second[place] == context[1]:
                triples = slice(*self._triples[place : place + 2])
                self._interpolate(
                    probability, tables.third[triples], tables.third_counts[triples], int(tables.totals[place])
                )
        return self.of_words(probability)

    def _interpolate(self, shorter: Floats, ranks: Places, counts: Places, total: int) -> None:
        """Turn the probabilities by the shorter context into those by a context that was followed `total` times."""
        if not total:
            return
        kept = np.maximum(0, counts - self._discount) / total
        shorter *= max(0.0, 1 - kept.sum())
        shorter[self._number[ranks]] += kept


def _by_rank(counts: Places) -> Places:
    """The numbers of the words (W,) by rank."""
    return np.argsort(-counts, kind="stable")


def _count(texts: Iterable[str], pairs: int, triples: int) -> Tables:
    words, text = _numbered(texts)
    size, beginning = len(words), len(words)
    counts = np.bincount(text, minlength=size + 1)[:size]
    rank = np.full(size + 1, beginning)
    rank[_by_rank(counts)] = np.arange(size)
    by_word, text = rank[:size], rank[text]
    one, two, three = text[:-2], text[1:-1], text[2:]
    base = size + 1
    keys, times = np.unique(
        ((one * base + two) * base + three)[(two < size) & (three < size)], return_counts=True
    )  # a pair at the beginning of a text follows the mark of a beginning
    lasts, after = np.unique(keys % base**2, return_counts=True)
    contexts, place = np.unique(keys // base, return_inverse=True)
    followed = np.bincount(place, weights=times).astype(np.int64)
    occurs = np.bincount(np.searchsorted(lasts, keys % base**2), weights=times)
    before = np.bincount(lasts % base, minlength=size)
    around = np.bincount(lasts // base, weights=after, minlength=size).astype(np.int64)
    kept = occurs >= pairs
    lasts, after = lasts[kept], after[kept]
    often = (times >= triples) & (keys // base**2 < size)
    keys, times, place = keys[often], times[often], place[often]
    parents = np.searchsorted(lasts, contexts[place])
    totals = np.zeros(len(lasts), np.int64)
    totals[parents] = followed[place]
    return Tables(
        words=words,
        counts=counts,
        before=before[by_word],
        around=around[by_word],
        followers=np.bincount(lasts // base, minlength=size),
        second=lasts % base,
        second_counts=after,
        pair_followers=np.bincount(parents, minlength=len(lasts)),
        totals=totals,
        third=keys % base,
        third_counts=times,
    )


def _numbered(texts: Iterable[str]) -> tuple[list[str], Places]:
    """The words, sorted, and the texts as their numbers, with len(words) before each text."""
    seen, parts = dict[str, int](), [np.zeros(0, np.int64)]
    for text in texts:
        parts.append(np.full(1, -1))
        parts.append(np.array([seen.setdefault(token, len(seen)) for token in TOKEN.findall(text)], np.int64))
    words = sorted(seen)
    numbers = {word: number for number, word in enumerate(words)}
    of = np.array([*(numbers[word] for word in seen), len(words)], np.int64)
    return words, of[np.concatenate([*parts, np.full(2, -1)])]

"""Which words follow which in a text: a Kneser-Ney model computed for one position at a time.

Only the positions of each word are tabulated beforehand. The words that followed a context are looked up on demand, so
a text of 10 MB is ready in a second or two, and contexts can be of any length.

    p_k(w | h) = max(0, a(hw) - D) / a(h) + D n(h) / a(h) p_{k-1}(w | h'),        p_0 = 1 / W

with a(hw) how often w followed the k - 1 words h, or, below the highest order, after how many different words it did;
n(h) the number of different followers (Kneser and Ney 1995; absolute discounting, interpolated).
"""

from collections.abc import Iterable

import numpy as np

from charloom.complete.next_words import Floats, NextWords, Places, tokens_of

ORDER = 3
"""Longest sequence of words that is counted, including the predicted one."""

DISCOUNT = 0.75

_REMEMBERED = 20_000
"""Contexts whose followers are cached."""


class WordCounts(NextWords):
    """The sorted words and marks of a text, and their positions."""

    def __init__(self, pieces: Iterable[str], order: int = ORDER) -> None:
        """`pieces`: the text, which may be cut anywhere."""
        seen = dict[str, int]()
        parts = [
            np.fromiter((seen.setdefault(token, len(seen)) for token in tokens), np.int32)
            for tokens in tokens_of(pieces)
        ]
        text = np.concatenate(parts)
        super().__init__(sorted(seen))
        self.order = order
        self._text = np.array([self._numbers[word] for word in seen], np.int32)[text]
        counts = np.bincount(self._text, minlength=len(self.words))
        self._by_word = np.argsort(self._text, kind="stable").astype(np.int32)
        self._starts = np.concatenate(([0], np.cumsum(counts)))
        self._single = self._lowest()
        self._followers = dict[tuple[int, ...], tuple[Places, Floats]]()

    def __len__(self) -> int:
        return len(self._text)

    def after(self, before: str) -> Floats:
        """Probability (W,) of each word as the next one after `before`, given that a word comes next; 0 for marks."""
        context = self.context(before, self.order - 1)
        probability = self._single.copy()
        for size in range(1, len(context) + 1):
            words, counts = self._counts(tuple(context[-size:]))
            if not len(words):
                break
            total = counts.sum()
            probability *= DISCOUNT * len(words) / total
            probability[words] += (counts - DISCOUNT) / total
        return self.of_words(probability)

    def _counts(self, context: tuple[int, ...]) -> tuple[Places, Floats]:
        """The words that followed a context, and how often or after how many different words."""
        if context not in self._followers:
            if len(self._followers) >= _REMEMBERED:
                self._followers.clear()
            self._followers[context] = self._look_up(context)
        return self._followers[context]

    def _look_up(self, context: tuple[int, ...]) -> tuple[Places, Floats]:
        last = context[-1]
        ends = self._by_word[self._starts[last] : self._starts[last + 1]].astype(np.int64)
        ends = ends[(ends >= len(context) - 1) & (ends + 1 < len(self._text))]
        for back, word in enumerate(reversed(context[:-1]), 1):
            ends = ends[self._text[ends - back] == word]
        followers = self._text[ends + 1].astype(np.int64)
        if len(context) < self.order - 1:
            ends = ends - len(context)
            before = np.where(ends >= 0, self._text[np.maximum(ends, 0)], len(self.words)).astype(np.int64)
            followers = np.unique(followers * (len(self.words) + 1) + before) // (len(self.words) + 1)
        words, counts = np.unique(followers, return_counts=True)
        return words, counts.astype(np.float64)

    def _lowest(self) -> Floats:
        """Probability (W,) of each word without context."""
        size = len(self.words)
        pairs = np.unique(self._text[1:].astype(np.int64) * size + self._text[:-1])
        return unconditional(np.bincount(pairs // size, minlength=size), DISCOUNT)


def unconditional(before: Places, discount: float) -> Floats:
    """Probability (W,) of each word without context, by the number of different words before it (W,)."""
    total = max(1, int(before.sum()))
    kept = np.maximum(0, before - discount)
    single: Floats = kept / total + (1 - kept.sum() / total) / max(1, len(before))
    return single

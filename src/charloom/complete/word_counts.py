"""Which words follow which in a text: a Kneser-Ney model computed for one position at a time.

Only the positions of each word are tabulated beforehand. The words that followed a context are looked up on demand, so
a text of 10 MB is ready in a second or two, and contexts can be of any length.

    p_k(w | h) = max(0, a(hw) - D) / a(h) + D n(h) / a(h) p_{k-1}(w | h'),        p_0 = 1 / W

with a(hw) how often w followed the k - 1 words h, or, below the highest order, after how many different words it did;
n(h) the number of different followers (Kneser and Ney 1995; absolute discounting, interpolated).
"""

import bisect
import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from charloom.complete.completer import in_word

TOKEN = re.compile(r"[\w'’]+|[^\w\s]")
"""A word, or a punctuation mark."""

ORDER = 3
"""Longest sequence of words that is counted, including the predicted one."""

DISCOUNT = 0.75

_REMEMBERED = 20_000
"""Contexts whose followers are cached."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class WordCounts:
    """The sorted words and marks of a text, and their positions."""

    def __init__(self, pieces: Iterable[str], order: int = ORDER) -> None:
        """`pieces`: the text, which may be cut anywhere."""
        seen = dict[str, int]()
        parts = [
            np.fromiter((seen.setdefault(token, len(seen)) for token in tokens), np.int32) for tokens in _tokens(pieces)
        ]
        text = np.concatenate(parts)
        self.words = sorted(seen)
        "W words and marks."
        self.order = order
        self._numbers = {word: number for number, word in enumerate(self.words)}
        self._text = np.array([self._numbers[word] for word in seen], np.int32)[text]
        counts = np.bincount(self._text, minlength=len(self.words))
        self._by_word = np.argsort(self._text, kind="stable").astype(np.int32)
        self._starts = np.concatenate(([0], np.cumsum(counts)))
        self._is_word = np.array([is_word(word) for word in self.words], bool)
        self._single = self._lowest()
        self._followers = dict[tuple[int, ...], tuple[Places, Floats]]()

    def __len__(self) -> int:
        return len(self._text)

    def beginning_with(self, begun: str) -> slice:
        """The slice of `words` that begin with `begun`."""
        return slice(bisect.bisect_left(self.words, begun), bisect.bisect_left(self.words, begun + "\U0010ffff"))

    def number(self, word: str) -> int | None:
        """The position of a word in `words`; None if it does not occur."""
        return self._numbers.get(word)

    def after(self, before: str) -> Floats:
        """Probability (W,) of each word as the next one after `before`, given that a word comes next; 0 for marks.

        `before` ends where the next word begins.
        """
        tokens = TOKEN.findall(before[-300:])[-(self.order - 1) :] if self.order > 1 else []
        context = list[int]()
        for token in reversed(tokens):
            if token not in self._numbers:
                break
            context.insert(0, self._numbers[token])
        probability = self._single.copy()
        for size in range(1, len(context) + 1):
            words, counts = self._counts(tuple(context[-size:]))
            if not len(words):
                break
            total = counts.sum()
            probability *= DISCOUNT * len(words) / total
            probability[words] += (counts - DISCOUNT) / total
        probability[~self._is_word] = 0
        total = probability.sum()
        return probability / total if total > 0 else probability

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
        counts = np.bincount(pairs // size, minlength=size).astype(np.float64)
        total = max(1.0, counts.sum())
        kept = np.maximum(0, counts - DISCOUNT)
        single: Floats = kept / total + (1 - kept.sum() / total) / max(1, size)
        return single


def is_word(token: str) -> bool:
    """Whether a token is a word and not a mark."""
    return in_word(token[0])


def _tokens(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The words and marks of a text given in pieces, a list for each piece."""
    left = ""
    for piece in pieces:
        whole = left + piece
        tokens = TOKEN.findall(whole)
        left = tokens.pop() if tokens and whole.endswith(tokens[-1]) else ""
        yield tokens
    yield TOKEN.findall(left)

"""What completion needs from counted words: the words, and how likely each is to come next."""

import bisect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.complete.completer import in_word

TOKEN = re.compile(r"[\w'’]+|[^\w\s]")
"""A word, or a punctuation mark."""

_READ = 300
"""Characters before a word that are searched for the words of its context."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class NextWords(ABC):
    """W words and marks, sorted, and the probability of each as the next one."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        "W words and marks, in order."
        self._numbers = {word: number for number, word in enumerate(words)}
        self._is_word = np.array([is_word(word) for word in words], bool)

    @abstractmethod
    def __len__(self) -> int:
        """How many words and marks were counted."""

    @abstractmethod
    def after(self, before: str) -> Floats:
        """Probability (W,) of each word as the next one after `before`, given that a word comes next; 0 for marks.

        `before` ends where the next word begins.
        """

    def beginning_with(self, begun: str) -> slice:
        """The slice of `words` that begin with `begun`."""
        return slice(bisect.bisect_left(self.words, begun), bisect.bisect_left(self.words, begun + "\U0010ffff"))

    def number(self, word: str) -> int | None:
        """The position of a word in `words`; None if it does not occur."""
        return self._numbers.get(word)

    def context(self, before: str, most: int) -> list[int]:
        """Numbers of the last words and marks of a text, at most `most`, up to the last unknown one."""
        context = list[int]()
        for token in reversed(TOKEN.findall(before[-_READ:])[-most:] if most else []):
            if token not in self._numbers:
                break
            context.insert(0, self._numbers[token])
        return context

    def of_words(self, probability: Floats) -> Floats:
        """The probabilities (W,) given that a word comes next and not a mark; changes the array."""
        probability[~self._is_word] = 0
        total = probability.sum()
        return probability / total if total > 0 else probability


def is_word(token: str) -> bool:
    """Whether a token is a word and not a mark."""
    return in_word(token[0])


def tokens_of(pieces: Iterable[str]) -> Iterator[list[str]]:
    """The words and marks of a text given in pieces, a list for each piece."""
    left = ""
    for piece in pieces:
        whole = left + piece
        tokens = TOKEN.findall(whole)
        left = tokens.pop() if tokens and whole.endswith(tokens[-1]) else ""
        yield tokens
    yield TOKEN.findall(left)

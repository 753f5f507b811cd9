"""Batches of labelled texts: batch k is a pure function of the texts, the settings and k."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.classify.symbols import Symbols, SymbolTable, padded
from charloom.classify.weights import OFFSETS, Amounts, times, total

POOL = 64
"""Batches whose texts are sorted by length together: more means less padding, but a less random order."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Texts side by side, and their classes."""

    ids: torch.Tensor
    "(T, B): the input."
    originals: torch.Tensor
    "(T, B): the input before some characters were made unknown."
    lengths: torch.Tensor
    "(B,), including the boundaries."
    labels: torch.Tensor
    "(B,)"
    texts_per_batch: float
    "Mean texts per batch in the epoch; dividing sums over texts by it makes each text count equally."
    symbols_per_batch: float
    "The same for predicted symbols, which are all but the first of each text."

    @property
    def symbols(self) -> int:
        """Number of symbols read."""
        return int(self.lengths.sum())

    def to(self, device: torch.device) -> "TextBatch":
        """The batch on `device`."""
        names = ("ids", "originals", "lengths", "labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


class TextBatches:
    """The training texts, in an order and in parts that are drawn again for each epoch.

    Texts of similar length share a batch. Of a text longer than `longest` characters, a window of that length is read,
    a different one each epoch. Of a share `crops` of the texts, only some words or characters are read. A share
    `character_dropout` of the characters is made unknown. A text of weight w is read w times per epoch, on average if w
    is not a whole number.
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[int] | NDArray[np.int64],
        table: SymbolTable,
        *,
        weights: Amounts | None = None,
        batch_size: int,
        longest: int,
        crops: float,
        character_dropout: float,
        seed: int,
    ) -> None:
        self._texts, self._labels, self._table = texts, np.asarray(labels, np.int64), table
        self._size, self._longest, self._crops, self._dropout, self._seed = (
            batch_size,
            longest,
            crops,
            character_dropout,
            seed,
        )
        self._encoded = [table.encode(text) for text in texts]
        self._words = [_words(text) for text in texts] if crops else []
        self._weights, self._count = weights, len(texts) if weights is None else total(weights)
        self._drawn = np.arange(len(texts))
        self._epoch = -1
        self._rows: list[Symbols] = []
        self._order: list[NDArray[np.int64]] = []
        self._symbols = 0

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self._count // self._size)

    def __getitem__(self, k: int) -> TextBatch:
        """Batch k, counted from the beginning of the first epoch."""
        epoch, number = divmod(k, len(self))
        if epoch != self._epoch:
            self._begin(epoch)
        places = self._order[number]
        originals, lengths = padded([self._rows[place] for place in places], self._table.boundary)
        ids = originals
        if self._dropout:
            dropped = self._draw(2, k).random(ids.shape, np.float32) < self._dropout
            ids = np.where(dropped, self._table.unknown[ids], ids)  # a boundary stays a boundary
        return TextBatch(
            torch.from_numpy(ids),
            torch.from_numpy(originals),
            torch.from_numpy(lengths),
            torch.from_numpy(self._labels[self._drawn[places]]),
            texts_per_batch=self._count / len(self),
            symbols_per_batch=self._symbols / len(self),
        )

    def _begin(self, epoch: int) -> None:
        draw = self._draw(1, epoch)
        if self._weights is not None:
            offset = int(self._draw(4, epoch).integers(OFFSETS))
            self._drawn = np.repeat(np.arange(len(self._texts)), times(self._weights, offset))
        self._rows = [self._part(place, draw) for place in self._drawn.tolist()]
        lengths = np.array([len(row) for row in self._rows])
        self._symbols = int(lengths.sum()) + len(lengths)
        shuffled = draw.permutation(self._count)
        batches: list[NDArray[np.int64]] = []
        for first in range(0, len(shuffled), POOL * self._size):
            pool = shuffled[first : first + POOL * self._size]
            pool = pool[np.argsort(lengths[pool], kind="stable")]
            batches += [pool[start : start + self._size] for start in range(0, len(pool), self._size)]
        self._order = [batches[number] for number in draw.permutation(len(batches))]
        self._epoch = epoch

    def _part(self, place: int, draw: np.random.Generator) -> Symbols:
        """The part of a text that is read in this epoch."""
        whole = self._encoded[place]
        start, stop = _crop(len(whole), self._words[place], self._crops, draw) if self._crops else (0, len(whole))
        if stop - start > self._longest:
            start += int(draw.integers(stop - start - self._longest + 1))
            stop = start + self._longest
        return whole[start:stop]

    def _draw(self, purpose: int, number: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self._seed, purpose, number]))


def cropped(text: str, draw: np.random.Generator) -> str:
    """Some words or characters of a text, drawn as for `crops`."""
    start, stop = _crop(len(text), _words(text), 1.0, draw)
    return text[start:stop]


def held_parts(texts: Sequence[str], table: SymbolTable, *, crops: float, seed: int) -> list[Symbols]:
    """The held-out texts as symbols, with the same share of them cropped as in training."""
    draw = np.random.Generator(np.random.PCG64([seed, 3]))
    parts = []
    for text in texts:
        start, stop = _crop(len(text), _words(text), crops, draw) if crops else (0, len(text))
        parts.append(table.encode(text)[start:stop])
    return parts


def _words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _WORD.finditer(text)]


def _crop(length: int, words: Sequence[tuple[int, int]], share: float, draw: np.random.Generator) -> tuple[int, int]:
    """Start and end of the part to read: with probability `share` some words or characters, otherwise all."""
    if draw.random() >= share or length < 2:
        return 0, length
    if len(words) > 1 and draw.random() < 0.5:
        count = int(np.exp(draw.random() * np.log(len(words))))  # few words are as likely as many
        first = int(draw.integers(len(words) - count + 1))
        return words[first][0], words[first + count - 1][1]
    least = min(4, length)
    count = int(least * np.exp(draw.random() * np.log(length / least)))
    start = int(draw.integers(length - count + 1)) if draw.random() < 0.5 else 0
    return start, start + count

"""Whether a text is copied from another: how long the passages are that both share, and how much of it is new.

A suffix array of both finds, for each position, the longest passage that begins there and occurs in the other text.
Lengths are computed in UTF-8 bytes and reported in characters.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charloom.data.ends import heads
from charloom.errors import MissingExtraError

SIZES = (8, 16, 32)
"""Lengths, in characters, of the pieces whose novelty is reported."""

_SEPARATOR = b"\xff"  # never occurs in UTF-8, so no passage crosses it

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Passage:
    """A passage that also occurs in the training text."""

    text: str
    start: int
    "Its position in the examined text, in characters."


@dataclass(frozen=True)
class Copying:
    """How much of a text also occurs in the training text."""

    characters: int
    novel: dict[int, float]
    "Share of the pieces of each length that do not occur in the training text."
    mean: float
    "Mean length in characters of the longest shared passage, over all starting positions."
    longest: tuple[Passage, ...]
    "Non-overlapping passages, longest first."


def compare(train: str, texts: list[str], most: int = 5) -> list[Copying]:
    """How much of each text also occurs in `train`. Raises `MissingExtraError` without pydivsufsort."""
    try:
        from pydivsufsort import divsufsort, kasai
    except ImportError:
        raise MissingExtraError("looking for copied passages", "report") from None
    pieces = [train.encode(), *(text.encode() for text in texts)]
    joined = np.frombuffer(_SEPARATOR.join(pieces) + _SEPARATOR, np.uint8).copy()
    order = divsufsort(joined)
    shared = _shared(order, kasai(joined, order), len(pieces[0]))
    made, place = [], len(pieces[0]) + 1
    for text, data in zip(texts, pieces[1:], strict=True):
        made.append(_copying(text, data, shared[place : place + len(data)], most))
        place += len(data) + 1
    return made


def _shared(order: Any, common: Any, train: int) -> Integers:
    """Length in bytes of the longest passage at each position that also starts in the first `train` bytes; 0 within
    them.

    order    the suffix array
    common   bytes that the suffixes of order[i] and order[i + 1] have in common
    """
    lengths = np.zeros(len(order), np.int64)
    others = np.flatnonzero(order > train)
    places, after, before = order[others].tolist(), common[others].tolist(), common[others - 1].tolist()
    ranks = others.tolist()
    longest = [0] * len(ranks)
    for walk, links in ((range(len(ranks)), before), (range(len(ranks) - 1, -1, -1), after)):
        step = 1 if walk.step > 0 else -1
        last, reach = None, 0
        for number in walk:
            rank = ranks[number]
            reach = min(reach, links[number]) if last == rank - step else links[number]
            longest[number] = max(longest[number], reach)
            last = rank
    lengths[places] = longest
    return lengths


def _copying(text: str, data: bytes, shared: Integers, most: int) -> Copying:
    starts = np.append(np.flatnonzero(heads(data)), len(data))
    size = len(starts) - 1
    lengths = np.searchsorted(starts, starts[:-1] + shared[starts[:-1]], side="right") - 1 - np.arange(size)
    novel = {count: float(np.mean(lengths[: size - count + 1] < count)) for count in SIZES if size >= count}
    taken, passages = np.zeros(size, np.bool_), list[Passage]()
    for start in np.argsort(-lengths, kind="stable").tolist():
        end = start + int(lengths[start])
        if len(passages) == most or end == start:
            break
        if not taken[start:end].any():
            taken[start:end] = True
            passages.append(Passage(text[start:end], start))
    return Copying(size, novel, float(lengths.mean()) if size else 0.0, tuple(passages))

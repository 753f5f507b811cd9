"""A quick figure of a long text: pieces that are spread over it evenly, and how far the figure may be from that of the whole."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charloom.data.corpus import Text
from charloom.evaluation.score import Score, evaluate_folded, evaluate_pieces
from charloom.models.language_model import LanguageModel

Spans = tuple[tuple[int, int], ...]
"""First and last (not included) character of each piece, in order."""


FEWEST, MOST, PIECE = 16, 64, 512
"""Pieces, and the characters of one while there are few: more pieces stand for the text better, longer ones lose less by
beginning with a zero state (docs/lab-log.md)."""


@dataclass(frozen=True)
class Estimate:
    """A score of a part of a text, and the standard error of its nats per character as a figure of the whole text."""

    score: Score
    standard_error: float | None
    "Nats per character; None where the whole text was read, or where one piece says nothing of it."


def evaluate_estimate(model: LanguageModel, text: Text, characters: int) -> Estimate:
    """An estimate from about so many characters of a text, each piece from a zero state. Raises `NotFiniteError`."""
    spans = spread(text, characters, whole_lines=model.config.documents == "lines")
    if spans == ((0, text.characters),):
        return Estimate(evaluate_folded(model, text), None)
    score, nats = evaluate_pieces(model, text, spans)
    return Estimate(score, standard_error(nats.tolist(), [stop - start for start, stop in spans], text.characters))


def spread(text: Text, characters: int, *, whole_lines: bool = False) -> Spans:
    """Pieces of equal length, each in the middle of an equal part of the text; a function of its arguments alone.

    With `whole_lines` each begins and ends where a line does: lengths differ, and there may be fewer.
    """
    if characters >= text.characters:
        return ((0, text.characters),)
    pieces = min(FEWEST, characters) if characters < FEWEST * PIECE else min(MOST, characters // PIECE)
    size = characters // pieces
    found = list[tuple[int, int]]()
    for piece in range(pieces):
        first, last = (place * text.characters // pieces for place in (piece, piece + 1))
        start = first + (last - first - size) // 2
        stop = start + size
        if whole_lines:
            start, stop = (_line_start(text, place) for place in (start, stop))
        if stop > max(start, found[-1][1] if found else 0):
            found.append((start, stop))
    return tuple(found) if found else ((0, text.characters),)


def standard_error(nats: Sequence[float], characters: Sequence[int], of_characters: int) -> float | None:
    """Of the nats per character of all pieces together, from how far the pieces lie apart; None of a single piece.

    `of_characters`: of the whole text. The ratio estimator for a sample of clusters, with the correction for a finite
    population (Cochran 1977, "Sampling Techniques", sections 2.11 and 9A.1).
    """
    count, read = len(nats), sum(characters)
    if count < 2:
        return None
    apart = np.asarray(nats) - sum(nats) / read * np.asarray(characters)
    left = max(0.0, 1 - read / of_characters)
    return math.sqrt(left * count / (count - 1) * float((apart**2).sum())) / read


def _line_start(text: Text, place: int) -> int:
    """The first character at or behind `place` that begins a line, or the text's end."""
    reached = max(0, place - 1)
    while reached < text.characters:
        ahead = str(text.slice(reached, min(reached + 4096, text.characters)))
        found = ahead.find("\n")
        if place == 0 or found >= 0:
            return 0 if place == 0 else reached + found + 1
        reached += len(ahead)
    return text.characters

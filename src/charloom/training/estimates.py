"""A quick score of a long text, from pieces spread evenly over it, with its standard error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from charloom.data.text import Text
from charloom.evaluation.score import Score, evaluate_folded, evaluate_pieces
from charloom.models.language_model import LanguageModel

Spans = tuple[tuple[int, int], ...]
"""Where each piece begins and ends, in characters, in order; the end is not included."""

FEWEST, MOST, PIECE = 16, 64, 512
"""Fewest and most pieces, and the characters of each while there are few.

More pieces represent the text better; longer ones lose less by starting from a zero state (docs/lab-log.md).
"""


@dataclass(frozen=True)
class Estimate:
    """A score of part of a text, and its standard error as an estimate for the whole text."""

    score: Score
    standard_error: float | None
    "Nats per character; None if the whole text was read, or only one piece."


def evaluate_estimate(model: LanguageModel, text: Text, characters: int) -> Estimate:
    """Estimate a text's score from about `characters` of it, each piece from a zero state. Raises `NotFiniteError`."""
    spans = spread(text, characters, whole_lines=model.config.documents == "lines")
    if spans == ((0, text.characters),):
        return Estimate(evaluate_folded(model, text), None)
    score, nats = evaluate_pieces(model, text, spans)
    return Estimate(score, standard_error(nats.tolist(), [stop - start for start, stop in spans], text.characters))


def spread(text: Text, characters: int, *, whole_lines: bool = False) -> Spans:
    """Pieces of equal length, each in the middle of an equal part of the text; the same for the same arguments.

    With `whole_lines`, pieces begin and end where lines do, so their lengths differ and there may be fewer.
    """
    if characters >= text.characters:
        return ((0, text.characters),)
    pieces = min(FEWEST, characters) if characters < FEWEST * PIECE else min(MOST, characters // PIECE)
    size = characters // pieces
    spans = list[tuple[int, int]]()
    for piece in range(pieces):
        first, last = (place * text.characters // pieces for place in (piece, piece + 1))
        start = first + (last - first - size) // 2
        stop = start + size
        if whole_lines:
            start, stop = (_line_start(text, place) for place in (start, stop))
        if stop > max(start, spans[-1][1] if spans else 0):
            spans.append((start, stop))
    return tuple(spans) if spans else ((0, text.characters),)


def standard_error(nats: Sequence[float], characters: Sequence[int], of_characters: int) -> float | None:
    """Standard error of the pieces' nats per character, from how much they differ; None for a single piece.

    `of_characters` is the length of the whole text. The ratio estimator for a sample of clusters, with the correction
    for a finite population (Cochran 1977, "Sampling Techniques", sections 2.11 and 9A.1).
    """
    count, read = len(nats), sum(characters)
    if count < 2:
        return None
    apart = np.asarray(nats) - sum(nats) / read * np.asarray(characters)
    left = max(0.0, 1 - read / of_characters)
    return math.sqrt(left * count / (count - 1) * float((apart**2).sum())) / read


def _line_start(text: Text, place: int) -> int:
    """The first character at or after `place` that begins a line, or the end of the text."""
    reached = max(0, place - 1)
    while reached < text.characters:
        ahead = str(text.slice(reached, min(reached + 4096, text.characters)))
        line_end = ahead.find("\n")
        if place == 0 or line_end >= 0:
            return 0 if place == 0 else reached + line_end + 1
        reached += len(ahead)
    return text.characters

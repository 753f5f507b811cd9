"""Simple features of each position in a text: how far along the line it is, whether it is inside quotation marks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charloom.report.classes import CLASSES, classes_of, runs
from charloom.report.predictions import Integers

LEAST = 0.005
"""A feature is used only if it is present at, and absent from, at least this share of the positions."""


def features_of(codes: Integers) -> dict[str, NDArray[np.float64]]:
    """Each feature's name and its values (n >= 1,), one after each character; those that hardly vary are left out."""
    letters = classes_of(codes) == CLASSES.index("letter")
    lines = codes == ord("\n")
    along = runs(~lines)
    blank = lines & (along == 0) & np.concatenate(([True], lines[:-1]))
    small, capital = _where(codes, str.islower), _where(codes, str.isupper)
    candidates: dict[str, NDArray[np.generic]] = {
        "place in the line": along,
        "line of the paragraph": _since(lines, blank),
        "letter of the word": runs(letters),
        "word in capitals": runs(letters & ~small) >= 2,
        "line has a small letter": _since(small, lines) > 0,
        "indentation": _indentation(codes, along),
        "inside double quotation marks": _inside_straight(codes, blank),
        "depth of brackets": _depth(codes, "([{", ")]}"),
        "inside curly quotation marks": _depth(codes, "“", "”"),
        "after a full stop": _since(letters, _among(codes, ".!?")) == 0,
        "in a number": runs(classes_of(codes) == CLASSES.index("digit")) > 0,
        "capital letter": capital,
    }
    return {name: values.astype(np.float64) for name, values in candidates.items() if _varies(values)}


def _varies(values: NDArray[Any]) -> bool:
    there = np.mean(values != np.min(values))
    return bool(LEAST <= there <= 1 - LEAST) or bool(there > 1 - LEAST and len(np.unique(values)) > 2)


def _where(codes: Integers, holds: Callable[[str], bool]) -> NDArray[np.bool_]:
    distinct, places = np.unique(codes, return_inverse=True)
    return np.array([code >= 0 and holds(chr(code)) for code in distinct.tolist()], np.bool_)[places]


def _among(codes: Integers, characters: str) -> NDArray[np.bool_]:
    return np.isin(codes, [ord(character) for character in characters])


def _since(counted: NDArray[np.bool_], reset: NDArray[np.bool_]) -> Integers:
    """How many were counted since the last reset, which does not count itself."""
    total = np.cumsum(counted & ~reset)
    return total - np.maximum.accumulate(np.where(reset, total, 0))


def _indentation(codes: Integers, along: Integers) -> Integers:
    """Spaces at the start of the line, once something else has followed; 0 before that."""
    blank = _among(codes, " \t")
    starting = runs(blank) == along
    first = ~starting & (along > 0) & np.concatenate(([True], (starting | (along == 0))[:-1]))
    order = np.arange(len(codes))
    last = np.maximum.accumulate(np.where(first | (along == 0), order, 0))
    width = np.where(first, along - 1, 0)
    return np.where(starting, 0, width[last])


def _inside_straight(codes: Integers, reset: NDArray[np.bool_]) -> Integers:
    """1 between two straight double quotation marks; a blank line closes them."""
    return _since(codes == ord('"'), reset) % 2


def _depth(codes: Integers, opening: str, closing: str) -> Integers:
    """How many are open; an unmatched closing one is ignored."""
    total = np.cumsum(_among(codes, opening).astype(np.int64) - _among(codes, closing))
    return total - np.minimum(np.minimum.accumulate(total), 0)

"""Words that are in no list: a word with one slip taken back, the likeliest as the character model sees them.

All share their beginnings with what was typed, so one reading of the typed word says how probable each is up to its first
letter that differs; what comes behind is supposed to cost the same a letter for all of them.
"""

import string
from collections.abc import Iterator

import numpy as np

from charloom.applications.correct.context import Context
from charloom.applications.correct.edits import ErrorModel
from charloom.applications.correct.spans import like
from charloom.stepping import Arrays

_A_LETTER = 1.5
"""Nats that a letter behind the slip is supposed to cost."""

_CONSIDERED = 4
"""Times as many are ranked by the model before the error model is asked."""


def own_edits(context: Context, state: Arrays, word: str, errors: ErrorModel, *, most: int) -> list[str]:
    """The likeliest words, at most so many, from which one slip leads to `word`; with its capitals, and without itself."""
    symbols = [context.symbol(character) for character in word]
    if None in symbols or word != like(word.lower(), word):
        return []
    logs = context.steps(state, word)
    before = np.concatenate(([0.0], -np.cumsum([logs[place, symbol] for place, symbol in enumerate(symbols)])))
    costs = dict[str, float]()
    for place, text in _with_one_slip(word.lower()):
        shaped = like(text, word)
        symbol = context.symbol(shaped[place])
        if symbol is not None and shaped != word:
            nats = before[place] - logs[place, symbol] + _A_LETTER * (len(text) - place - 1)
            costs[shaped] = min(float(nats), costs.get(shaped, np.inf))
    ranked = sorted(costs, key=lambda text: costs[text])[: _CONSIDERED * most]
    for text in ranked:
        slips = errors.slips(text, word)
        costs[text] += slips.nats if slips else np.inf
    return sorted(ranked, key=lambda text: costs[text])[:most]


def _with_one_slip(word: str) -> Iterator[tuple[int, str]]:
    """Words that are one slip away, and the place from which each differs: it has a letter there."""
    for place in range(len(word) + 1):
        before, rest = word[:place], word[place:]
        for letter in string.ascii_lowercase:
            yield place, before + letter + rest
            if rest:
                yield place, before + letter + rest[1:]
        if len(rest) > 1:
            yield place, before + rest[1:]
            yield place, before + rest[1] + rest[0] + rest[2:]

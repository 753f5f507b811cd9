"""Costs of slips from pairs of what was meant and what was typed.

A conditional logit (McFadden 1974): of the candidates for a typed word the one that was meant should be the most probable,

    P(meant | typed)  ~  exp(- costs . slips(meant, typed) - weights . nats(meant)),

fitted by Newton's method, with a Gaussian around the default costs for what the pairs say nothing of. Which slips lead from
one word to the other depends on the costs, so the slips are aligned again with the fitted costs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.correct.edits import DEFAULT_COSTS, KINDS, ErrorModel
from charloom.correct.lexicon import Lexicon, plain
from charloom.errors import TextError

SPREAD = 0.5
"""Standard deviation of a cost around its default, in nats."""

LEAST = 0.05
"""No slip costs less."""

MOST = 60
"""Candidates for a typed word."""

_ROUNDS = 2
_STEPS = 12


@dataclass(frozen=True)
class Pair:
    """A word, and what was typed in its place."""

    meant: str
    typed: str


def read_pairs(text: str, name: str) -> list[Pair]:
    """Pairs in Norvig's format: a line for each word, `right: wrong wrong`, commas allowed. Raises `TextError`."""
    pairs = list[Pair]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        meant, colon, typed = line.partition(":")
        words = [word.partition("*")[0] for word in typed.replace(",", " ").split()]
        if not colon or not meant.strip() or not all(words) or not words:
            raise TextError(f"line {number:,} of {name} is not `right: wrong wrong`: {line[:60]!r}; write it so")
        pairs += [Pair(plain(meant.strip()), plain(word)) for word in words if plain(word) != plain(meant.strip())]
    if not pairs:
        raise TextError(f"{name} has no pairs; write a line `right: wrong wrong` for each word")
    return pairs


@dataclass(frozen=True)
class Learned:
    """Costs of slips, and how much the surprisal of a word weighs beside them."""

    errors: ErrorModel
    frequency: float
    "Weight of a word's surprisal by its count."
    model: float
    "Weight of its surprisal by the character model; 0 where none was asked."


def learn(
    pairs: Sequence[Pair], lexicon: Lexicon, *, model_nats: Callable[[list[str]], Sequence[float]] | None = None
) -> Learned:
    """What these pairs speak for; candidates are the words of the lexicon that are near.

    `model_nats` gives the surprisal of words by a character model, where that is to have a say beside their counts.
    """
    candidates = [list(dict.fromkeys([pair.meant, *lexicon.near(pair.typed, 2, most=MOST)])) for pair in pairs]
    said = (
        {word: nats for words in candidates for word, nats in zip(words, model_nats(words), strict=True)}
        if model_nats
        else {}
    )
    start = np.array([*(DEFAULT_COSTS[kind] for kind in KINDS), 0.5, 0.5])
    errors, weights = ErrorModel(), start
    for _ in range(_ROUNDS):
        tables = list[NDArray[np.float64]]()
        for pair, words in zip(pairs, candidates, strict=True):
            rows = [_features(errors, word, pair.typed, lexicon, said.get(word, 0.0)) for word in words]
            kept = [row for row in rows if row is not None]
            if rows[0] is not None and len(kept) > 1:
                tables.append(np.array(kept))
        weights = fit(tables, start, spread=SPREAD)
        errors = ErrorModel({kind: max(LEAST, float(cost)) for kind, cost in zip(KINDS, weights, strict=False)})
    return Learned(errors, max(0.0, float(weights[-2])), max(0.0, float(weights[-1])) if model_nats else 0.0)


def _features(errors: ErrorModel, meant: str, typed: str, lexicon: Lexicon, model: float) -> list[float] | None:
    """How often each kind of slip leads from one word to the other, and the surprisals of what was meant; None if nothing does."""
    slips = errors.slips(meant, typed)
    if slips is None:
        return None
    return [*(float(slips.kinds.count(kind)) for kind in KINDS), lexicon.nats(meant), model]


def fit(tables: Sequence[NDArray[np.float64]], start: NDArray[np.float64], *, spread: float) -> NDArray[np.float64]:
    """Weights (K,) so that of each table (n, K) the first row has the least cost: the most probable ones near `start`."""
    weights, precision = start.copy(), 1 / spread**2
    for _ in range(_STEPS):
        slope = precision * (weights - start)
        curvature = precision * np.eye(len(start))
        for table in tables:
            costs = table @ weights
            shares = np.exp(costs.min() - costs)
            shares /= shares.sum()
            mean = shares @ table
            slope += table[0] - mean
            curvature += (table * shares[:, None]).T @ table - np.outer(mean, mean)
        step = np.linalg.solve(curvature, slope)
        weights = weights - step * min(1.0, 2.0 / max(1e-12, float(np.abs(step).max())))
    return weights

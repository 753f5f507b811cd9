"""How a word was misspelt: the cheapest sequence of slips from the intended word to the typed one.

Each slip has a kind, and each kind a cost in nats: minus the logarithm of its probability at one position of a word.
Besides Damerau's four (a letter left out, added, replaced, two exchanged; Damerau 1964) there are kinds for common
mistakes: neighbouring keys, doubled letters, vowels, and spellings that sound alike, also of several letters (after
Brill and Moore 2000, whose model replaces substrings).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DEFAULT_COSTS: Mapping[str, float] = MappingProxyType(
    {
        "two letters exchanged": 5.0,
        "a vowel for another": 6.0,
        "a neighbouring key": 6.5,
        "a spelling that sounds alike": 5.5,
        "a letter for another": 8.0,
        "a double letter written once": 5.0,
        "a letter written twice": 5.0,
        "a silent e": 5.0,
        "a vowel left out": 6.0,
        "a letter left out": 6.5,
        "a vowel added": 7.0,
        "a letter added": 7.5,
        "an apostrophe": 4.5,
        "a space left out": 7.0,
        "the first letter": 2.0,
    }
)
"""Nats for each kind of slip, set by hand; "the first letter" is added if the two words begin differently."""

_FIRST = "the first letter"
_SLACK = 3
"""How many letters the two words may be shifted against each other."""

_VOWELS = frozenset("aeiouy")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = frozenset(
    (one, other)
    for y, row in enumerate(_ROWS)
    for x, one in enumerate(row)
    for other_y, other_row in enumerate(_ROWS)
    for other_x, other in enumerate(other_row)
    if one != other and abs(y - other_y) <= 1 and abs((x + 0.5 * y) - (other_x + 0.5 * other_y)) <= 1
)
"""Pairs of keys that touch on a QWERTY keyboard, whose rows are shifted by half a key."""

_ALIKE_PAIRS = """
c k, c s, k q, s z, g j, f v, d t, m n, b p, x z, i e, f ph, f gh, k ch, k ck, c ck, c ch, x ks, x cs, x cks, kw qu, s
sc, s ss, s ps, n kn, n gn, r wr, r rh, w wh, j dg, j ge, g gu, sh ch, sh ti, sh ci, tion sion, tion cion, cion sion,
tion shun, ss c, sc c, cc ks, ee ea, ee ie, ee e, ea e, ei ie, i y, ie y, y ey, i igh, o oa, o ow, o ough, oo u, u ou,
ou ow, ow ough, ai ay, ai ei, a ai, a ei, a ea, er re, er or, er ar, or ar, or our, le el, le al, el al, ance ence,
ent ant, able ible, ise ize, yse yze, ious eous, ge dge, que k, ei a, eu u, au o, au aw, or aw, ur er, ir er, ur ir,
ear er, us ous, tch ch, mb m, lk k, gue g, cy sy, cial tial, ew u, ew ue, ew oo, ew ieu, air are, ear are, ure er, ain
en, ain in, ais es, oes os
"""
_ALIKE: dict[str, list[str]] = {}
for _pair in _ALIKE_PAIRS.replace("\n", " ").split(","):
    _one, _other = _pair.split()
    _ALIKE.setdefault(_one, []).append(_other)
    _ALIKE.setdefault(_other, []).append(_one)
_ALIKE_STARTS = {name: tuple(part for part in _ALIKE if part.startswith(name)) for name in {part[0] for part in _ALIKE}}


@dataclass(frozen=True)
class Slips:
    """How one word became another: the kinds of slips in order, and their total cost."""

    kinds: tuple[str, ...]
    nats: float

    @property
    def reason(self) -> str:
        """The slips as text."""
        return ", ".join(self.kinds)


class ErrorModel:
    """The probability that a word is typed as another, by the costs of slips; missing costs are the default ones."""

    def __init__(self, costs: Mapping[str, float] = DEFAULT_COSTS) -> None:
        self.costs = {**DEFAULT_COSTS, **costs}
        self._known: dict[tuple[str, str], Slips | None] = {}

    def slips(self, meant: str, typed: str) -> Slips | None:
        """The cheapest slips from `meant` to `typed`, ignoring case; None if the words have too little in common."""
        key = meant.lower().replace("’", "'"), typed.lower().replace("’", "'")
        if key not in self._known:
            if len(self._known) > 200_000:
                self._known.clear()
            self._known[key] = self._align(*key)
        return self._known[key]

    def _align(self, meant: str, typed: str) -> Slips | None:
        """Forward dynamic programming over the positions of both words, as for the Damerau distance."""
        costs, rows, columns = self.costs, len(meant), len(typed)
        if abs(rows - columns) > _SLACK + 1:
            return None
        best: list[dict[int, tuple[float, tuple[int, int, str] | None]]] = [{} for _ in range(rows + 1)]
        best[0][0] = 0.0, None
        for i in range(rows + 1):
            row = best[i]
            for j in range(max(0, i - _SLACK), min(columns, i + _SLACK) + 1):
                if j not in row:
                    continue
                cost = row[j][0]
                if i < rows and j < columns and meant[i] == typed[j]:
                    _offer(best, i + 1, j + 1, cost, (i, j, ""))
                for di, dj, kind in _steps(meant, typed, i, j):
                    extra = costs[kind] + (costs[_FIRST] if i == 0 and j == 0 else 0.0)
                    _offer(best, i + di, j + dj, cost + extra, (i, j, kind))
        if columns not in best[rows]:
            return None
        kinds, i, j = list[str](), rows, columns
        while (step := best[i][j][1]) is not None:
            i, j, kind = step
            if kind:
                kinds.append(kind)
                if i == 0 and j == 0:
                    kinds.append(_FIRST)
        return Slips(tuple(reversed(kinds)), best[rows][columns][0])


def _offer(
    best: list[dict[int, tuple[float, tuple[int, int, str] | None]]],
    i: int,
    j: int,
    cost: float,
    step: tuple[int, int, str],
) -> None:
    if cost < best[i].get(j, (math.inf, None))[0]:
        best[i][j] = cost, step


def _steps(meant: str, typed: str, i: int, j: int) -> list[tuple[int, int, str]]:
    """The slips possible here: how many letters of `meant` and `typed` each consumes, and its kind."""
    steps = list[tuple[int, int, str]]()
    here, there = meant[i : i + 1], typed[j : j + 1]
    if here:
        steps.append((1, 0, _left_out(meant, i)))
    if there:
        steps.append((0, 1, _added(typed, j)))
    if here and there and here != there:
        steps.append((1, 1, _replaced(here, there)))
        if meant[i : i + 2] == typed[j : j + 2][::-1] and len(meant) > i + 1:
            steps.append((2, 2, "two letters exchanged"))
    for part in _ALIKE_STARTS.get(here, ()):
        if meant.startswith(part, i):
            for other in _ALIKE[part]:
                if typed.startswith(other, j):
                    steps.append((len(part), len(other), "a spelling that sounds alike"))
    return steps


def _left_out(meant: str, i: int) -> str:
    letter = meant[i]
    if letter == " ":
        return "a space left out"
    if letter == "'":
        return "an apostrophe"
    if letter in (meant[i - 1 : i], meant[i + 1 : i + 2]):
        return "a double letter written once"
    if letter == "e" and i >= len(meant) - 2 and meant[i + 1 :] in ("", "s", "d"):
        return "a silent e"
    return "a vowel left out" if letter in _VOWELS else "a letter left out"


def _added(typed: str, j: int) -> str:
    letter = typed[j]
    if letter == "'":
        return "an apostrophe"
    if letter in (typed[j - 1 : j], typed[j + 1 : j + 2]):
        return "a letter written twice"
    if letter == "e" and j >= len(typed) - 2 and typed[j + 1 :] in ("", "s", "d"):
        return "a silent e"
    return "a vowel added" if letter in _VOWELS else "a letter added"


def _replaced(here: str, there: str) -> str:
    if here in _VOWELS and there in _VOWELS:
        return "a vowel for another"
    if (here, there) in _NEIGHBOURS:
        return "a neighbouring key"
    return "a letter for another"

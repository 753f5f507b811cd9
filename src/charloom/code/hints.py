"""Suspicious places in a file: tokens in whose place the model expected another one of the same kind.

The alternatives are: for an operator, the others of its kind; for a name that occurs once, names of the file (or
built-in ones) that are spelt almost alike; for two plain arguments, their exchange. A token is compared with each
alternative by the surprisal of its characters and of the ten that follow, which say much about what came before:

    gain = nats(token, what follows) - min over alternatives of nats(alternative, what follows)

A large gain is a hint, not an error: code can be surprising and right.
"""

import difflib
import io
import itertools
import keyword
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.errors import SettingsError, TextError
from charloom.generation.sampling import log_probabilities
from charloom.generation.side_by_side import surprisals
from charloom.generation.writer import Model, Writer

OPERATORS = (
    ("==", "!=", "<", "<=", ">", ">="),
    ("+", "-", "*", "/", "//", "%"),
    ("+=", "-=", "*="),
    ("and", "or"),
    ("True", "False"),
)
"""Operators, and keywords that work like them, by kind."""

FOLLOWING = 10
"""Characters after a token that are scored together with it."""

MOST = 1000
"""Most hints that can be requested."""

_ROWS = 64
_ALIKE, _MOST_NAMES = 0.75, 3
_GAIN = 1.0
"""Least gain of a hint, in nats."""

_WORDS = """
abs all any ascii bin bool bytearray bytes callable chr classmethod complex delattr dict dir divmod enumerate filter
float format frozenset getattr hasattr hash hex input int isinstance issubclass iter len list locals map max memoryview
min next object oct open ord pow print property range repr reversed round self set setattr slice sorted staticmethod
str sum super tuple type vars zip AttributeError Exception ImportError IndexError KeyError NotImplementedError OSError
RuntimeError StopIteration TypeError ValueError
"""
_BUILT_IN = frozenset(_WORDS.split())
"""Names that are known although they do not occur in the file."""


@dataclass(frozen=True)
class Place:
    """A part of a text that has plausible alternatives."""

    start: int
    text: str
    kind: str
    "operator, name or arguments"
    alternatives: tuple[str, ...]


@dataclass(frozen=True)
class Hint:
    """A place where the model finds an alternative more probable than the actual text."""

    line: int
    column: int
    "Both counted from 1."
    text: str
    kind: str
    nats: float
    "Surprisal of the actual text and of the characters after it."
    best: str
    best_nats: float
    "The same for the best alternative."

    @property
    def gain(self) -> float:
        """How much smaller the surprisal of the best alternative is, in nats."""
        return self.nats - self.best_nats


def places(text: str) -> list[Place]:
    """The parts of a Python text that have alternatives. Raises `TextError` for a text that cannot be tokenized."""
    try:
        tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.string.strip()]
    except (tokenize.TokenError, SyntaxError, IndentationError) as error:
        raise TextError(f"the text cannot be cut into Python's tokens ({error.args[0]}); fix it first") from None
    lines = _line_starts(text)
    starts = [lines[token.start[0] - 1] + token.start[1] for token in tokens]
    counts = Counter(token.string for token in tokens if token.type == tokenize.NAME)
    repeated = {name for name, count in counts.items() if count > 1 and not keyword.iskeyword(name)}
    known = dict.fromkeys(sorted(_BUILT_IN | repeated))
    return [
        place
        for number, start in enumerate(starts)
        for place in (
            _operator(tokens, number, start),
            _name(tokens, number, start, known),
            _arguments(text, tokens, number, starts),
        )
        if place is not None
    ]


def _line_starts(text: str) -> list[int]:
    """Where each line begins, and the last ends; only a newline ends a line, as for the tokenizer."""
    return [0, *itertools.accumulate(len(line) + 1 for line in text.split("\n"))]


def _operator(tokens: Sequence[tokenize.TokenInfo], number: int, start: int) -> Place | None:
    token = tokens[number]
    if token.type not in (tokenize.OP, tokenize.NAME):
        return None
    for group in OPERATORS:
        if token.string in group:
            if token.string in "+-*" and not _is_operand(tokens[number - 1] if number else None):
                return None
            return Place(start, token.string, "operator", tuple(other for other in group if other != token.string))
    return None


def _is_operand(token: tokenize.TokenInfo | None) -> bool:
    """Whether a binary operator can follow this token."""
    if token is None or (token.type == tokenize.NAME and keyword.iskeyword(token.string)):
        return False
    return token.type in (tokenize.NAME, tokenize.NUMBER, tokenize.STRING) or token.string in (")", "]", "}")


def _name(tokens: Sequence[tokenize.TokenInfo], number: int, start: int, known: Mapping[str, None]) -> Place | None:
    """A name that is not `known`, if some known names are spelt almost alike."""
    token = tokens[number]
    if token.type != tokenize.NAME or keyword.iskeyword(token.string) or len(token.string) < 3:
        return None
    if token.string in known:
        return None
    near = [name for name in known if abs(len(name) - len(token.string)) <= 2]
    close = difflib.get_close_matches(token.string, near, n=_MOST_NAMES, cutoff=_ALIKE)
    return Place(start, token.string, "name", tuple(close)) if close else None


def _arguments(text: str, tokens: Sequence[tokenize.TokenInfo], number: int, starts: Sequence[int]) -> Place | None:
    """Two plain names as the only arguments of a call."""
    if number < 2 or number + 4 > len(tokens):
        return None
    before, opening, first, comma, second, closing = tokens[number - 2 : number + 4]
    plain = all(each.type == tokenize.NAME and not keyword.iskeyword(each.string) for each in (before, first, second))
    if not plain or (opening.string, comma.string, closing.string) != ("(", ",", ")") or first.string == second.string:
        return None
    if number > 2 and tokens[number - 3].string in ("def", "class"):
        return None
    stop = starts[number + 2] + len(second.string)
    both = text[starts[number] : stop]
    between = text[starts[number] + len(first.string) : starts[number + 2]]
    return Place(starts[number], both, "arguments", (second.string + between + first.string,))


def find_hints(model: Model, text: str, hints: int = 10) -> list[Hint]:
    """The most suspicious places of a Python text, at most `hints`, the one with the largest gain first.

    Raises `TextError` for a text that cannot be tokenized or has a character that the model does not know,
    `SettingsError` for a number of hints outside its range.
    """
    if not 1 <= hints <= MOST:
        raise SettingsError(f"hints is {hints}; it must be at least 1 and at most {MOST:,}")
    writer = Writer.of(model)
    judged = list(_judged(writer, text, places(text)))
    return sorted(judged, key=lambda hint: (-hint.gain, hint.line, hint.column))[:hints]


def _judged(writer: Writer, text: str, candidates: Sequence[Place]) -> Iterator[Hint]:
    """The places where an alternative is better, in order."""
    (ids,) = writer.prompts([text])
    ids = ids[1:] if len(ids) and ids[0] == writer.vocabulary.boundary else ids
    by_start: dict[int, list[Place]] = {}
    for place in candidates:
        by_start.setdefault(place.start, []).append(place)
    rows, surprises, states = writer.begin([np.array([writer.vocabulary.boundary])]), np.zeros(len(ids)), {}
    for time, symbol in enumerate(ids.tolist()):
        if time in by_start:
            states[time] = rows.state[0].copy(), *(part.copy() for part in rows.state[1:])
        surprises[time] = -log_probabilities(writer.logits(rows))[0, symbol]
        rows.advance(np.array([symbol]))
    sums = np.concatenate(([0.0], surprises.cumsum()))
    characters = set(writer.vocabulary.characters)
    waiting: list[tuple[Place, str, NDArray[np.int64]]] = []
    nats: dict[tuple[Place, str], float] = {}
    for place in candidates:
        stop = min(place.start + len(place.text) + FOLLOWING, len(ids))
        if sums[stop] - sums[place.start] < _GAIN:
            continue  # no alternative can be better by that much
        behind = text[place.start + len(place.text) : stop]
        nats[place, place.text] = float(sums[stop] - sums[place.start])
        for other in place.alternatives:
            if characters.issuperset(other):
                waiting.append((place, other, writer.prompts([other + behind], states[place.start])[0]))
    waiting.sort(key=lambda each: -len(each[2]))
    for first in range(0, len(waiting), _ROWS):
        part = waiting[first : first + _ROWS]
        there = zip(*(states[place.start] for place, _, _ in part), strict=True)
        rows = writer.stepper.take_up([np.concatenate(parts, axis=1) for parts in there])
        totals = surprisals(writer, rows, [symbols for _, _, symbols in part])
        nats |= {(place, other): total for (place, other, _), total in zip(part, totals.tolist(), strict=True)}
    lines = _line_starts(text)
    for place in candidates:
        others = [other for other in place.alternatives if (place, other) in nats]
        if not others:
            continue
        best = min(others, key=lambda other: nats[place, other])
        if nats[place, place.text] - nats[place, best] >= _GAIN:
            number = int(np.searchsorted(lines, place.start, side="right"))
            column = place.start - lines[number - 1] + 1
            yield Hint(number, column, place.text, place.kind, nats[place, place.text], best, nats[place, best])

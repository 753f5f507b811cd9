"""The words of a text that can be judged, leaving out addresses, code, paths and numbers, which follow other rules."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from charloom.correct.code_lines import code_lines

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""Letters, with apostrophes between them."""

_MARKED_UP = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|<[^<>\n]*>", re.DOTALL)
"""Fenced code, inline code, and tags."""

_PIECE = re.compile(r"[^\s—–―]+")
"""A stretch between spaces and dashes."""

_NOT_WORDS = re.compile(
    r"[\d_@#$&\\/=<>{}|^~+%]"  # numbers, addresses, paths, names with marks, assignments, operators
    r"|[^\W\d_][.:]+\w|www\."  # names with a dot or colon inside: files, hosts, attributes, abbreviations
    r"|\w[(\[]"  # a call, an index
    r"|^[\"'(\[]*-"  # an option
)
"""No word of a piece that contains this is judged."""

LONGEST = 32
"""Longest word that is judged, in letters."""


@dataclass(frozen=True)
class Span:
    """A word and its position in the text."""

    start: int
    word: str

    @property
    def end(self) -> int:
        """The position after the word."""
        return self.start + len(self.word)


def spans(text: str) -> Iterator[Span]:
    """The words of a text that can be judged, in order."""
    place = 0
    for start, end in _skipped(text):
        yield from _words(text, place, start)
        place = max(place, end)
    yield from _words(text, place, len(text))


def _skipped(text: str) -> list[tuple[int, int]]:
    """Positions of code: marked up, or whole lines."""
    return sorted([*(match.span() for match in _MARKED_UP.finditer(text)), *code_lines(text)])


def _words(text: str, start: int, end: int) -> Iterator[Span]:
    """The words between two positions without code; each step is bounded, however long a piece is."""
    for piece in _PIECE.finditer(text, start, end):
        if _NOT_WORDS.search(piece.group()):
            continue
        for match in WORD.finditer(text, *piece.span()):
            word = match.group()
            if len(word) <= LONGEST and not _has_inner_capitals(word):
                yield Span(match.start(), word)


def _has_inner_capitals(word: str) -> bool:
    """Whether a word is written likeThis or LikeThis, but not in capitals throughout."""
    return any(one.islower() and other.isupper() for one, other in itertools.pairwise(word))


def like(word: str, shape: str) -> str:
    """`word` capitalised like `shape` (throughout, at the front, or not), with curly apostrophes if `shape` has any."""
    if "’" in shape:
        word = word.replace("'", "’")
    if len(shape) > 1 and shape.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if shape[:1].isupper() else word


def begins_sentence(text: str, start: int) -> bool:
    """Whether a word at this position begins a sentence, a line or a quotation."""
    before = text[:start].rstrip(" \t") if start < 200 else text[start - 200 : start].rstrip(" \t")
    return not before or before[-1] in "\n.!?:\"'“”‘’(["

"""The words of a text that can be judged: not those in addresses, code, paths and numbers, which follow other rules."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""Letters, with apostrophes between them."""

_MARKED_UP = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|<[^<>\n]*>", re.DOTALL)
"""Code between fences, code in a line, and tags."""

_PIECE = re.compile(r"\S+")

_ADDRESS = re.compile(r"://|@|www\.|\w[/\\]\w")
"""Where a piece without spaces has this, it is an address or a path."""

_NAMED = re.compile(r"[\d_@#$&\\]")
"""Beside a word these make it part of a number or of a name with a mark."""

LONGEST = 32
"""A longer word is none that anybody typed."""


@dataclass(frozen=True)
class Span:
    """A word and where it stands."""

    start: int
    word: str

    @property
    def end(self) -> int:
        """The place behind it."""
        return self.start + len(self.word)


def spans(text: str) -> Iterator[Span]:
    """The words of a text that can be judged, in order."""
    place = 0
    for marked in _MARKED_UP.finditer(text):
        yield from _words(text, place, marked.start())
        place = marked.end()
    yield from _words(text, place, len(text))


def _words(text: str, start: int, end: int) -> Iterator[Span]:
    """The words between two places where there is no code; each step is bounded, however long a piece is."""
    for piece in _PIECE.finditer(text, start, end):
        if _ADDRESS.search(text, *piece.span()):
            continue
        for match in WORD.finditer(text, *piece.span()):
            word = match.group()
            before, after = text[max(0, match.start() - 2) : match.start()], text[match.end() : match.end() + 2]
            if not (
                len(word) > LONGEST
                or _NAMED.match(before[-1:])
                or _NAMED.match(after[:1])
                or after[:1] == "("  # a function that is called
                or (after[:1] == "." and after[1:].isalnum())  # a file's name, an abbreviation
                or (before[1:] == "." and before[:1].isalnum())
                or _has_inner_capitals(word)
            ):
                yield Span(match.start(), word)


def _has_inner_capitals(word: str) -> bool:
    """Whether it is written likeThis or LikeThis; a word in capitals altogether is not."""
    return any(one.islower() and other.isupper() for one, other in itertools.pairwise(word))


def like(word: str, shape: str) -> str:
    """`word` with the capitals of `shape`: all, the first, or as it is; and with curly apostrophes if it has any."""
    if "’" in shape:
        word = word.replace("'", "’")
    if len(shape) > 1 and shape.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if shape[:1].isupper() else word


def begins_sentence(text: str, start: int) -> bool:
    """Whether a word that stands there is the first of a sentence, a line or a quotation."""
    before = text[:start].rstrip(" \t") if start < 200 else text[start - 200 : start].rstrip(" \t")
    return not before or before[-1] in "\n.!?:\"'“”‘’(["

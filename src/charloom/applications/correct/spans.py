"""The words of a text that can be judged: not those in addresses, code, paths and numbers, which follow other rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""Letters, with apostrophes between them."""

_PROTECTED = re.compile(
    r"""
    ```.*?(?:```|\Z)                 # code between fences
  | `[^`\n]*`                        # code in a line
  | <[^<>\n]*> | &\#?\w+;            # markup
  | \w+://\S+ | \bwww\.\S+           # addresses
  | \S+@\S+                          # of people too
  | [@\#$\\]\w+                      # names with a mark
  | \S*\w[/\\]\w\S*                  # paths
  | \b\w+(?:\.\w+)+\b                # file names, abbreviations, names with dots
  | \w+\(                            # functions that are called
  | \b\w*[\d_]\w*(?:[-'’]\w+)*       # numbers, and names with digits or underscores
  | \b\w*[^\W\d_A-Z][A-Z]\w*\b       # namesLikeThis
    """,
    re.VERBOSE | re.DOTALL,
)


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
    for protected in _PROTECTED.finditer(text):
        yield from _words(text, place, protected.start())
        place = protected.end()
    yield from _words(text, place, len(text))


def _words(text: str, start: int, end: int) -> Iterator[Span]:
    for match in WORD.finditer(text, start, end):
        yield Span(match.start(), match.group())


def like(word: str, shape: str) -> str:
    """`word` with the capitals of `shape`: all, the first, or as it is."""
    if len(shape) > 1 and shape.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if shape[:1].isupper() else word


def begins_sentence(text: str, start: int) -> bool:
    """Whether a word that stands there is the first of a sentence, a line or a quotation."""
    before = text[:start].rstrip(" \t") if start < 200 else text[start - 200 : start].rstrip(" \t")
    return not before or before[-1] in "\n.!?:\"'“”‘’(["

"""Whether an unfinished Python text can still be completed, and how.

Three checks, the cheapest first. The lexer judges each character; CPython's parser judges at the end of each token
whether the line can continue, and at the end of each logical line whether the text is valid once everything open is
closed. None of them refuses a text that can be completed; and a text that has passed the end of a line certainly can,
as `closing` shows.
"""

import copy
import itertools
import keyword
from collections.abc import Iterator

from charloom.code.lexer import Lexer, permits
from charloom.code.outline import Outline
from charloom.code.parser import may_go_on, parses

_DELIMITERS = frozenset(" \n()[]{},;")
"""Characters that end a token and that no token can continue with."""

_SHORT, _LONG = 400, 4000
"""Up to the first length an unfinished line is parsed at each token, up to the second at its line breaks only."""

_FILLERS = (
    *("", "0", " 0", "_", " _", ":0", "=0", " 0:0", " in 0", " _ in 0", " else 0", " 0 else 0"),
    *("(): pass", " _(): pass", " import _", " as _", " def _(): pass"),
)
"""What can stand for a missing part before brackets are closed, tried in this order."""


_FIELDS = ("", "}", "0}", ")}", "]}", "r}", "0)}", "0]}")
"""What can end the field of an f-string that the lexer does not see."""


class Checker:
    """Reads a text one character at a time."""

    def __init__(self) -> None:
        self.lexer, self.outline = Lexer(), Outline()
        self.line = ""
        "The text since the end of the last logical line."
        self._string_start = 0

    def copy(self) -> "Checker":
        """A copy that has read the same text."""
        twin = copy.copy(self)
        twin.lexer, twin.outline = self.lexer.copy(), self.outline.copy()
        return twin

    @property
    def complete(self) -> bool:
        """Whether the text is complete here, at the beginning of a line."""
        return not self.line and not self.outline.closing

    def push(self, character: str) -> bool:
        """Read a character, in any case; False if certainly no Python text begins so."""
        lexer = self.lexer
        permitted, outside = permits(lexer.situation, character), not lexer.strings
        before = self.line[-1:]
        self.line += character
        lexer.push(character)
        if outside and lexer.strings:
            string = lexer.string
            assert string is not None
            self._string_start = len(self.line) - len(string.quote) - len(lexer.prefix)
        if lexer.ended:
            return self._end() and permitted
        if lexer.at_start and character == "\n":  # a line with nothing in it
            self.line = ""
        if not permitted or lexer.strings:
            return permitted
        if lexer.string_ended:
            return self._string_stands()
        token_ends = character in _DELIMITERS and before not in _DELIMITERS and lexer.between and not lexer.at_start
        if token_ends and len(self.line) < (_LONG if character == "\n" else _SHORT):
            return may_go_on(self.outline.context + self.line)
        return True

    def read(self, text: str) -> bool:
        """Read all characters; False if one of them was refused."""
        refused = 0
        for character in text:
            refused += not self.push(character)
        return not refused

    @property
    def closing(self) -> str:
        """What completes the text: closed strings and brackets, an ended statement, `pass` in an empty block.

        At the beginning of a line this is all that an accepted text needs. A statement that breaks off in the middle
        gets the first of a few fillers with which it parses. A text that was refused may still not parse, because
        nothing is removed from it.
        """
        if self.lexer.at_start:
            return "\n" * (bool(self.line) + self.lexer.continued) + self.outline.closing
        inner, outer = self.lexer.closing
        for ending in self._endings(inner, outer):
            after = self._after(ending)
            if parses(self.outline.context + self.line + ending + after):
                return ending + after
        return f"{inner}{outer}\n" + self._after(f"{inner}{outer}\n")

    def _endings(self, inner: str, outer: str) -> Iterator[str]:
        """Ways to end the line: what closes the string, a filler, and what closes the surrounding brackets."""
        fields = _FIELDS if self.lexer.string and "f" in self.lexer.prefix else ("",)
        around = dict.fromkeys((outer, outer.replace("}", ":0}", 1)))
        word = self.lexer.word
        begun = [known[len(word) :] for known in keyword.kwlist if word and known.startswith(word)]
        for rest, field, filler, closers, tail in itertools.product(("", *begun), fields, _FILLERS, around, ("", ":")):
            yield f"{rest}{field}{inner}{filler}{closers}{tail}\n"

    def _after(self, ending: str) -> str:
        """What closes the blocks after the line has this ending."""
        lexer, outline = self.lexer.copy(), self.outline.copy()
        for character in ending:
            lexer.push(character)
        outline.add(self.line + ending, len(lexer.indents) - 1, opens=lexer.expects_block)
        return outline.closing

    def _end(self) -> bool:
        before = self.outline.context
        self.outline.add(self.line, len(self.lexer.indents) - 1, opens=self.lexer.expects_block)
        line, self.line = self.line, ""
        return parses(before + line + self.outline.closing)

    def _string_stands(self) -> bool:
        """Whether the string that has just ended is valid; nothing else checks its fields and character names."""
        text = self.line[self._string_start :]
        return not ("{" in text and ("\\" in text or "f" in self.lexer.prefix)) or parses(text)

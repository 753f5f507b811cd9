"""The lexical state of an unfinished Python text after each character, and which characters would make it invalid.

The lexer follows CPython's tokenizer as far as a character can be judged at once: strings of all kinds with their
escapes, comments, brackets by kind, continued lines, indentation. It never refuses what the tokenizer accepts; what it
cannot judge (is `x = =` a statement?) it leaves to the parser. From Python 3.12 on the fields of f-strings are code
with quotes of their own (PEP 701); before, they are part of the string. The lexer follows the Python that runs it.

It also reads invalid texts, which have to be closed too: a refused character is taken for what it most likely means.
"""

import copy
import sys
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

NESTED: Final = sys.version_info >= (3, 12)
"""Whether fields of f-strings are code."""

CLOSERS = {"(": ")", "[": "]", "{": "}"}
_STEP = 8
"""Most columns by which a new block is indented."""

_FIELD = "{field"
_PREFIXES = {"r", "u", "b", "f", "br", "rb", "fr", "rf"} | ({"t", "tr", "rt"} if sys.version_info >= (3, 14) else set())
_DIGITS = {"x": 2, "u": 4, "U": 8}
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True)
class String:
    """An open string."""

    quote: str
    "One quote or three."
    raw: bool
    bytes: bool
    nested: bool
    "Whether its braces hold code."
    spec: bool = False
    "Whether it is the format of a field, which ends with the field."


Situation = tuple[Hashable, ...]
"""Everything that decides which characters can follow."""


class Lexer:
    """The state of a text that is read one character at a time."""

    def __init__(self) -> None:
        self.open: list[str | String] = []
        "Open brackets and strings, the outermost first."
        self.indents: list[tuple[int, int]] = [(0, 0)]
        "Columns of the open blocks, with tabs counted as eight and as one: both must agree."
        self.indented = (0, 0)
        "The indentation of the current line so far."
        self.at_start, self.expects_block = True, False
        "Whether the logical line has no token yet; whether the line before opened a block."
        self.ended = self.string_ended = False
        "Whether the last character ended a logical line that is not empty; whether it ended a string."
        self.comment = self.continued = False
        self.last, self.word = "", ""
        "The last character of code that is not a space, and the letters and digits directly before this position."
        self.prefix = ""
        "The prefix of the last string, in lower case."
        self.escape = ""
        "An unfinished escape: the backslash itself, `N`, `N{`, or one `x` for each missing hexadecimal digit."
        self._held = 0
        "The column of a backslash in the indentation."
        self._bang, self._brace, self._fresh, self._empty, self._run = False, False, False, "", 0

    def copy(self) -> "Lexer":
        """A copy in the same state."""
        twin = copy.copy(self)
        twin.open, twin.indents = self.open.copy(), self.indents.copy()
        return twin

    @property
    def string(self) -> String | None:
        """The string that the text is in."""
        return self.open[-1] if self.open and isinstance(self.open[-1], String) else None

    @property
    def strings(self) -> bool:
        """Whether a string is open, even if the text is in the code of one of its fields."""
        return any(isinstance(item, String) for item in self.open)

    @property
    def between(self) -> bool:
        """Whether the text is in code between two tokens: one may begin, and none can continue."""
        return not (self.comment or self.continued or self._bang or self.string or self.word or self._empty)

    @property
    def situation(self) -> Situation:
        """What decides which characters can follow; for `permits`."""
        if self.comment:
            return ("any",)
        string = self.string
        if string:
            if self.escape:
                return self.escape[:2], string.bytes
            return "string", len(string.quote) == 1, string.bytes
        if self.continued:
            return ("newline",)
        top = self.open[-1] if self.open else ""
        if self._bang and top != _FIELD:
            return ("=",)
        return "code", top, self._empty, not self.at_start or self.fits

    @property
    def _stands(self) -> tuple[int, int]:
        """The indentation of the current line; if it begins with backslashes, the column of the first, unless that is
        0."""
        return (self._held, self._held) if self._held else self.indented

    @property
    def fits(self) -> bool:
        """Whether a statement may begin at this indentation."""
        if self.expects_block:
            return all(here > outer for here, outer in zip(self._stands, self.indents[-1], strict=True))
        return self._stands in self.indents

    @property
    def may_indent(self) -> bool:
        """False if another space or a backslash would indent the line deeper than any statement of the open blocks."""
        if not self.at_start or self.comment:
            return True
        return self.indented[0] < self.indents[-1][0] + (_STEP if self.expects_block else 0)

    @property
    def closing(self) -> tuple[str, str]:
        """What ends the current string, comment or continuation; and what closes everything around it."""
        ends = [_end(item) for item in reversed(self.open)]
        if self.comment or self.continued:
            return "\n", "".join(ends)
        string = self.string
        if not string:
            return "", "".join(ends)
        begun = _ESCAPES.get(self.escape[:2], "0" * len(self.escape))
        if string.spec:
            return begun + "".join(ends[:2]), "".join(ends[2:])
        return begun + ends[0][0 if begun else self._run :], "".join(ends[1:])

    def push(self, character: str) -> None:
        """Read a character."""
        self.ended = self.string_ended = False
        if self.comment and character != "\n":
            return
        if self.string:
            self._push_string(character)
        else:
            self._push_code(character)

    def _push_code(self, character: str) -> None:
        self.comment = False
        if self.continued:
            self.continued = False
            if character == "\n":
                return
        if self._empty:
            quote, self._empty = self._empty, ""
            if character == quote:
                self.open.append(self._string(3 * quote))
                return
            self.string_ended = True
        self._bang = False
        if self.at_start and not self._begin(character):
            return
        word, self.word = self.word, ""
        if character.isspace():
            if character == "\n" and not self.open:
                self._end()
            return
        if character == "#":
            self.comment = True
            return
        top, self.last = self.open[-1] if self.open else "", character
        if character in "'\"":
            self.prefix = word.lower() if word.lower() in _PREFIXES else ""
            self.open.append(self._string(character))
            self._fresh = True
        elif character in CLOSERS:
            self.open.append(character)
        elif character in ")]}":
            if self.open:
                self.open.pop()
                self._run = 0
        elif character == ":" and top == _FIELD:
            outer = self.open[-2]
            assert isinstance(outer, String)
            self.open.append(String(outer.quote, outer.raw, outer.bytes, True, spec=True))
        elif character == "\\":
            self.continued = True
        elif character == "!":
            self._bang = True
        elif character == "_" or character.isalnum() or not character.isascii():
            self.word = word + character

    def _begin(self, character: str) -> bool:
        """Read a character of the indentation; True if it belongs to a statement instead."""
        column, tabs_of_one = self.indented
        if character == " ":
            self.indented = column + 1, tabs_of_one + 1
        elif character == "\t":
            self.indented = (column // 8 + 1) * 8, tabs_of_one + 1
        elif character in "\f\n":
            self.indented, self._held = (0, 0), self._held * (character == "\f")
        elif character == "\\":
            self._held, self.continued = self._held or column, True
        elif character == "#":
            self.comment = True
        else:
            self.at_start, self.indented, self._held = False, self._stands, 0
            if self.expects_block or self.indented > self.indents[-1]:
                self.indents.append(self.indented)
            while len(self.indents) > 1 and self.indents[-1] > self.indented:
                self.indents.pop()
            self.expects_block = False
            return True
        return False

    def _end(self) -> None:
        self.ended, self.at_start, self.indented = True, True, (0, 0)
        self.expects_block = self.last == ":"
        self.last = ""

    def _string(self, quote: str) -> String:
        formatted = "f" in self.prefix or "t" in self.prefix
        return String(quote, "r" in self.prefix, "b" in self.prefix, formatted and NESTED)

    def _push_string(self, character: str) -> None:
        string = self.string
        assert string is not None
        fresh, self._fresh = self._fresh, False
        if self._brace:
            self._brace = False
            if character != "{":
                self.open.append(_FIELD)
                self._push_code(character)
            return
        if self.escape and not (self.escape == "\\" and string.nested and character == "{"):
            self._push_escape(character, string)
            return
        self.escape = ""
        if character == "\\":
            self.escape, self._run = "\\", 0
        elif string.spec and character in "{}":
            if character == "{":
                self.open.append(_FIELD)
            else:
                del self.open[-2:]
        elif string.nested and character == "{":
            self._brace, self._run = True, 0
        elif character != string.quote[0] or string.spec:
            self._run = 0
        elif len(string.quote) == 1:
            self.open.pop()
            self.last = character
            if fresh:
                self._empty = character
            else:
                self.string_ended = True
        else:
            self._run += 1
            if self._run == 3:
                self.open.pop()
                self._run, self.string_ended, self.last = 0, True, character

    def _push_escape(self, character: str, string: String) -> None:
        before, self.escape = self.escape, ""
        if before == "\\":
            if string.raw or (string.bytes and character != "x"):
                return
            self.escape = "N" if character == "N" else "x" * _DIGITS.get(character, 0)
        elif before == "N":
            self.escape = "N{" if character == "{" else ""
        elif before.startswith("N{"):
            self.escape = "" if character == "}" else "N{."
        else:
            self.escape = before[1:]


_ESCAPES = {"": "", "\\": "n", "N": "{SPACE}", "N{": "}"}


def _end(item: str | String) -> str:
    if isinstance(item, String):
        return "" if item.spec else item.quote
    return CLOSERS[item[0]]


def permits(situation: Situation, character: str) -> bool:
    """Whether a text can still become valid Python if this character follows in this situation."""
    kind = situation[0]
    if character == "\0":
        return False
    if kind == "any":
        return True
    if kind == "string":
        return (character != "\n" or not situation[1]) and (character.isascii() or not situation[2])
    if kind == "\\":
        return character.isascii() or not situation[1]
    if kind in ("x", "xx"):
        return character in _HEX
    if kind == "N":
        return character == "{"
    if kind == "N{":
        return character.isascii() and (character.isalnum() or character in " -}")
    if kind == "newline":
        return character == "\n"
    if kind == "=":
        return character == "="
    _, top, _, fits = situation
    if character in " \t\f\n#":
        return True
    if not fits:
        return character == "\\"
    if character in ")]}":
        return bool(top) and character == CLOSERS[str(top)[0]]
    if not character.isascii():
        return ("a" + character).isidentifier()
    return character.isprintable() and character not in "$?`"

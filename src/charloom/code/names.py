"""The identifiers of a text, complete or not."""

import keyword
from collections.abc import Iterator
from typing import NamedTuple

from charloom.code.lexer import Lexer


class Name(NamedTuple):
    """An occurrence of an identifier."""

    start: int
    text: str
    before: str
    "The identifier and dot in front of it, such as `self.`; `.` after something else; empty without a dot."


def names_in(text: str) -> Iterator[Name]:
    """The identifiers in code, in order, without keywords; strings and comments are ignored."""
    lexer, start, dot = Lexer(), 0, ""
    before = ""
    for place, character in enumerate(text + "\n"):
        word = lexer.word
        lexer.push(character)
        if lexer.word:
            start = place if not word else start
            continue
        if word and not lexer.string:
            if word.isidentifier() and not keyword.iskeyword(word):
                yield Name(start, word, dot)
            before, dot = word, ""
        if character == "." and not (lexer.string or lexer.comment):
            dot = f"{before}." if word and word.isidentifier() else "."
        elif not character.isspace():
            dot = ""

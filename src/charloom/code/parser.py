"""CPython's own parser, asked two questions: is this a Python text, and can it become one?

Nothing is executed: the parser is asked for a syntax tree, or to fail.
"""

import ast
import warnings

_ALLOW_INCOMPLETE_INPUT = 0x4000
"""The flag with which interactive Python asks whether a statement is incomplete (`codeop.PyCF_ALLOW_INCOMPLETE_INPUT`).
"""

_NO_TEXT = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
"""What the parser raises for a text that is none, or too deep for it."""


def parses(text: str) -> bool:
    """Whether `ast.parse` accepts the text."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except _NO_TEXT:
            return False
    return True


def may_go_on(text: str) -> bool:
    """Whether a text that ends between two tokens, in code, is the beginning of one that the parser accepts.

    A line that is continued and then is not there makes the tokenizer meet the end of the text just behind the last
    token. If the parser asked for that token, all before it could stand. So it never says no to a beginning that has an
    end; it may say yes too often where an error is found late (two kinds of strings side by side).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text + " \\\n", "<text>", "exec", ast.PyCF_ONLY_AST | _ALLOW_INCOMPLETE_INPUT)
        except SyntaxError as error:
            return error.msg == "incomplete input"
        except _NO_TEXT:
            return False
    return True

"""CPython's own parser, asked two questions: is this a Python text, and can it become one?

Nothing is executed: the parser is asked for a syntax tree, or to fail.
"""

import ast
import warnings

_ALLOW_INCOMPLETE_INPUT = 0x4000
"""With this flag interactive Python recognises an incomplete statement (`codeop.PyCF_ALLOW_INCOMPLETE_INPUT`)."""

_NO_TEXT = (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError)
"""What the parser raises for a text that is invalid, or nested too deeply."""


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
    """Whether a text that ends in code, between two tokens, may be the beginning of a valid one.

    A continuation line that is missing makes the tokenizer meet the end of the text right after the last token. If the
    parser asks for another token there, everything before it is valid. So a beginning that can be completed is never
    refused; an invalid one may be accepted if the parser notices the error late (two kinds of strings side by side).
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

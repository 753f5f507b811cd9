"""Unfinished Python: whatever can become valid is never refused, and whatever is accepted can be finished."""

import codeop
import keyword
import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charloom.code import parser
from charloom.code.checker import Checker
from charloom.code.lexer import NESTED, Lexer, permits
from charloom.code.parser import may_go_on, parses

LIBRARY = Path(sysconfig.get_path("stdlib"))

PIECES = [
    *(
        "x",
        "y_1",
        "0",
        "1.5",
        "0x1f",
        "'a'",
        '"b"',
        "f'{x}'",
        "rb'\\d'",
        '"""c\nd"""',
        "'\\x41'",
        "'\\N{DASH}'",
        "''",
        "# e",
    ),
    *("(", ")", "[", "]", "{", "}", ",", ":", ";", ".", "=", "==", "!=", "+", "-", "*", "->", ":=", "@", "\\\n", " "),
    *(
        "\n",
        "\n    ",
        "\n        ",
        "\n  ",
        "\n\t",
        "if ",
        "else:",
        "try:",
        "except x:",
        "finally:",
        "def f():",
        "class A:",
    ),
    *(
        "for x in y:",
        "while x:",
        "return ",
        "lambda: ",
        "pass",
        "match x:",
        "case 1:",
        "import x",
        "with x as y:",
        "async ",
    ),
    *(
        " in ",
        " not ",
        " and ",
        "else",
        "elif x:",
        "print x",
        "$",
        "`",
        "é",
        "x if y else 0",
        "global x",
        "1if x else 2",
    ),
]
"""Fragments of small texts, right and wrong ones."""

texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def modules() -> Iterator[tuple[Path, str]]:
    """The library's files that parse, shuffled."""
    paths = sorted(path for path in LIBRARY.rglob("*.py") if "site-packages" not in path.parts)
    random.Random(3).shuffle(paths)
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if parses(text):
            yield path, text


def read(text: str) -> Checker | None:
    """The checker after reading the text; None if it was refused."""
    checker = Checker()
    return checker if all(checker.push(character) for character in text) else None


def check_library(characters: int) -> None:
    """Every prefix of every module is accepted, and what closes it at some line ends makes it a text."""
    draw, done = random.Random(5), 0
    for path, text in modules():
        checker = Checker()
        for place, character in enumerate(text, 1):
            assert checker.push(character), f"{path}: refused after {text[max(0, place - 60) : place]!r}"
            if character == "\n" and place < 20_000 and draw.random() < 0.02:
                assert parses(text[:place] + checker.closing), f"{path}: {text[max(0, place - 60) : place]!r}"
        assert text[-1:] != "\n" or checker.complete
        done += len(text)
        if done > characters:
            return


def test_every_prefix_of_modules_of_the_library_is_accepted_and_can_be_closed() -> None:
    check_library(150_000)


@pytest.mark.slow
def test_every_prefix_of_every_module_of_the_library_is_accepted_and_can_be_closed() -> None:
    check_library(10**9)


@given(texts)
@example("@x\n\n# y\n@y\ndef f(): pass")
@example("if x:\n    pass\n    # y\n  # y\nelse:\n    pass")
@example("match x:\n    case 1:\n        pass\n    case y: pass")
@example("try: pass\nexcept x: pass\nexcept y: pass\nelse: pass\nfinally: pass")
@example("x = \\\n1")
@example("if x:\n\ty\n\tif y:\n\t\tx")
@example("f'{x!r:>{y}} {{'")
def test_what_the_parser_accepts_is_accepted(text: str) -> None:
    if parses(text):
        assert read(text) is not None


@given(texts)
def test_what_was_accepted_up_to_a_line_end_becomes_a_text_by_its_closing(text: str) -> None:
    checker = read(text + "\n")
    if checker is not None and checker.lexer.at_start:
        assert parses(text + "\n" + checker.closing)


@given(texts)
def test_whatever_was_accepted_some_character_can_follow(text: str) -> None:
    lexer = Lexer()
    for character in text:
        if not permits(lexer.situation, character):
            return
        lexer.push(character)
        assert any(permits(lexer.situation, other) for other in "\n =a0{}-#")


@given(texts, st.integers(0, 60))
def test_a_copy_goes_its_own_way(text: str, place: int) -> None:
    checker = Checker()
    checker.read(text[:place])
    twin = checker.copy()
    before = checker.closing, checker.line, checker.complete
    twin.read("x = [\n" + text[place:])
    assert (checker.closing, checker.line, checker.complete) == before


@given(texts)
def test_a_text_that_is_wrong_is_read_all_the_same(text: str) -> None:
    checker = Checker()
    checker.read(text)
    assert isinstance(checker.closing, str)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "x = )",
            "(]",
            "f(a, b]",
            "x = 1\n  y",
            "if x:\ny",
            "if x:\n    y\n  z",
            "x = 'a\n",
            "x = $",
            "x ! y",
            "x \\ ",
        ),
        *(
            "'\\x4g",
            "b'\\x4g",
            "'\\N(",
            "b'é",
            "'\\u12 ",
            "x = = ",
            "def f(a, b))",
            "else: ",
            "print x\n",
            "try:\n    x\ny\n",
        ),
        *(
            "@x\ny\n",
            "x = [1 2 ",
            "match x:\n    y\n",
            "for x y ",
            "f'{'\n",
            "'\\N{NO SUCH NAME}' ",
            "1 = x\n",
            "return return\n",
        ),
        *(
            "class A\n",
            "if x = 1:\n",
            "x = 1\n\ty",
            "a\0",
            "a b\n",
            "import x y\n",
            "while True print(",
            "def f(x):\n    x\n   y",
        ),
    ],
)
def test_what_no_text_begins_with_is_refused(text: str) -> None:
    assert not parses(text)
    assert read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "x = ",
            "if x",
            "f(a, 'b",
            'x = """a\n',
            "for",
            "x = [\n  1,",
            "def f(",
            "class A:\n",
            "try:\n    x\n",
            "@x\n",
            "x = \\",
        ),
        *(
            "'\\x4",
            "'\\N{LATIN",
            "f'{x",
            "# a",
            "if x:\n  # b\n",
            "  # c",
            "x = 'a\\",
            "match x:\n",
            "with open(x) as ",
            "\n\n",
            "",
        ),
        *(
            "if x:\n    y\n    ",
            "x = {'a': ",
            "lambda x: ",
            "try:\n    x\nexcept",
            "r'\\",
            "b'\\x0",
            "async ",
            "x = not ",
            "x = 1 if y ",
        ),
    ],
)
def test_what_has_an_end_is_accepted_and_closed(text: str) -> None:
    checker = read(text)
    assert checker is not None
    if not (text.endswith("LATIN")):  # the end of a character's name cannot be guessed
        assert parses(text + checker.closing), checker.closing


def test_closing_adds_as_little_as_there_must_be() -> None:
    for text, closing in [
        ("", ""),
        ("x = 1\n", ""),
        ("x = f(1, [2", "])\n"),
        ("x = '''a", "'''\n"),
        ("class A:\n", "    pass\n"),
        ("if x:\n    try:\n        y\n", "    finally: pass\n"),
        ("    # a", "\n"),
        ("@x\n", "def _(): pass\n"),
    ]:
        checker = read(text)
        assert checker is not None
        assert checker.closing == closing


@pytest.mark.skipif(not NESTED, reason="from Python 3.12 on")
def test_quotes_in_the_fields_of_f_strings_are_their_own() -> None:
    assert read("f'{x['a']}' ") is not None
    assert read("f'{x['a']:{y}}{{' ") is not None
    assert read("f'{x[}") is None


def test_keywords_that_were_begun_can_be_ended() -> None:
    for word in ("whil", "retur", "impor", "nonloca", "rais"):
        checker = read(word)
        assert checker is not None and not keyword.iskeyword(word)
        assert parses(word + checker.closing)


def test_what_the_parser_reads_at_a_line_end_does_not_grow_with_the_text() -> None:
    checker = Checker()
    block = (
        "def f(x):\n    if x:\n        return [1,\n                2]\n"
        "    elif y:\n        z = 3\n    else:\n        pass\n"
    )
    sizes = []
    for _ in range(20):
        assert checker.read(block)
        sizes.append(len(checker.outline.context))
    assert max(sizes) == sizes[0] < len(block) + 50


def test_the_parser_is_asked_with_the_flag_of_interactive_python() -> None:
    assert codeop.PyCF_ALLOW_INCOMPLETE_INPUT == parser._ALLOW_INCOMPLETE_INPUT


@pytest.mark.parametrize(
    "text", ["x =", "f(", "f(x,", "if x", "for x in", "x if y else", "class A(", "def f(x) ->", "x"]
)
def test_a_text_may_go_on_behind_what_is_no_error(text: str) -> None:
    assert may_go_on(text)


@pytest.mark.parametrize("text", ["x = =", "f(x,,", "if x)", "for in", "x else", "class (", "def f(x) x"])
def test_a_text_may_not_go_on_behind_an_error(text: str) -> None:
    assert not may_go_on(text)


def test_a_text_that_is_too_deep_for_the_parser_is_none() -> None:
    assert not parses("(" * 5000 + ")" * 5000)
    assert not may_go_on("-" * 200_000 + "x")

"""Completion of identifiers from the model and from the file, with probabilities of exclusive events."""

import json
import string
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from charloom.code.identifiers import DECAY, FileNames, IdentifierCompleter
from charloom.code.names import Name, names_in
from charloom.complete.completer import Completer
from charloom.errors import TextError
from charloom.generation.writer import Writer
from models import small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

ASCII = "\n" + "".join(character for character in string.printable if character.isprintable())
FILE = """import os
class Reader:
    def read_lines(self, path):  # comment_word
        self.path_name = "string_word"
        return self.path_name, os.path
"""


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(small_model(ASCII, sharpness=0.7))


# --- names ---


def test_names_are_those_in_code_with_what_stands_before_their_dot() -> None:
    assert [name.text for name in names_in(FILE)] == [
        *("os", "Reader", "read_lines", "self", "path", "self", "path_name", "self", "path_name", "os", "path")
    ]
    assert all(FILE[name.start :].startswith(name.text) for name in names_in(FILE))
    assert {(name.before, name.text) for name in names_in(FILE) if name.before} == {
        ("self.", "path_name"),
        ("os.", "path"),
    }


def test_names_stand_in_texts_that_are_not_complete_too() -> None:
    assert [name.text for name in names_in("x = [a.b, 'c")] == ["x", "a", "b"]
    assert list(names_in("f(1).x")) == [Name(0, "f", ""), Name(5, "x", ".")]
    assert [name.text for name in names_in("rb'a' + f'b' + if_ + if 1e5")] == ["if_"]


# --- the file's share ---


def test_the_shares_of_all_names_are_one_and_later_ones_count_more() -> None:
    known = FileNames()
    for name in ("a", "b", "a", "c"):
        known.add(name, "")
    shares = known.shares("")
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["a"] > shares["c"] > shares["b"]
    assert shares["b"] / shares["c"] == pytest.approx(DECAY**2)


def test_names_behind_the_same_object_count_more() -> None:
    known = FileNames()
    for name, before in (("x", "self."), ("y", "os."), ("z", "")):
        known.add(name, before)
    shares = known.shares("self.")
    assert shares["x"] > shares["y"] > 0
    assert "z" not in shares
    assert sum(shares.values()) == pytest.approx(1)


def test_many_names_do_not_overflow() -> None:
    known, few = FileNames(), FileNames()
    for number in range(200_000):
        known.add(f"name{number % 3}", "")
    for number in range(5_000):
        few.add(f"name{(number + 2) % 3}", "")
    assert known.shares("") == pytest.approx(few.shares(""), rel=0.02)


# --- completion ---


@pytest.mark.parametrize("typed", ["", "pa", "self.", "self.pa", "x.", "re"])
def test_all_suggestions_have_together_a_probability_of_one_at_most(writer: Writer, typed: str) -> None:
    found = IdentifierCompleter(writer, FILE + typed).suggest(200)
    assert 0.05 < sum(each.probability for each in found) <= 1 + 1e-6
    assert [each.nats for each in found] == sorted(each.nats for each in found)
    assert len({each.text for each in found}) == len(found)


def test_a_name_of_the_file_is_suggested_although_the_model_would_not_write_it(writer: Writer) -> None:
    found = IdentifierCompleter(writer, FILE + "self.pa").suggest(1)
    assert [each.text for each in found] == ["th_name"]
    assert found[0].ends


def test_without_the_file_the_suggestions_are_the_models(writer: Writer) -> None:
    alone = Completer(writer, FILE + "self.pa", unit="identifier").suggest(5)
    mixed = IdentifierCompleter(writer, FILE + "self.pa", mixture=0).suggest(5)
    assert [each.text for each in mixed] == [each.text for each in alone]
    assert [each.nats for each in mixed] == pytest.approx([each.nats for each in alone], rel=1e-4)


def test_typing_letter_by_letter_is_typing_it_at_once(writer: Writer) -> None:
    whole = IdentifierCompleter(writer, FILE + "self.path")
    typed = IdentifierCompleter(writer, FILE + "self.")
    for key in "path":
        typed = typed.type(key)
    assert typed.begun == whole.begun == "path"
    assert [each.text for each in typed.suggest()] == [each.text for each in whole.suggest()]
    assert [each.nats for each in typed.suggest()] == pytest.approx([each.nats for each in whole.suggest()], rel=1e-4)


def test_the_surprisal_of_given_completions_is_that_of_the_beam(writer: Writer) -> None:
    completer = Completer(writer, "x = ab", unit="identifier")
    found = [each for each in completer.suggest(20) if each.ends]
    texts = [each.text for each in found]
    assert completer.nats(texts).tolist() == pytest.approx([each.nats for each in found], rel=1e-4)
    assert completer.nats(["é", texts[0]])[0] == float("inf")


def test_a_quote_ends_an_identifier() -> None:
    completer = Completer(small_model("ab' \n", sharpness=0.3), "a'b", unit="identifier", length=3)
    assert completer.begun == "b"
    assert not any("'" in each.text for each in completer.suggest(200))


def test_a_character_that_the_model_does_not_know_is_refused(writer: Writer) -> None:
    with pytest.raises(TextError, match=r"U\+00E9"):
        IdentifierCompleter(writer, "é = 1\n")


# --- the command ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model(ASCII, sharpness=0.7), tmp_path_factory.mktemp("identifiers") / "model")


def test_the_command_prints_what_python_gives(folder: Path, charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(FILE)
    common = ["--syntax", "python", "--text", "f.py", "--suggestions", 3]
    expected = IdentifierCompleter(Writer.load(folder), FILE + "self.pa").suggest(3)
    done = charloom("complete", folder, "self.pa", *common, "--json")
    assert json.loads(done.stdout) == [
        {"text": each.text, "probability": each.probability, "ends": True} for each in expected
    ]
    shown = charloom("complete", folder, "self.pa", *common).stdout.splitlines()
    assert shown[0].split("\t")[1] == "path_name"
    from_input = charloom("complete", folder, "self.pa", "--syntax", "python", "--text", "-", input=FILE).stdout
    assert from_input.splitlines()[:3] == shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--text", "f.py"], ["--syntax"]),
        (["--syntax", "python", "--line"], ["--line"]),
        (["--syntax", "python", "--length", 5], ["--length"]),
        (["--syntax", "python", "--text", "none.py"], ["none.py"]),
        (["--syntax", "python", "--suggestions", 0], ["suggestions is 0"]),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, charloom: Call, arguments: list[object], words: list[str]) -> None:
    done = charloom("complete", folder, "a", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words)

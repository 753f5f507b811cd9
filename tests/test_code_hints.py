"""Hints: what they compare, their order, and what is not a hint."""

import json
import string
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from charloom.code.hints import FOLLOWING, find_hints, places
from charloom.errors import SettingsError, TextError
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.settings import NetworkConfig, TrainingConfig
from models import brute_force_nats, log_probabilities, small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

ASCII = "\n" + "".join(character for character in string.printable if character.isprintable())
FILE = """def least(values, weights):
    best = values[0]
    for value in values:
        if value < best and value != 0:
            best = value * -1 + vlaues[0]
    # a == b in a comment
    text = "a == b"
    return join(best, text)
"""


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return small_model(ASCII, sharpness=1)


def test_operators_names_that_are_almost_others_and_exchanged_arguments_have_alternatives() -> None:
    found = {(place.kind, place.text): place.alternatives for place in places(FILE)}
    assert set(found) == {
        *(("operator", text) for text in ("<", "and", "!=", "*", "+")),
        ("name", "vlaues"),
        ("arguments", "best, text"),
    }
    assert found["operator", "and"] == ("or",)
    assert "==" in found["operator", "<"]
    assert "values" in found["name", "vlaues"]
    assert found["arguments", "best, text"] == ("text, best",)
    assert all(FILE[place.start :].startswith(place.text) for place in places(FILE))


def test_places_are_right_behind_characters_that_end_a_line_for_others() -> None:
    """Old modules have form feeds between their parts; for the tokenizer only a newline ends a line."""
    text = "a = 1\n\f\nb = 'x\x1cy' + a\n" + FILE
    assert [place.text for place in places(text)] == ["+", *(place.text for place in places(FILE))]
    assert all(text[place.start :].startswith(place.text) for place in places(text))


def test_signs_and_stars_of_arguments_are_no_operators() -> None:
    assert [place for place in places("f(*x, **y)\nreturn -1\nx = -y\n") if place.kind == "operator"] == []


def test_names_that_stand_often_or_are_built_in_are_taken_for_right() -> None:
    assert [place for place in places("rage(1)\nrange(2)\nrage(3)\nrage(4)\n") if place.kind == "name"] == []
    assert [place.text for place in places("rnage(1)\nrange(2)\n") if place.kind == "name"] == ["rnage"]


def test_a_hint_compares_surprises_of_token_and_what_follows(model: LanguageModel) -> None:
    hints = find_hints(model, FILE, 50)
    assert hints
    lines = FILE.split("\n")
    for hint in hints:
        start = sum(len(line) + 1 for line in lines[: hint.line - 1]) + hint.column - 1
        assert FILE[start:].startswith(hint.text)
        behind = FILE[start + len(hint.text) :][:FOLLOWING]
        before = model.encode(FILE[:start]).tolist()
        for text, nats in ((hint.text, hint.nats), (hint.best, hint.best_nats)):
            ids = model.encode(text + behind).tolist()
            logs = log_probabilities(model, before + ids)
            expected = -sum(logs[len(before) + place][symbol] for place, symbol in enumerate(ids))
            assert nats == pytest.approx(expected, rel=1e-3)
        assert hint.gain == pytest.approx(hint.nats - hint.best_nats)
        assert hint.gain >= 1


def test_the_greatest_gain_comes_first_and_few_are_the_first_of_many(model: LanguageModel) -> None:
    many = find_hints(model, FILE, 50)
    assert [hint.gain for hint in many] == sorted((hint.gain for hint in many), reverse=True)
    assert len(many) > 2
    assert find_hints(model, FILE, 2) == many[:2]


def test_a_model_that_knows_the_text_by_heart_finds_what_was_changed(tmp_path: Path) -> None:
    import charloom

    text = "# != > - or\n" + 40 * "if left == right and value < total:\n    count = count + 1\n"
    run = charloom.train(
        text,
        run=tmp_path / "run",
        epochs=25,
        network=NetworkConfig(hidden_size=48),
        training=TrainingConfig(batch_size=4, sequence_length=64),
    )
    writer = Writer.load(run.path)
    here = text[: len(text) // 2]
    for right, wrong in (("==", "!="), ("<", ">"), ("+", "-"), ("and", "or")):
        place = here.index(right, 600)
        changed = here[:place] + wrong + here[place + len(right) :]
        hints = find_hints(writer, changed, 3)
        assert hints and (hints[0].text, hints[0].best) == (wrong, right), (right, hints, run.metrics())
        assert hints[0].line == changed.count("\n", 0, place) + 1


def test_the_surprise_of_a_whole_text_is_the_sum_of_its_characters(model: LanguageModel) -> None:
    import charloom

    assert charloom.surprisal(model, FILE).sum() == pytest.approx(
        brute_force_nats(model, model.encode(FILE).tolist()), rel=1e-4
    )


@pytest.mark.parametrize("text", ["x = (", "'''a", "if x:\n    y\n  z\n"])
def test_a_text_without_tokens_is_refused(model: LanguageModel, text: str) -> None:
    with pytest.raises(TextError, match="cannot be cut into Python's tokens"):
        find_hints(model, text)


@pytest.mark.parametrize("wrong", [0, -1, 1001])
def test_a_number_of_hints_out_of_range_is_refused(model: LanguageModel, wrong: int) -> None:
    with pytest.raises(SettingsError, match="hints"):
        find_hints(model, FILE, wrong)


def test_a_text_without_places_has_no_hints(model: LanguageModel) -> None:
    assert find_hints(model, "") == []
    assert find_hints(model, "x\n") == []


# --- the command ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model(ASCII, sharpness=1), tmp_path_factory.mktemp("hints") / "model")


def test_the_command_tells_what_python_gives(folder: Path, charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(FILE)
    expected = find_hints(Writer.load(folder), FILE, 3)
    told = json.loads(charloom("score", folder, "--text", "f.py", "--hints", 3, "--json").stdout)["hints"]
    assert [(hint["line"], hint["column"], hint["text"], hint["best"]) for hint in told] == [
        (hint.line, hint.column, hint.text, hint.best) for hint in expected
    ]
    assert [hint["gain"] for hint in told] == [hint.gain for hint in expected]
    lines = charloom("score", folder, "--text", "f.py", "--hints", 3).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"{hint.line}:{hint.column}" for hint in expected]
    assert charloom("score", folder, "--text", "-", "--hints", 3, input=FILE).stdout.splitlines() == lines
    assert charloom("score", folder, FILE, "--hints", 3).stdout.splitlines() == lines


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x = (", "--hints", 3], ["tokens"]),
        (["x", "--hints", 0], ["hints is 0"]),
        (["x", "--hints", 3, "--html", "x.html"], ["--html"]),
        (["é", "--hints", 3], ["U+00E9"]),
        (["--text", "folder", "--hints", 3], ["one file"]),
    ],
)
def test_bad_input_is_one_sentence(
    folder: Path, charloom: Call, tmp_path: Path, arguments: list[object], words: list[str]
) -> None:
    (tmp_path / "folder").mkdir(exist_ok=True)
    for name in ("a.py", "b.py"):
        (tmp_path / "folder" / name).write_text("x = 1\n")
    done = charloom("score", folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words)

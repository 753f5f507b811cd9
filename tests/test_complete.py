"""Completions: their probabilities add up, and typing letter by letter changes nothing."""

import itertools
import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from charloom.complete.completer import Completer, Completion, Unit, in_word
from charloom.errors import SettingsError, TextError
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from conftest import CELLS
from models import log_probabilities, small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

EVERY = 1000
"""More suggestions than there are completions."""


def total(completer: Completer) -> float:
    return completer.complete + sum(each.probability for each in completer.suggest(EVERY))


def ending_probability(model: LanguageModel, prefix: str, text: str, ends: str) -> float:
    """Probability of `text` and then one of the symbols `ends` (and the boundary, if predicted), step by step."""
    before = model.encode(prefix + text).tolist()
    logs = log_probabilities(model, [*before, 0])
    ids = [model.vocabulary.characters.index(character) for character in ends]
    if model.config.predicts_end:
        ids.append(model.vocabulary.boundary)
    first = len(model.encode(prefix))
    said = sum(logs[first + place][symbol] for place, symbol in enumerate(before[first:]))
    return float(np.exp(said) * np.exp(logs[len(before)][ids]).sum())


@pytest.mark.parametrize("unit", ["word", "line"])
@pytest.mark.parametrize("kind", ["characters", "ends", "lines", "bytes"])
def test_all_completions_and_the_unit_that_is_complete_have_the_probability_one(kind: str, unit: Unit) -> None:
    text = "aé —\n" if kind == "bytes" else "ab —\n"
    model = small_model(
        text,
        kind="bytes" if kind == "bytes" else "characters",
        documents="lines" if kind == "lines" else "none",
        predicts_end=kind in ("ends", "lines"),
        sharpness=0.5,
    )
    if kind == "lines":
        with torch.no_grad():
            model.network.output.bias[model.vocabulary.characters.index("\n")] -= 40
    if kind == "bytes":  # 256 symbols: what is not in the text is made improbable, so that the beam holds it all
        with torch.no_grad():
            kept = torch.zeros(256, dtype=torch.bool)
            kept[list(text.encode())] = True
            model.network.output.bias[~kept] -= 30
            model.network.output.weight[~kept] = 0
    completer = Completer(model, "a", unit=unit, length=2 if kind == "bytes" else 3)
    assert total(completer) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_completion_has_the_probability_of_its_characters_and_then_an_end(cell: str) -> None:
    model = small_model("abc -\n", cell, predicts_end=True, sharpness=1)  # type: ignore[arg-type]
    found = Completer(model, "b a", length=4).suggest(EVERY)
    assert {each.text for each in found} == {
        "".join(text) for size in (1, 2, 3, 4) for text in itertools.product("abc", repeat=size)
    }
    for each in found:
        assert each.ends == (len(each.text) < 4)
        if each.ends:
            assert each.probability == pytest.approx(ending_probability(model, "b a", each.text, " -\n"), rel=1e-4)
    assert [each.nats for each in found] == sorted(each.nats for each in found)


@pytest.mark.parametrize("unit", ["word", "line"])
def test_few_suggestions_are_the_first_of_many(unit: Unit) -> None:
    model = small_model("abcdefg .\n", sharpness=1)
    completer = Completer(model, "ab", unit=unit, length=5)
    many = completer.suggest(EVERY)
    few = completer.suggest(4)
    assert [each.text for each in few] == [each.text for each in many[:4]]
    assert sum(each.probability for each in many) + completer.complete <= 1 + 1e-6


@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("documents", ["none", "lines"])
def test_typing_letter_by_letter_is_typing_it_at_once(kind: str, documents: str) -> None:
    model = small_model("abcdé—' \n", kind=kind, documents=documents, sharpness=0.7)  # type: ignore[arg-type]
    text = "ab'dé —a\ncab"
    whole = Completer(model, text)
    typed = Completer(model)
    for character in text:
        typed = typed.type(character)
    assert typed.typed == whole.typed == text
    assert typed.begun == whole.begun == "cab"
    expected, found = whole.suggest(8), typed.suggest(8)
    assert [each.text for each in found] == [each.text for each in expected]
    assert [each.nats for each in found] == pytest.approx([each.nats for each in expected], rel=1e-4)


def test_a_key_can_be_taken_back() -> None:
    model = small_model("abcd ")
    before = Completer(model, "ab")
    expected = before.suggest()
    before.type("c").type("d").suggest()
    assert before.suggest() == expected


def test_words_end_where_no_word_goes_on() -> None:
    model = small_model("ab1_'’é.- \n", predicts_end=True, sharpness=0.7)
    for each in Completer(model, "a", length=4).suggest(200):
        assert all(map(in_word, each.text))
    assert not any(map(in_word, '.- \n—"('))
    assert Completer(model, "a-b'é").begun == "b'é"


def test_lines_end_with_newlines_only() -> None:
    model = small_model("ab. \n", sharpness=0.7)
    found = Completer(model, "a\nb", unit="line", length=4).suggest(300)
    assert any(" " in each.text for each in found)
    assert not any("\n" in each.text for each in found)
    assert Completer(model, "a\nb a", unit="line").begun == "b a"


def test_a_character_of_several_bytes_ends_a_word_and_is_not_part_of_it() -> None:
    model = small_model("a", kind="bytes", sharpness=0.2)
    with torch.no_grad():
        model.network.output.weight.zero_()
        model.network.output.bias.fill_(-30)
        for byte in {*b"a", *"—".encode()}:
            model.network.output.bias[byte] = 0
    found = {each.text: each.probability for each in Completer(model, "a", length=2).suggest(20)}
    # of four bytes that are equally likely three begin an em dash, or invalid UTF-8, but no letter
    assert found.pop("a") == pytest.approx(1 / 4 * 3 / 4)
    assert found.pop("aa") == pytest.approx(1 / 4 * 1 / 4)
    assert max(found.values()) < 1e-9


def test_the_probability_is_that_of_the_nats() -> None:
    assert Completion("a", 2.0, True).probability == pytest.approx(math.exp(-2))


@pytest.mark.parametrize("wrong", [0, -1, 1001])
def test_a_number_of_suggestions_out_of_range_is_refused(wrong: int) -> None:
    with pytest.raises(SettingsError, match="suggestions"):
        Completer(small_model("ab ")).suggest(wrong)


def test_a_length_below_one_is_refused() -> None:
    with pytest.raises(SettingsError, match="length"):
        Completer(small_model("ab "), length=0)


def test_a_key_that_the_model_does_not_know_is_refused_and_nothing_is_changed() -> None:
    completer = Completer(small_model("ab "), "a")
    with pytest.raises(TextError, match=r"U\+65E5"):
        completer.type("日")
    assert completer.typed == "a"


# --- the command ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model("abcde \n"), tmp_path_factory.mktemp("complete") / "model")


def test_the_command_prints_what_python_gives(folder: Path, charloom: Call) -> None:
    for prefix, flags, more in (("ab", [], {}), ("", ["--line", "--length", 6], {"unit": "line", "length": 6})):
        done = charloom("complete", folder, prefix, "--suggestions", 3, *flags, "--json")
        expected = Completer(Writer.load(folder), prefix, **more).suggest(3)  # type: ignore[arg-type]
        assert json.loads(done.stdout) == [
            {"text": each.text, "probability": each.probability, "ends": each.ends} for each in expected
        ]
        assert len(expected) == 3


def test_people_are_shown_whole_words(folder: Path, charloom: Call) -> None:
    lines = charloom("complete", folder, "a bc", "--suggestions", 2).stdout.splitlines()
    assert len(lines) == 2
    assert all(line.split("\t")[1].startswith("bc") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x"], ["U+0078", "not among"]),
        (["a", "--suggestions", 0], ["suggestions is 0"]),
        (["a", "--length", 0], ["length is 0"]),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, charloom: Call, arguments: list[object], words: list[str]) -> None:
    done = charloom("complete", folder, *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words)

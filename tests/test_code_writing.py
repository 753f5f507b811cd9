"""Python that is written under the constraint: it has an end, and it is the model's own where that makes no mistakes."""

import json
import string
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charloom.code import writing as code
from charloom.code.parser import parses
from charloom.code.writing import Writing, finish, generate_code
from charloom.errors import SettingsError, TextError
from charloom.generation.generate import generate
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.settings import SamplingConfig
from models import small_model, uniform_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

ASCII = "\n" + "".join(character for character in string.printable if character.isprintable())


def likely(model: LanguageModel, characters: str, nats: float) -> LanguageModel:
    """The model with these characters more likely than before."""
    with torch.no_grad():
        for character in characters:
            model.network.output.bias[model.vocabulary.characters.index(character)] += nats
    return model


@pytest.fixture(scope="module", autouse=True)
def short_statements() -> Iterator[None]:
    """Models that know nothing end no statement: it is closed sooner here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "LONGEST", 200)
        yield


@pytest.fixture(scope="module")
def writers() -> list[Writer]:
    """Models that know nothing, and like what is hard to close."""
    return [
        Writer(uniform_model(ASCII, layers=1)),
        Writer(likely(small_model(ASCII, layers=1, sharpness=0.5), "\n#", 3)),
        Writer(likely(small_model(ASCII, layers=1, sharpness=0.3, predicts_end=True), "\n:([{'\" ", 2.5)),
        Writer(likely(small_model(ASCII, layers=1, sharpness=0.3), "\nifdetry:@x()", 3)),
    ]


def whole(writing: Writing) -> tuple[str, str]:
    """The text, and the reason why it ended."""
    pieces = list(writing.pieces())
    assert pieces[-1].stop_reason is not None
    return "".join(piece.text for piece in pieces), pieces[-1].stop_reason


@settings(max_examples=15)
@given(st.integers(0, 3), st.integers(0, 10_000), st.integers(0, 80), st.sampled_from([0.3, 1.0, 3.0]))
def test_what_is_written_parses_once_it_is_finished(
    writers: list[Writer], which: int, seed: int, length: int, temperature: float
) -> None:
    writing = Writing(writers[which], "", SamplingConfig(temperature=temperature), length=length, seed=seed)
    text, reason = whole(writing)
    assert len(text) == length or reason == "end"
    assert parses(text + finish("", text, writing.more))


@pytest.mark.parametrize(
    "prompt",
    ["def f(x):\n", "x = [\n    1,", "class A:\n    def f(self):\n        if ", '"""a', "try:\n    x\n", "@x\n"],
)
def test_a_prompt_that_is_open_is_written_on_and_closed(writers: list[Writer], prompt: str) -> None:
    for writer in (writers[0], writers[3]):
        text = generate_code(writer, prompt, length=30, seed=4, finished=True)
        assert parses(prompt + text)


def test_the_same_seed_gives_the_same_text_and_another_another(writers: list[Writer]) -> None:
    texts = [generate_code(writers[1], length=150, seed=seed) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_longer_text_begins_with_the_shorter_one(writers: list[Writer]) -> None:
    assert generate_code(writers[1], length=200, seed=3).startswith(generate_code(writers[1], length=90, seed=3))


@pytest.mark.parametrize(
    "settings", [{}, {"temperature": 0.7}, {"top_k": 5}, {"top_p": 0.8}, {"repetition_penalty": 1.2}]
)
def test_where_the_model_makes_no_mistake_the_text_is_the_one_without_the_constraint(
    settings: dict[str, float],
) -> None:
    model = likely(small_model(ASCII, sharpness=1), "\n", -60)  # in a comment everything can stand
    prompt = "# a comment that goes on: "
    free = "".join(generate(model, prompt, length=80, seed=7, **settings))  # type: ignore[arg-type]
    assert generate_code(model, prompt, length=80, seed=7, **settings) == free  # type: ignore[arg-type]


def test_the_memory_is_that_of_the_text_and_not_of_what_was_refused(writers: list[Writer]) -> None:
    writing = Writing(writers[3], "x = 1\n", SamplingConfig(), length=120, seed=5)
    text, _ = whole(writing)
    assert writing.redrawn > 0
    expected = writers[3].read("x = 1\n" + text + writing.more)
    for part, right in zip(writing._source._rows.state, expected, strict=True):
        np.testing.assert_allclose(part, right, atol=1e-4)


def test_with_a_state_the_text_is_one_of_its_own_that_another_stands_before(writers: list[Writer]) -> None:
    state = writers[1].read("if x:\n    y = (")
    writing = Writing(writers[1], "", SamplingConfig(), length=80, seed=2, state=state)
    text, _ = whole(writing)
    assert parses(text + finish("", text, writing.more))
    assert text != generate_code(writers[1], length=80, seed=2)


def test_the_model_ends_a_text_only_where_it_can_end() -> None:
    model = likely(small_model(ASCII, predicts_end=True, sharpness=0.2), "\n:", 3)
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 4
    ended = 0
    for seed in range(30):
        writing = Writing(model, "if x:\n", SamplingConfig(), length=400, seed=seed)
        text, reason = whole(writing)
        if reason == "end":
            ended += 1
            assert parses("if x:\n" + text)
            assert finish("if x:\n", text) == ""
    assert ended > 5


def test_the_surest_choice_is_left_where_it_cannot_stand() -> None:
    model = likely(uniform_model(ASCII), ")", 5)
    assert parses(generate_code(model, length=40, greedy=True, finished=True))


def test_a_stop_string_is_not_given_out(writers: list[Writer]) -> None:
    text = generate_code(writers[1], length=300, seed=1)
    stop = text[100:103]
    assert generate_code(writers[1], length=300, seed=1, stop=[stop]) == text[: text.index(stop)]


def test_a_line_that_never_can_stand_is_replaced() -> None:
    model = likely(uniform_model(ASCII), "?", 20)  # which leaves identifiers of all letters, and nothing that ends them
    likely(model, "\n", -40)
    writing = Writing(model, "x = 1\n", SamplingConfig(), length=5, seed=0)
    text, _ = whole(writing)
    assert writing.replaced > 0
    assert parses("x = 1\n" + text + finish("x = 1\n", text, writing.more))


# --- finishing ---


def test_finishing_goes_on_to_the_end_of_the_statement_and_no_further() -> None:
    assert finish("", "x = [1,", " 2]\ny = 3\n") == " 2]\n"
    assert finish("", "x = 1\n", "y = 2\n") == ""
    assert finish("", "if x", ":\n    y\n") == ":\n    pass\n"
    assert finish("def f():", "\n    '''", "doc'''\n") == "doc'''\n"
    assert finish("", "x = 1  # a", " comment\ny") == " comment\n"


def test_finishing_takes_a_limited_number_of_characters() -> None:
    assert finish("", "x = '''", "a" * 5000) == "a" * code.FINISH + "'''\n"


def test_a_text_that_does_not_parse_does_not_parse_afterwards() -> None:
    for wrong in ("x = )\ny = 1", "def f(:\n    x", "x = 'a\ny", "  x\n y", "else:\n"):
        assert not parses(wrong + finish("", wrong, "\n"))


@settings(max_examples=50)
@given(st.text(alphabet=ASCII, max_size=60))
def test_what_parses_does_so_when_it_is_finished(text: str) -> None:
    assert parses(text + finish("", text)) or not parses(text)


# --- what cannot be written ---


@pytest.mark.parametrize("prompt", ["x = )", "if x:\ny", "print x\n", "x = 1\n  y = 2"])
def test_a_prompt_that_is_no_python_is_refused_with_its_place(writers: list[Writer], prompt: str) -> None:
    with pytest.raises(TextError, match=r"the prompt is not the beginning of a Python text: line \d, column \d"):
        Writing(writers[0], prompt)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (small_model(ASCII, kind="bytes"), "only a model of characters"),
        (small_model(ASCII, documents="lines"), "only a model of characters"),
        (
            small_model(ASCII.replace("(", "").replace("#", "")),
            r"does not know '#', without which Python cannot be written",
        ),
    ],
)
def test_a_model_that_cannot_write_python_is_refused(model: LanguageModel, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Writing(model)


def test_settings_outside_their_range_are_refused(writers: list[Writer]) -> None:
    with pytest.raises(SettingsError, match="length is -1"):
        generate_code(writers[0], length=-1)
    with pytest.raises(SettingsError, match="temperature"):
        generate_code(writers[0], temperature=-1)
    assert generate_code(writers[0], length=0) == ""


# --- the command ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = likely(small_model(ASCII, layers=1, sharpness=0.5), "\n#", 3)
    return write_folder(model, tmp_path_factory.mktemp("code") / "model")


def test_the_command_writes_what_python_gives(folder: Path, charloom: Call) -> None:
    common = ["--prompt", "x = 1\n", "--length", 90, "--seed", 3, "--syntax", "python"]
    writer = Writer.load(folder)
    expected = generate_code(writer, "x = 1\n", length=90, seed=3)
    told = json.loads(charloom("generate", folder, *common, "--finish", "--json").stdout)
    assert told["text"] == expected
    assert (told["characters"], told["stop_reason"]) == (90, "length")
    assert parses("x = 1\n" + told["text"] + told["finish"])
    finished = generate_code(writer, "x = 1\n", length=90, seed=3, finished=True)
    assert finished == told["text"] + told["finish"]
    assert charloom("generate", folder, *common, "--finish").stdout == "x = 1\n" + finished + "\n"
    assert charloom("generate", folder, *common).stdout == "x = 1\n" + expected + "\n"


def test_several_texts_are_those_of_their_seeds(folder: Path, charloom: Call) -> None:
    done = charloom("generate", folder, "--syntax", "python", "--samples", 3, "--length", 40, "--seed", 5, "--json")
    texts = [json.loads(line)["text"] for line in done.stdout.splitlines()]
    assert texts == [generate_code(Writer.load(folder), length=40, seed=5 + number) for number in range(3)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--syntax", "python", "--endless"], ["--endless"]),
        (["--syntax", "python", "--compiled", "int8"], ["--compiled"]),
        (["--finish"], ["--syntax"]),
        (["--syntax", "python", "--finish", "--stop", "x"], ["--stop"]),
        (["--syntax", "python", "--prompt", "x = )"], ["line 1, column 5"]),
        (["--syntax", "python", "--prompt", "x", "--prompt", "x = )"], ["line 1, column 5"]),
        (["--syntax", "perl"], ["perl"]),
    ],
)
def test_bad_input_is_one_sentence(folder: Path, charloom: Call, arguments: list[object], words: list[str]) -> None:
    done = charloom("generate", folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words)

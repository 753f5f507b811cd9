"""Written lines compared with the training lines: new ones, repeated ones, and drawing only new ones."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.generation.batched_generation import Sample, generate_many
from charloom.generation.novelty import TRIES, Lines, compare, folded, line_of, new_samples
from charloom.models.language_model import LanguageModel
from charloom.settings import SamplingConfig
from models import small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

NAMES = st.lists(st.text("aAéb ", max_size=3), max_size=8)


def names_model(sharpness: float = 1.0) -> LanguageModel:
    """A model of lines with the letters a and b that ends them soon."""
    model = small_model("ab\n", documents="lines", sharpness=sharpness)
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 1
    return model


@given(NAMES, NAMES)
def test_each_line_is_new_or_alike_or_repeated(lines: list[str], known: list[str]) -> None:
    told = compare(lines, Lines(known))
    assert told.new + told.alike + told.repeated == told.lines == len(lines)
    assert told.repeated == sum(line in [*known, ""] for line in lines)
    assert told.distinct == len(set(lines))


def test_capitals_accents_and_spaces_make_no_line_new() -> None:
    told = compare(["José", "jose", "JOSE ", "Josef", "José"], Lines(["José"]))
    assert (told.repeated, told.alike, told.new) == (2, 2, 1)
    assert folded("Jose\u0301 ") == folded("josé") == "jose"


def test_a_letter_that_is_no_accent_away_is_another() -> None:
    assert compare(["Lukasz", "Strase"], Lines(["Łukasz", "Straße"])).new == 2


def test_held_out_lines_count_only_where_they_were_not_trained_on() -> None:
    told = compare(["ann", "bob", "zed"], Lines(["bob"]), Lines(["ann", "bob"]))
    assert told.held_out == 1


def test_shares_and_lengths_of_nothing_are_zero() -> None:
    nothing = compare([], Lines([]))
    assert nothing.share("new") == 0
    assert nothing.mean_length == 0
    assert compare(["ab", "abcd"], Lines([])).mean_length == 3


def test_a_line_is_what_stands_behind_the_prompts_last_newline_and_before_the_texts_first() -> None:
    assert line_of(Sample("x\nItalian\t", "Rossi", "end", 0)) == "Italian\tRossi"
    assert line_of(Sample("", "ab\nc", "length", 0)) == "ab"


def test_new_samples_repeat_neither_the_list_nor_each_other() -> None:
    model, known = names_model(), Lines(["a", "b", "ab", ""])
    found = list(new_samples(model, [""] * 150, SamplingConfig(), known, length=8, seed=3))
    lines = [line_of(sample) for sample in found]
    assert len(lines) > 50
    assert len(set(lines)) == len(lines)
    assert not any(known.alike(line) for line in lines)


def test_what_is_new_at_once_is_what_would_have_been_written_anyway() -> None:
    model, prompts = names_model(), ["aaaa", "bbbb", "abab", "baba"]
    written = generate_many(model, prompts, length=20, seed=7)
    found = list(new_samples(model, prompts, SamplingConfig(), Lines([]), length=20, seed=7))
    assert [(one.prompt, one.text) for one in found] == [(one.prompt, one.text) for one in written]


def test_nothing_is_drawn_for_ever_where_there_is_nothing_new() -> None:
    model = names_model()
    asked = [0]
    known = Lines([])
    known.alike = lambda line: bool(asked.__setitem__(0, asked[0] + 1)) or True  # type: ignore[method-assign]
    assert list(new_samples(model, ["", "a"], SamplingConfig(), known, length=3)) == []
    assert asked[0] == 2 * TRIES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a model of lines, and one of a text."""
    path = tmp_path_factory.mktemp("models")
    write_folder(names_model(), path / "lines")
    write_folder(small_model("ab\n"), path / "text")
    (path / "list.txt").write_text("a\nb\nab\nba\n")
    return path


def test_comparing_says_on_standard_error_what_repeats_the_list(folder: Path, charloom: Call) -> None:
    plain = charloom("generate", folder / "lines", "--samples", 40, "--length", 9)
    done = charloom("generate", folder / "lines", "--samples", 40, "--length", 9, "--compare", folder / "list.txt")
    assert done.returncode == 0
    assert done.stdout == plain.stdout
    lines = done.stdout.splitlines()
    told = compare(lines, Lines(["a", "b", "ab", "ba"]))
    assert told.repeated > 0
    assert f"{told.new} of 40 lines are new, {told.repeated} repeat one of the 4 known ones" in done.stderr


def test_json_says_of_each_line_whether_it_is_new(folder: Path, charloom: Call) -> None:
    arguments = ("generate", folder / "lines", "--samples", 20, "--length", 9, "--json")
    done = charloom(*arguments, "--compare", folder / "list.txt")
    for line in done.stdout.splitlines():
        told = json.loads(line)
        assert told["new"] == (told["text"] not in ("a", "b", "ab", "ba", ""))
    assert "new" not in json.loads(charloom(*arguments).stdout.splitlines()[0])


def test_new_lines_alone_are_written_and_what_is_missing_is_said(folder: Path, charloom: Call) -> None:
    listed = folder / "many.txt"
    listed.write_text("\n".join([*"ab", "aa", "ab", "ba", "bb"]) + "\n")
    arguments = ("generate", folder / "lines", "--samples", 60, "--new", "--compare", listed)
    done = charloom(*arguments, "--length", 3)
    lines = done.stdout.splitlines()
    assert 0 < len(lines) < 60
    assert set(lines).isdisjoint(listed.read_text().split("\n"))
    assert f"{len(lines)} new lines of 60" in done.stderr


def test_what_cannot_be_compared_gets_a_sentence(folder: Path, charloom: Call) -> None:
    for arguments, word in (
        ((folder / "text", "--new"), "--documents lines"),
        ((folder / "lines", "--new"), "--compare"),
        ((folder / "lines", "--compare", folder / "nowhere"), "nowhere"),
        ((folder / "lines", "--new", "--compare", folder / "list.txt", "--endless"), "--endless"),
    ):
        done = charloom("generate", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert word in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_run_knows_its_own_training_lines_and_not_those_held_out(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("aba\n" * 50 + "bab\n" * 50)
    small = ("--network.hidden-size", 8, "--network.embedding-size", 4, "--steps", 2)
    text = ("names.txt", "--documents", "lines", "--split", "0.5,0.5,0")
    assert charloom("train", *text, "--run", "run", *small).returncode == 0
    arguments = ("generate", "run", "--prompt", "aba", "--prompt", "bab", "--length", 0, "--json")
    found = [json.loads(line)["new"] for line in charloom(*arguments, "--compare", "names.txt").stdout.splitlines()]
    assert found == [False, False]
    done = charloom("generate", "run", "--prompt", "aba", "--prompt", "bab", "--length", 0, "--json", "--new")
    assert [json.loads(line)["prompt"] for line in done.stdout.splitlines()] == ["bab"]

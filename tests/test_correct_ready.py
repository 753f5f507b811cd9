"""Correction with a model that brings its words: no training text, and symspellpy's list only if it is there."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import harbour
from charloom.complete.pruned_counts import PrunedCounts
from charloom.complete.word_files import write_counts
from charloom.correct.corrector import GENERAL, Beliefs, Corrector
from charloom.correct.lexicon import Lexicon
from charloom.correct.word_lists import words_of_model
from charloom.errors import SettingsError
from charloom.generation.writer import Writer
from charloom.places.ready_made import WORDS
from models import small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

TEXT = harbour.sentences(300) + "Kestrelby. " * 5 + "A recieved letter. Don't. The colour. "
ABSENT = "charloom.correct.word_lists.ENGLISH"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of a run that has learned the small world, with its words."""
    path = tmp_path_factory.mktemp("ready")
    made = harbour.train(path / "run") / "model"
    write_counts(made / WORDS, PrunedCounts.of([TEXT]))
    return made.rename(path / "model")


def test_the_words_are_those_of_the_text_in_any_form(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ABSENT, "absent")
    found, expected = words_of_model(folder), Lexicon.of([TEXT])
    assert found is not None
    assert found.counts == {word: count for word, count in expected.counts.items() if word in found.counts}
    for word in ("sailor", "don't", "Don’t", "color", "harbour's"):
        assert word in found
    assert found.has_list
    assert found.is_name("kestrelby")


def test_a_word_that_came_once_is_not_taken_for_right(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("symspellpy")
    with_list = words_of_model(folder)
    assert with_list is not None
    assert "recieved" not in with_list
    assert "unimportant" in with_list


def test_symspellpy_adds_words_and_is_not_needed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_list = words_of_model(folder)
    monkeypatch.setattr(ABSENT, "absent")
    without = words_of_model(folder)
    assert with_list is not None
    assert without is not None
    assert without.counts.keys() - {"recieved"} <= with_list.counts.keys()
    assert "unimportant" not in without
    assert Corrector(Writer.load(folder), without).correct("The old sialor found a lanetrn.\n")[0] == (
        "The old sailor found a lantern.\n"
    )


def test_further_words_are_known_too(folder: Path) -> None:
    found = words_of_model(folder, {"xylocarp": 1})
    assert found is not None
    assert "xylocarp" in found


def test_a_corrector_takes_the_words_of_its_model_by_itself(folder: Path) -> None:
    text = "The old sialor found a lanetrn near the lighthouse.\n"
    by_itself = Corrector(folder)
    assert by_itself.changes(text) == Corrector(Writer.load(folder), words_of_model(folder)).changes(text)
    assert [change.after for change in by_itself.changes(text)] == ["sailor", "lantern"]


def test_the_weights_are_those_for_the_words(folder: Path) -> None:
    assert Corrector(folder).beliefs == GENERAL
    assert Corrector(folder, words_of_model(folder)).beliefs == GENERAL
    assert Corrector(folder, Lexicon.of([TEXT])).beliefs == Beliefs()
    assert Corrector(folder, beliefs=Beliefs(right=1.0)).beliefs == Beliefs(right=1.0)


def test_a_model_without_words_asks_for_a_lexicon(tmp_path: Path) -> None:
    bare = write_folder(small_model("abc \n"), tmp_path / "model")
    assert words_of_model(bare) is None
    for model in (bare, Writer.load(bare)):
        with pytest.raises(SettingsError, match="lexicon"):
            Corrector(model)


def test_the_extra_makes_it_faster_and_changes_nothing(
    folder: Path, charloom: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "The old sialor found a lanetrn. The clever merchnat recieved a messsage befroe the morning."
    fast = charloom("correct", folder, text, "--json").stdout
    monkeypatch.setitem(sys.modules, "rapidfuzz", None)
    assert charloom("correct", folder, text, "--json").stdout == fast
    assert "sailor" in fast


def test_the_command_needs_no_list(folder: Path, charloom: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ABSENT, "absent")
    done = charloom("correct", folder, "The old sialor found a lanetrn.")
    assert done.stdout == "The old sailor found a lantern.\n"
    assert done.stderr.count("\n") == 2  # the two reasons, and nothing about lists
    (folder.parent / "words.txt").write_text("sialor\n")
    assert charloom("correct", folder, "The old sialor.", "--words", folder.parent / "words.txt").stderr == ""


def test_english_knows_its_words_and_corrects(charloom: Call) -> None:
    done = charloom("correct", "english", "They found the old hosue in the midle of the forest.")
    assert done.stdout == "They found the old house in the middle of the forest.\n"
    assert charloom("complete", "english", "in the middle o").stdout.splitlines()[0].endswith("\tof")

"""Surprises add up to the score, and say what the model expected."""

import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charloom.data.text import Text
from charloom.errors import CharloomError, SettingsError, TextError
from charloom.evaluation.score import evaluate, surprisal
from charloom.evaluation.surprisal import Surprise, Surprises
from charloom.models import language_model
from charloom.plotting.heat_map import LEVELS, draw_heat_map, glyph, level, lines, page
from charloom.settings import Cell
from conftest import CELLS
from models import log_probabilities, several_texts, small_model

ALPHABET = "abcdefgh \n"


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("documents", ["none", "lines"])
def test_surprises_add_up_to_the_carried_score(cell: Cell, kind: str, documents: str) -> None:
    model = small_model("añ日🙂b \n", cell, kind=kind, documents=documents)  # type: ignore[arg-type]
    text = "añ日\nb🙂a\n\nabba\n" * 20
    found = Surprises(model, text)
    rows = list(found)
    score = evaluate(model, text)
    assert "".join(surprise.character for surprise in rows) == text
    assert found.score.summary() == pytest.approx(score.summary(), rel=1e-5)
    assert [surprise.nats for surprise in rows] == pytest.approx(surprisal(model, text).tolist(), rel=1e-4, abs=1e-5)


@settings(max_examples=30)
@given(st.text(ALPHABET, min_size=1, max_size=40), st.integers(0, 20))
def test_rank_and_candidates_are_those_of_the_distribution(text: str, candidates: int) -> None:
    model = small_model(ALPHABET, layers=1)
    ids = model.encode(text).tolist()
    for surprise, row, symbol in zip(
        Surprises(model, text, candidates=candidates), log_probabilities(model, ids), ids, strict=True
    ):
        assert surprise.nats == pytest.approx(-row[symbol], rel=1e-4, abs=1e-5)
        assert surprise.rank == 1 + int((row > row[symbol] + 1e-6).sum())
        expected = np.argsort(-row, kind="stable")[:candidates]
        assert [name for name, _ in surprise.top] == [model.vocabulary.characters[place] for place in expected]
        assert [chance for _, chance in surprise.top] == pytest.approx(np.exp(row[expected]).tolist(), rel=1e-4)


@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_reading_in_chunks_changes_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, text = small_model(ALPHABET), "bad cafe\nhead " * 9
    whole = list(Surprises(model, text))
    monkeypatch.setattr("charloom.evaluation.surprisal.CHUNK", chunk)
    parts = list(Surprises(model, text))
    assert [p.nats for p in parts] == pytest.approx([w.nats for w in whole], rel=1e-4, abs=1e-5)
    assert [p.rank for p in parts] == [w.rank for w in whole]
    assert chunk != language_model.CHUNK


def test_the_end_of_a_text_is_told_where_it_is_predicted() -> None:
    model = small_model("abc", predicts_end=True)
    text = several_texts("ab", "cab")
    found = Surprises(model, text)
    assert [surprise.character for surprise in found] == ["a", "b", "", "c", "a", "b", ""]
    assert found.score.nats == pytest.approx(evaluate(model, text).nats, rel=1e-5)


def test_what_is_wrong_is_refused() -> None:
    model = small_model(ALPHABET)
    for wrong, error in ((("",), TextError), (("é",), TextError)):
        with pytest.raises(error):
            Surprises(model, *wrong)
    with pytest.raises(SettingsError, match="candidates is -1"):
        Surprises(model, "a", candidates=-1)
    model.network.output.bias.data[0] = math.nan
    with pytest.raises(CharloomError, match="not a finite number"):
        list(Surprises(model, "abc"))


# --- display ---


class Cells(HTMLParser):
    """Collects the text of the cells and counts the scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.scripts, self._open = [""] * 0, 0, False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._open = tag == "i"
        self.scripts += tag == "script"
        if tag == "i":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "i"

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells[-1] += data


def test_a_page_has_a_cell_for_each_character_and_takes_no_text_for_markup() -> None:
    text = "a<script>alert('&')</script>\nb\tc\n"
    model = small_model(text)
    cells = Cells()
    cells.feed("".join(page(list(Surprises(model, text)), "<b>title</b>", "summary & more")))
    assert "".join(cells.cells) == text.replace("\n", "↵")
    assert cells.scripts == 1


def test_a_page_stands_alone() -> None:
    made = "".join(page(list(Surprises(small_model("abc"), "abcab")), "t", "s"))
    assert "http" not in made
    assert "src=" not in made
    assert "<!--" not in made
    assert "/*records*/" not in made


@pytest.mark.parametrize("size", [1, 47, 48, 49, 200])
def test_a_picture_is_a_png_of_any_number_of_characters(size: int, tmp_path: Path) -> None:
    model = small_model("ab$日_\n")
    data = draw_heat_map(list(Surprises(model, ("ab$日_\n" * 40)[:size])), "a title with $ and _")
    assert data.startswith(b"\x89PNG")
    assert len(data) > 2000


def test_a_model_of_bytes_has_its_picture_and_its_page_too() -> None:
    model = small_model("añ日", kind="bytes")
    rows = list(Surprises(model, "añ日\x00"))
    assert draw_heat_map(rows, r"runs/$\x on a$").startswith(b"\x89PNG")
    cells = Cells()
    cells.feed("".join(page(rows, "t", "s")))
    assert cells.cells == ["a", "ñ", "日", "␀"]
    assert all(name == "a" or len(name) == 1 or name.startswith("<") for row in rows for name, _ in row.top)


@given(st.floats(0, 100))
def test_levels_are_whole_bits_and_end_at_the_last(nats: float) -> None:
    assert level(nats) == min(len(LEVELS) - 1, math.floor(nats / math.log(2)))


@given(st.text("ab\n", max_size=60), st.integers(1, 9))
def test_lines_hold_every_character_once_and_end_at_newlines(text: str, width: int) -> None:
    rows = list(lines([Surprise(character, 0.0, 1, ()) for character in text], width))
    assert "".join(surprise.character for row in rows for surprise in row) == text
    assert all(len(row) <= width and "\n" not in [s.character for s in row[:-1]] for row in rows)


@given(st.characters() | st.sampled_from(["", "<e6>"]))
def test_every_character_can_be_shown(character: str) -> None:
    assert glyph(character).isprintable()


def test_text_objects_are_read_as_strings_are() -> None:
    model, text = small_model(ALPHABET), "head cafe"
    assert list(Surprises(model, Text.of(text))) == list(Surprises(model, text))

"""What a user names, and the text that it refers to."""

import sys
from pathlib import Path

import pytest

from charloom.data.text_sources import open_text, reopen, string_corpus
from charloom.errors import TextError
from charloom.settings import CorpusConfig
from conftest import Standard

CONFIG = CorpusConfig()
LATIN = CorpusConfig(encoding="latin-1")
TEXT = "Grüße, a text of some characters.\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the user works."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, data: str | bytes = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


# --- where a text comes from ---


def test_a_file_is_its_content_and_is_called_by_its_stem(here: Path) -> None:
    write(here / "hamlet.txt")
    for named in ("hamlet.txt", "./hamlet.txt", here / "hamlet.txt"):
        corpus = open_text(named, CONFIG)
        assert (str(corpus.text), corpus.name, corpus.source) == (TEXT, "hamlet", str(here.resolve() / "hamlet.txt"))


@pytest.mark.parametrize("name", ["bad\udcff.txt", "a\tb\x1b.txt"])
def test_what_is_said_of_a_file_can_be_printed_whatever_its_name_is(name: str, here: Path) -> None:
    try:
        path = write(here / name, "\ufeff" + TEXT)
    except (OSError, UnicodeError):
        pytest.skip("no such name on this system")
    opened = open_text(path, CorpusConfig())
    assert opened.name.isprintable() and opened.name.encode()
    assert opened.notes and all(note.isprintable() for note in opened.notes)


def test_a_folder_is_all_its_files_and_is_called_by_its_name(here: Path) -> None:
    write(here / "plays" / "a.txt", "first")
    write(here / "plays" / "b.txt", "second")
    corpus = open_text("plays", CONFIG)
    assert (str(corpus.text), corpus.text.ends.tolist(), corpus.name) == ("firstsecond", [5, 11], "plays")


def test_a_hyphen_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Standard(TEXT))
    corpus = open_text("-", CONFIG)
    assert (str(corpus.text), corpus.source) == (TEXT, "standard input")


def test_a_path_may_be_called_like_standard_input(here: Path) -> None:
    write(here / "-", "a file of that name")
    assert str(open_text(Path("-"), CONFIG).text) == "a file of that name"


def test_the_name_of_a_corpus_is_that_corpus(docs_text: str) -> None:
    corpus = open_text("python-docs", CONFIG)
    assert (str(corpus.text), corpus.name, corpus.source) == (docs_text, "python-docs", "corpus python-docs")


def test_a_file_goes_before_a_corpus_of_its_name(here: Path) -> None:
    write(here / "python-docs")
    assert str(open_text("python-docs", CONFIG).text) == TEXT


def test_the_encoding_is_that_of_files_and_of_standard_input(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "hamlet.txt", TEXT.encode("latin-1"))
    standard = Standard()
    standard.buffer.write(TEXT.encode("latin-1"))
    standard.buffer.seek(0)
    monkeypatch.setattr(sys, "stdin", standard)
    assert str(open_text("hamlet.txt", LATIN).text) == str(open_text("-", LATIN).text) == TEXT


def test_the_encoding_is_not_that_of_a_corpus_or_a_string(docs_text: str) -> None:
    utf_16 = CorpusConfig(encoding="utf-16")
    assert str(open_text("python-docs", utf_16).text) == docs_text
    assert str(string_corpus(TEXT, utf_16).text) == TEXT


def test_the_split_is_the_one_asked_for(here: Path) -> None:
    write(here / "hamlet.txt", "0123456789")
    assert open_text("hamlet.txt", CorpusConfig(split=(0.5, 0.3, 0.2))).boundaries == (5, 8)


# --- what is no text ---


@pytest.mark.parametrize("named", ["hamlet.txt", "plays/hamlet", Path("hamlet")])
def test_a_path_that_is_not_there_is_refused_by_its_name(named: str | Path) -> None:
    with pytest.raises(TextError, match=f"there is no file or folder {named}"):
        open_text(named, CONFIG)


def test_a_name_that_is_neither_path_nor_corpus_is_met_with_the_nearest_corpus() -> None:
    with pytest.raises(TextError, match="no file, folder or corpus 'pyton-docs'; did you mean 'python-docs'"):
        open_text("pyton-docs", CONFIG)


def test_no_name_at_all_is_not_the_folder_one_works_in(here: Path) -> None:
    write(here / "private.txt")
    with pytest.raises(TextError, match="there is no file, folder or corpus ''"):
        open_text("", CONFIG)


@pytest.mark.parametrize("named", ["x" * 300, "ж" * 200, "a\0b"])
def test_what_cannot_be_the_name_of_a_file_is_none(named: str) -> None:
    with pytest.raises(TextError, match="there is no file, folder or corpus"):
        open_text(named, CONFIG)
    with pytest.raises(TextError, match="there is no file or folder"):
        open_text(Path(named), CONFIG)


def test_an_empty_file_is_refused_by_its_path(here: Path) -> None:
    write(here / "empty.txt", "")
    with pytest.raises(TextError, match=r"empty\.txt is empty"):
        open_text("empty.txt", CONFIG)


# --- strings ---


@pytest.mark.parametrize("text", [TEXT, "two\nlines", "ж" * 200, "a\0b", "x" * 1000])
def test_a_string_is_the_text_itself(text: str) -> None:
    corpus = string_corpus(text, CONFIG)
    assert (str(corpus.text), corpus.source) == (text, "a string")


def test_a_string_that_is_the_path_of_a_file_is_refused_with_the_way_to_its_content(here: Path) -> None:
    write(here / "hamlet.txt")
    with pytest.raises(TextError, match=r"pass pathlib\.Path\('hamlet\.txt'\)"):
        string_corpus("hamlet.txt", CONFIG)


def test_an_empty_string_is_empty_and_no_path() -> None:
    with pytest.raises(TextError, match="a string is empty"):
        string_corpus("", CONFIG)


def test_half_of_a_surrogate_pair_in_a_string_is_refused_with_its_place() -> None:
    with pytest.raises(TextError, match=r"character 2 .*surrogate"):
        string_corpus("ab\ud83d\n", CONFIG)


# --- again ---


@pytest.mark.parametrize("named", ["hamlet.txt", "plays", "python-docs"])
def test_what_a_run_read_is_read_again_from_its_source(named: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here / "hamlet.txt")
    write(here / "plays" / "a.txt", "first")
    write(here / "plays" / "b.txt", "second")
    corpus = open_text(named, CONFIG)
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    again = reopen(corpus.source, Path("nowhere"), CONFIG, corpus.name)
    assert (again.text.sha256, again.source) == (corpus.text.sha256, corpus.source)


def test_a_corpus_is_read_again_where_its_run_has_its_name(here: Path) -> None:
    corpus = open_text("python-docs", CONFIG)
    write(here / "python-docs" / "config.json", "{}")
    again = reopen(corpus.source, Path("nowhere"), CONFIG, corpus.name)
    assert again.text.sha256 == corpus.text.sha256


@pytest.mark.parametrize("text", [TEXT, "\ufeff\ufeffmarked\r\n"])
def test_a_copy_is_read_as_it_was_written(text: str, here: Path) -> None:
    corpus = string_corpus(text, LATIN)
    copy = write(here / "text.txt", bytes(corpus.text.data))
    again = reopen("copy", copy, LATIN, corpus.name)
    assert (str(again.text), again.text.sha256) == (str(corpus.text), corpus.text.sha256)

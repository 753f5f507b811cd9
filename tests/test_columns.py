"""Texts in a column of rows: JSON lines and Parquet, each row a text of its own."""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.data import blocks, json_lines, parquet
from charloom.data.columns import Rows
from charloom.data.corpus import Corpus, make_corpus
from charloom.errors import SettingsError, TextError
from charloom.settings import CorpusConfig

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")

TEXTS = st.lists(st.none() | st.text(st.sampled_from("ab\r\n\ufeffé😀"), max_size=6), min_size=1, max_size=12)


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def texts(source: Path | Iterable[bytes], column: str = "text") -> list[str]:
    return [data.decode() for data, _ in Rows(source, column, "utf-8", "a")]


def corpus(data: bytes, column: str = "text", **settings: Any) -> Corpus:
    config = CorpusConfig(split=(1.0, 0.0, 0.0), column=column, **settings)
    return make_corpus([("a", data)], config, name="a", source="/a")


def told(source: Path | Iterable[bytes], column: str = "text") -> str:
    with pytest.raises(TextError) as caught:
        texts(source, column)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def as_a_file(text: str | None) -> str:
    """The text as it would be read from a file of its own."""
    return (text or "").lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Writes a Parquet file with the columns given."""
    arrow, files = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"

    def write(rows_of_a_group: int = 3, **columns: Any) -> Path:
        files.write_table(arrow.table(columns), path, row_group_size=rows_of_a_group, write_batch_size=16)
        return path

    return write


# --- each row is a text ---


@given(TEXTS, st.integers(1, 30))
def test_rows_of_json_are_the_texts_that_files_with_them_would_be(rows: list[str | None], size: int) -> None:
    data = lines(*({"text": text, "other": 1} for text in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", size)
        assert texts([data]) == [as_a_file(text) for text in rows if as_a_file(text)]


@given(rows=TEXTS)
def test_rows_of_parquet_are_those_of_json(rows: list[str | None], table: Any) -> None:
    import pyarrow as arrow

    path = table(text=arrow.array(rows, arrow.string()), other=list(range(len(rows))))
    packed, plain = (
        Rows(path, "text", "utf-8", "a"),
        Rows([lines(*({"text": text} for text in rows))], "text", "utf-8", "a"),
    )
    assert list(packed) == list(plain)
    assert packed.notes == plain.notes


def test_each_row_ends_like_a_file_of_a_folder() -> None:
    rows = corpus(lines({"text": "one"}, {"text": ""}, {"text": "zwölf"}))
    files = make_corpus([("1", b"one"), ("2", "zwölf".encode())], CorpusConfig(), name="a", source="/a")
    assert rows.text.ends.tolist() == [3, 8]
    assert rows.text.sha256 == files.text.sha256


def test_what_was_left_out_and_changed_is_noted_and_counted() -> None:
    rows = [{"text": "a\r\nb"}, {"text": ""}, {"text": None}, {}, {"text": "\ufeff"}, {"text": "c\rd"}]
    assert corpus(lines(*rows)).notes == (
        "a: left out the rows that have no text in column 'text': 2 empty and 2 without a value",
        "a: removed the byte order mark of 1 row",
        "a: read 1 CRLF and 1 CR line ends within rows as newlines",
    )


@pytest.mark.parametrize("more", [b"", b"\n", b"\n\n"])  # newlines among the other line ends: none, one, two
def test_empty_lines_are_no_rows_and_line_ends_of_the_file_are_not_noted(more: bytes) -> None:
    made = corpus(b'{"text": "one"}\r\n\r\n  \r\n' + more + b'{"text": "two"}')
    assert (str(made.text), made.notes) == ("onetwo", ())


def test_rows_may_be_compressed_and_in_another_encoding() -> None:
    rows = '{"text": "Grüße"}\n{"text": "Tschüß"}\n'
    assert corpus(gzip.compress(rows.encode())).notes == ("a: decompressed (gzip)",)
    assert str(corpus(rows.encode("cp1252"), encoding="cp1252").text) == "GrüßeTschüß"
    with pytest.raises(TextError, match=r"a is not UTF-8: byte 0xfc at offset 12 .*--encoding cp1252"):
        corpus(rows.encode("cp1252"))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_size_of_a_batch_changes_nothing(size: int, table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"row {number}" for number in range(20)]
    monkeypatch.setattr(parquet, "BATCH", size)
    assert texts(table(text=rows)) == rows


GROWTH = """
import sys
from pathlib import Path
from charloom.data.columns import Rows
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) >> 10
sizes = []
for path in sys.argv[1:]:
    sizes.append(sum(len(data) for data, _ in Rows(Path(path), "t", "utf-8", "a")))
    sizes.append(peak())
print(*sizes)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory in KiB")
@pytest.mark.parametrize("rows", ["repeated", "dictionary", "adjacent"])
def test_memory_holds_few_rows_however_well_they_are_compressed(rows: str, table: Any, tmp_path: Path) -> None:
    import pyarrow as arrow

    small = shutil.copy(table(t=["text"] * 3), tmp_path / "small")
    if rows == "adjacent":
        column: Any = ["tiny"] * 50_000 + [f"{row:03}" * 80_000 for row in range(600)]
    else:
        column = arrow.array([letter * (1 << 20) for letter in "abc"] * 100)
    path = table(1 << 20, t=column.dictionary_encode() if rows == "dictionary" else column)
    done = subprocess.run([sys.executable, "-c", GROWTH, small, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, before, size, after = map(int, done.stdout.split())
    assert size > 140_000_000
    assert after - before < 110, (before, after)


def test_rows_of_several_files_are_joined_and_lines_of_rows_are_shuffled_together() -> None:
    config = CorpusConfig(split=(1.0, 0.0, 0.0), column="t", documents="lines", shuffle=1)
    documents = [("a", lines({"t": "one\ntwo"}, {"t": "three"})), ("b", lines({"t": "two\n"}))]
    shuffled = str(make_corpus(documents, config, name="a", source="/a").text)
    assert sorted(shuffled.splitlines()) == ["one", "three", "two", "two"]


def test_a_compressed_parquet_file_is_to_be_decompressed(table: Any) -> None:
    said = told([gzip.compress(table(text=["one"]).read_bytes())])
    assert said.startswith("a, decompressed, is a Parquet file, not text; decompress it, then name the column")


# --- names of columns ---


def test_a_dot_leads_into_a_column_unless_it_is_part_of_a_name(table: Any) -> None:
    rows = [{"a": {"b": "in"}}, {"a": None}, {"a": {}}, {"a": {"b": "within"}}]
    assert texts([lines(*rows)], "a.b") == ["in", "within"]
    assert texts([lines({"a.b": "named", "a": {"b": "in"}})], "a.b") == ["named"]
    assert texts(table(a=[row["a"] for row in rows]), "a.b") == ["in", "within"]
    assert texts(table(**{"a.b": ["named"]}), "a.b") == ["named"]


def test_a_column_of_exactly_the_name_comes_before_one_within_another(table: Any) -> None:
    within = [{"b": "in", "c": "it"}]
    assert texts(table(a=within, **{"a.b": ["named"]}), "a.b") == ["named"]
    assert texts(table(**{"a.b": ["named"], "a": within}), "a.b") == ["named"]
    assert texts(table(a=within, **{"a.b": ["named"]}), "a.c") == ["it"]
    assert texts(table(**{"a.b": [{"c": "deep"}]}), "a.b.c") == ["deep"]


def test_a_missing_column_names_those_there_are(table: Any) -> None:
    assert told([lines({"id": 1, "body": "x"}, {"body": "y", "more": 2})]) == (
        "a has no column 'text'; it has: id, body, more"
    )
    assert told(table(id=[1], body=["x"], m=[{"t": "y"}])) == "a has no column 'text'; it has: id, body, m.t"


def test_a_missing_column_is_noticed_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "SEARCHED", 5)
    read = []

    def pieces() -> Iterable[bytes]:
        for number in range(100):
            read.append(number)
            yield lines({"body": number})

    monkeypatch.setattr(blocks, "PIECE", 16)
    monkeypatch.setattr("charloom.data.compressed.SAMPLE", 16)
    assert told(pieces()) == "a has no column 'text' in its first 5 rows; it has: body"
    assert len(read) < 20


def test_a_column_that_the_first_rows_lack_is_not_missing() -> None:
    assert texts([lines({"a": 1}, {"a": 2}, {"text": "here"})]) == ["here"]


@pytest.mark.parametrize(
    ("value", "said"),
    [(1, "a number"), (2.5, "a number"), (True, "true or false"), (["x"], "a list"), ({}, "an object")],
)
def test_a_column_that_is_not_text_is_refused_with_its_line(value: object, said: str) -> None:
    assert told([lines({"text": "fine"}, {"text": value})]) == (
        f"a, line 2, has {said} in column 'text', not text; name a column of texts"
    )


def test_a_column_of_parquet_that_is_not_text_is_refused_with_those_that_are(table: Any) -> None:
    path = table(text=[1, 2], body=["x", "y"], m=[{"t": "y"}, None])
    assert told(path) == "a has int64 in column 'text', not text; name one of texts: body, m.t"


# --- damage ---


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{'text': 1}", "is not JSON (Expecting property name"),
        (b'{"text": "cut', "is not JSON (Unterminated string"),
        (b"[" * 100_000, "is not JSON (it is nested too deeply)"),
        (b"9" * 10_000, "is not JSON (Exceeds the limit"),
        (b'["a"]', "is a list, not a row; each line must be a JSON object with named columns"),
        (b'"a"', "is a text, not a row"),
        (b"null", "is null, not a row"),
        (b'{"text": "\\ud83d"}', "has half of a surrogate pair in column 'text'; remove it"),
    ],
)
def test_a_damaged_line_names_its_number(line: bytes, said: str) -> None:
    assert told([lines({"text": "fine"}) + b"\n" + line + b"\n"]).startswith(f"a, line 3, {said}")


def test_a_line_that_is_too_long_for_a_row_is_refused_before_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "LONGEST_LINE", 1 << 20)
    said = told([lines({"text": "fine"}), *([b"x" * (1 << 20)] * 10)])
    assert said.startswith("a, line 2, is longer than 1 MiB, so it is not a row")


def test_a_damaged_parquet_file_is_called_that(table: Any, tmp_path: Path) -> None:
    data = table(text=["some text", "more"] * 50).read_bytes()
    (tmp_path / "a").write_bytes(data[:-9])
    assert told(tmp_path / "a").startswith("a is a Parquet file, but damaged or truncated (")
    (tmp_path / "a").write_bytes(data[:20] + bytes(40) + data[60:])
    assert "damaged" in told(tmp_path / "a")


def test_a_row_of_parquet_that_is_not_utf_8_names_its_number(table: Any) -> None:
    import pyarrow as arrow

    rows = arrow.array([b"fine", b"caf\xe9"], arrow.binary()).view(arrow.string())
    assert told(table(text=rows)) == "a, row 2, is not UTF-8 in column 'text' (unexpected end of data); correct it"


def test_parquet_from_a_pipe_is_held_up_to_a_limit(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(text=["one", "two"]).read_bytes()
    assert texts([data[:50], data[50:]]) == ["one", "two"]
    monkeypatch.setattr(parquet, "LARGEST_STREAM", 100)
    assert "give its path instead of a pipe" in told([data[:50], data[50:]])


def test_parquet_without_a_column_says_which_flag_it_needs(table: Any) -> None:
    with pytest.raises(TextError, match="a is a Parquet file, not text; name the column of its texts with --column"):
        corpus(table(text=["one", "two"]).read_bytes(), column="")


def test_a_column_is_named_by_a_string() -> None:
    with pytest.raises(SettingsError, match=r"corpus\.column is 5"):
        CorpusConfig(column=5)  # type: ignore[arg-type]

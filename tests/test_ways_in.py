"""Every way in, as a stream: a text that is too large for memory is the text that would have been in memory."""

import bz2
import gzip
import io
import json
import lzma
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from charloom.data import file_bytes
from charloom.data.copies import copy_of
from charloom.data.corpus import Corpus
from charloom.data.text_bytes import TextBytes
from charloom.data.text_sources import open_text, reopen, string_corpus
from charloom.errors import CharloomError, SettingsError, TextError
from charloom.places import cache_entries
from charloom.settings import CorpusConfig
from conftest import Standard

CONFIG = CorpusConfig(split=(0.8, 0.1, 0.1))
LINES = CorpusConfig(split=(0.8, 0.1, 0.1), documents="lines", shuffle=5)
ROWS = CorpusConfig(split=(0.8, 0.1, 0.1), column="post.text")
TEXT = "".join(f"Zeile {number}: Grüße, 😀\n" for number in range(60))
POSTS = [{"post": {"text": text}} for text in (*TEXT.splitlines(keepends=True), "two\r\nlines", "", None)]


@pytest.fixture(autouse=True)
def own_cache(released_cache: Path) -> Path:
    return released_cache


def plays(folder: Path) -> Path:
    (folder / "acts").mkdir(parents=True)
    (folder / "acts" / "1.txt").write_bytes(TEXT.encode())
    (folder / "acts" / "2.txt.gz").write_bytes(gzip.compress(TEXT.replace("\n", "\r\n").encode()))
    (folder / "empty.txt").write_bytes(b"")
    (folder / ".hidden").write_bytes(b"\xff\xfe")
    return folder


WAYS: dict[str, tuple[Callable[[Path], object], CorpusConfig]] = {
    "clean": (lambda path: path.write_bytes(TEXT.encode()), CONFIG),
    "ASCII": (lambda path: path.write_bytes(b"plain words\n" * 90), CONFIG),
    "marked": (lambda path: path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode()), CONFIG),
    "CRLF": (lambda path: path.write_bytes(TEXT.replace("\n", "\r\n").encode()), CONFIG),
    "gzip": (lambda path: path.write_bytes(gzip.compress(TEXT.encode())), CONFIG),
    "bzip2": (lambda path: path.write_bytes(bz2.compress(TEXT.encode())), CONFIG),
    "xz": (lambda path: path.write_bytes(lzma.compress(TEXT.encode())), CONFIG),
    "utf-16": (lambda path: path.write_bytes(TEXT.encode("utf-16")), CorpusConfig(encoding="utf-16")),
    "a folder": (plays, CONFIG),
    "a folder of lines, shuffled": (plays, LINES),
    "lines, shuffled": (lambda path: path.write_bytes(TEXT.encode()), LINES),
    "lines that begin with a mark, shuffled": (lambda path: path.write_text("a\n" + "\ufeffb\n" * 30), LINES),
    "rows": (lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in POSTS)), ROWS),
}


def facts(corpus: Corpus) -> tuple[object, ...]:
    """All that is known of a corpus, except where it is."""
    text = corpus.text
    parts = [
        (str(part), part.characters, part.bytes, part.ends.tolist(), part.sha256)
        for part in (text, corpus.train, corpus.validation, corpus.test)
    ]
    return parts, corpus.boundaries, corpus.name, corpus.source, corpus.notes


def as_large(patch: pytest.MonkeyPatch) -> None:
    """From now on every text is too large for memory."""
    patch.setattr(file_bytes, "LARGE", 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_large_text_is_what_it_would_be_in_memory(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, config = WAYS[way]
    write(tmp_path / "text")
    in_memory = facts(open_text(tmp_path / "text", config))
    as_large(monkeypatch)
    for _ in range(2):  # the second time from the cache
        large = open_text(tmp_path / "text", config)
        assert isinstance(large.text.data, TextBytes)
        assert facts(large) == in_memory
    copies = [entry for entry in cache_entries.entries() if (entry.path / "clean.json").exists()]
    assert len(copies) == (way not in ("clean", "ASCII"))


@pytest.mark.parametrize("way", [way for way in WAYS if "folder" not in way])
def test_standard_input_is_what_the_file_is(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, config = WAYS[way]
    write(tmp_path / "text")

    def from_standard_input() -> Corpus:
        standard = Standard()
        standard.buffer = io.BytesIO((tmp_path / "text").read_bytes())
        monkeypatch.setattr(sys, "stdin", standard)
        return open_text("-", config)

    in_memory = from_standard_input()
    as_large(monkeypatch)
    large = from_standard_input()
    assert isinstance(large.text.data, TextBytes)
    assert facts(large) == facts(in_memory)
    assert large.text.sha256 == open_text(tmp_path / "text", config).text.sha256


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("way", ["clean", "rows", "lines, shuffled"])
def test_the_copy_that_a_run_keeps_is_the_text(
    way: str, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, config = WAYS[way]
    write(tmp_path / "text")
    if large:
        as_large(monkeypatch)
    corpus = open_text(tmp_path / "text", config)
    (tmp_path / "copy").write_bytes(b"".join(copy_of(corpus, config)))
    again = reopen("copy", tmp_path / "copy", config, corpus.name)
    assert facts(again)[0] == facts(corpus)[0]


def test_the_copy_of_rows_that_are_longer_than_what_is_read_at_a_time_is_the_text(tmp_path: Path) -> None:
    rows = ["é" * 700_000, "b", "c\n" * 600_000, "d"]
    (tmp_path / "text").write_text("".join(json.dumps({"t": row}) + "\n" for row in rows))
    config = CorpusConfig(column="t")
    copy = b"".join(copy_of(open_text(tmp_path / "text", config), config))
    assert [json.loads(line)["t"] for line in copy.splitlines()] == rows


def test_a_small_file_with_much_in_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = gzip.compress(b"a\n" * 5000, mtime=0)
    (tmp_path / "text").write_bytes(data)
    monkeypatch.setattr(file_bytes, "LARGE", 1000)
    assert len(data) < 1000
    for config in (CONFIG, LINES):
        assert isinstance(open_text(tmp_path / "text", config).text.data, TextBytes)
    monkeypatch.setattr(sys, "stdin", standard := Standard())
    standard.buffer = io.BytesIO(data)
    assert isinstance(open_text("-", CONFIG).text.data, TextBytes)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_is_read_like_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_large(monkeypatch)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(TEXT.encode(),))
    writer.start()
    corpus = open_text(tmp_path / "pipe", CONFIG)
    writer.join()
    assert (str(corpus.text), corpus.source) == (TEXT, "standard input")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"fine\n" * 9 + b"\xff", "is not UTF-8: byte 0xff at offset 45"),
        ("wide".encode("utf-16-le") * 20, "is full of control characters"),
        (b"\x89PNG\r\n\x1a\n", "is a PNG picture"),
        (gzip.compress(b"text" * 99, mtime=0)[:-4], "is compressed with gzip, but damaged or truncated"),
    ],
)
def test_a_large_text_is_refused_as_it_would_be_in_memory(
    data: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_bytes(data)
    with pytest.raises(TextError, match=said) as in_memory:
        open_text(tmp_path / "text", CONFIG)
    monkeypatch.setattr(file_bytes, "LARGE", 0)
    with pytest.raises(TextError) as large:
        open_text(tmp_path / "text", CONFIG)
    assert str(large.value) == str(in_memory.value)


def test_a_clean_copy_is_used_before_the_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_bytes(TEXT.encode() + b"the only\r\n")
    as_large(monkeypatch)
    open_text(tmp_path / "text", CONFIG)

    def unread(*arguments: object) -> None:
        raise AssertionError("it was read again")

    monkeypatch.setattr("charloom.data.blocks.file_pieces", unread)
    assert str(open_text(tmp_path / "text", CONFIG).text) == TEXT + "the only\n"


@pytest.mark.parametrize("open_", [lambda: string_corpus("some text\n", ROWS), lambda: open_text("python-docs", ROWS)])
def test_a_column_is_for_files_of_rows(open_: Callable[[], Corpus]) -> None:
    with pytest.raises(SettingsError, match="column is for files of rows"):
        open_()


def test_shuffling_what_is_not_lines_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_bytes(TEXT.encode())
    as_large(monkeypatch)
    with pytest.raises(CharloomError, match="shuffle reorders lines"):
        open_text(tmp_path / "text", CorpusConfig(shuffle=1))
    assert not cache_entries.entries()


SMALL = ("--network.hidden-size", 8, "--training.batch-size", 4, "--training.sequence-length", 16, "--device", "cpu")


@pytest.mark.parametrize("large", [False, True])
def test_a_run_on_rows_from_standard_input_is_resumed_and_evaluated_from_its_copy(
    large: bool,
    tmp_path: Path,
    charloom: Callable[..., subprocess.CompletedProcess[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if large:
        as_large(monkeypatch)
    rows = "".join(json.dumps(row) + "\n" for row in POSTS)
    given = ("--column", "post.text", "--split", "0.8,0.1,0.1")
    done = charloom("train", "-", "--run", "piped", "--steps", 3, *SMALL, *given, input=rows)
    assert done.returncode == 0, done.stderr
    assert charloom("train", "--resume", "--run", "piped", "--steps", 5).returncode == 0
    assert json.loads((tmp_path / "piped" / "config.json").read_bytes())["text"]["texts"] == 61
    (tmp_path / "posts.jsonl").write_text(rows)
    (tmp_path / "others.jsonl").write_text(json.dumps({"body": "Zeile 5"}) + "\n")
    own = json.loads(charloom("evaluate", "piped", "--split", "test", "--json").stdout)
    moved = charloom("evaluate", "piped", "--split", "test", "--text", "posts.jsonl", "--json")
    assert json.loads(moved.stdout) == own
    other = charloom("evaluate", "piped", "--text", "others.jsonl", "--column", "body", "--json")
    assert json.loads(other.stdout)["characters"] == 7
    scored = charloom("score", "piped", "--text", "others.jsonl", "--column", "body")
    assert "7 characters" in scored.stdout

"""Texts that stay in their files: whatever is asked of one, the answer is that of the same text in memory."""

import errno
import os
import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.data import large_texts, text_survey
from charloom.data.batches import Streams, spans
from charloom.data.file_bytes import FileBytes, OpenFile
from charloom.data.stored_ids import StoredIds
from charloom.data.text import Text
from charloom.data.text_ids import encode, ids_of, is_large, vocabulary_of
from charloom.data.text_sources import open_text
from charloom.data.vocabulary import Vocabulary
from charloom.errors import StorageError, TextError
from charloom.places import cache, cache_entries, notices
from charloom.settings import CorpusConfig, DocumentKind, VocabularyKind
from charloom.storage import atomic_files
from large import in_file, in_files, in_memory, own_cache

WIDTHS = st.text(st.sampled_from("ab\nc\té€😀"), min_size=1, max_size=60)
"""Texts of characters with one to four bytes."""

ASCII = st.text(st.sampled_from("ab\nc d"), min_size=1, max_size=60)
KINDS = st.sampled_from(["characters", "bytes"])
DOCUMENTS = st.sampled_from(["none", "lines"])


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(monkeypatch, tmp_path / "cache")


@pytest.fixture(scope="module", autouse=True)
def all_in_files() -> Iterator[None]:
    """Every text stays in its file, and is read five bytes at a time; the disk need not be asked to keep anything."""
    with pytest.MonkeyPatch.context() as patch:
        in_files(patch)
        patch.setattr(text_survey, "BLOCK", 5)
        patch.setattr(os, "fsync", lambda file: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


def both(text: str, ends: tuple[int, ...], folder: Path) -> tuple[Text, Text]:
    """A text in its file, and the same in memory."""
    with tempfile.TemporaryDirectory(dir=folder) as place:  # a new file each time; it stays open
        return in_file(text, Path(place) / "text", ends), in_memory(text, ends)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, tuple[int, ...]]:
    """A text, perhaps of several."""
    text = draw(st.one_of(WIDTHS, ASCII))
    ends = draw(st.sets(st.integers(1, len(text)), max_size=4))
    return text, tuple(sorted(ends | {len(text)})) if len(ends) > 1 else ()


@st.composite
def parts(draw: st.DrawFn) -> tuple[str, tuple[int, ...], int, int]:
    """A text and a part of it."""
    text, ends = draw(texts())
    first, last = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    return text, ends, first, last


# --- the text ---


@given(parts(), st.integers(4, 9))
def test_a_part_of_a_text_in_a_file_is_that_part(
    folder: Path, part: tuple[str, tuple[int, ...], int, int], size: int
) -> None:
    text, ends, first, last = part
    here, there = both(text, ends, folder)
    assert here.sha256 == there.sha256 and vocabulary_of(here, "characters") == vocabulary_of(there, "characters")
    for one, other in ((here, there), (here.slice(first, last), there.slice(first, last))):
        assert (str(one), one.characters, one.bytes, one.ends.tolist()) == (
            str(other),
            other.characters,
            other.bytes,
            other.ends.tolist(),
        )
        assert list(one.pieces(size)) == list(other.pieces(size))
        assert b"".join(one.byte_pieces(size)) == b"".join(other.byte_pieces(size))
        assert Text(one.data, one.characters, one.ends).sha256 == other.sha256
        assert [one.byte_of(place) for place in range(one.characters + 1)] == [
            other.byte_of(place) for place in range(other.characters + 1)
        ]


@pytest.mark.parametrize("distinct", [100, 300, 70_000])
def test_a_text_with_many_different_characters_is_read_as_it_is(
    distinct: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_survey, "BLOCK", 500 if distinct < 1000 else 1 << 16)
    symbols = [chr(code) for code in range(32, 32 + distinct + 2048) if not 0xD800 <= code < 0xE000][:distinct]
    text = "".join([*symbols, *reversed(symbols)])
    here, there = in_file(text, tmp_path / "text"), in_memory(text)
    vocabulary = vocabulary_of(here, "characters")
    assert (str(here), here.sha256, vocabulary) == (text, there.sha256, Vocabulary.of([text]))
    assert np.array_equal(ids_of(here, vocabulary)[:], encode(there, vocabulary))


# --- its ids ---


@given(parts(), KINDS, DOCUMENTS, st.data())
def test_ids_in_a_file_are_the_ids_in_memory(
    folder: Path,
    part: tuple[str, tuple[int, ...], int, int],
    kind: VocabularyKind,
    documents: DocumentKind,
    data: st.DataObject,
) -> None:
    text, ends, first, last = part
    here, there = (whole.slice(first, last) for whole in both(text, ends, folder))
    vocabulary = Vocabulary.of([text, "xyz"], kind)
    want, got = encode(there, vocabulary, documents), ids_of(here, vocabulary, documents)
    assert isinstance(got, StoredIds) == is_large(here) == (first < last)
    assert (len(got), got.dtype, got[:].dtype) == (len(want), want.dtype, want.dtype)
    if first == last:
        return
    assert isinstance(got, StoredIds)
    start, stop = data.draw(st.integers(0, len(want))), data.draw(st.integers(0, len(want)))
    assert np.array_equal(got[start:stop], want[start:stop]) and np.array_equal(got[:], want)
    places = np.array(data.draw(st.lists(st.integers(0, len(want) - 1), min_size=6, max_size=6))).reshape(3, 2)
    assert np.array_equal(got[places], want[places])
    assert (got.several or documents == "lines") == (documents == "lines" or vocabulary.boundary in want)
    starts, lengths = (np.concatenate(parts) for parts in zip(*got.spans(), strict=True))
    assert [starts.tolist(), lengths.tolist()] == [each.tolist() for each in spans(want, vocabulary.boundary)]
    boundaries = (np.flatnonzero(want == vocabulary.boundary) + 1).tolist()
    near = [after for after in boundaries if start < after <= start + 7]
    assert got.boundary_after(start, 7) == (near[0] if near else None)


def test_boundaries_take_no_memory_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_survey, "BLOCK", 1 << 16)
    many = 1 << 18
    text = in_file("ab" * many, tmp_path / "text", tuple(range(2, 2 * many + 1, 2)))
    vocabulary = vocabulary_of(text, "characters")
    tracemalloc.start()
    try:
        ids = ids_of(text, vocabulary)
        assert ids[3 * many - 3 :].tolist() == [0, 1, vocabulary.boundary]
        assert tracemalloc.get_traced_memory()[1] < many
    finally:
        tracemalloc.stop()
    assert isinstance(ids, StoredIds)
    assert {length for _, lengths in ids.spans() for length in lengths.tolist()} == {3}
    assert max(len(starts) for starts, _ in ids.spans()) < many


@given(WIDTHS, st.integers(1, 8), st.integers(1, 12))
def test_batches_from_a_file_are_the_batches_from_memory(
    folder: Path, text: str, batch_size: int, sequence_length: int
) -> None:
    here, there = both(text, (), folder)
    vocabulary = Vocabulary.of([text])
    sizes = {"boundary": vocabulary.boundary, "batch_size": batch_size, "sequence_length": sequence_length}
    one, other = (Streams(ids, **sizes) for ids in (ids_of(here, vocabulary), encode(there, vocabulary)))
    assert len(one) == len(other)
    for k in range(2 * len(one)):
        assert (one[k].inputs == other[k].inputs).all() and (one[k].targets == other[k].targets).all()


@given(parts(), st.text(st.sampled_from("ab\né"), min_size=1))
def test_a_character_that_the_vocabulary_lacks_is_refused_with_the_same_words(
    folder: Path, part: tuple[str, tuple[int, ...], int, int], known: str
) -> None:
    text, _, first, last = part
    here, there = (whole.slice(first, last) for whole in both(text, (), folder))
    vocabulary, said = Vocabulary.of([known]), list[str]()
    for part_of in (here, there):
        try:
            ids_of(part_of, vocabulary)[:]
            said.append("")
        except TextError as error:
            said.append(str(error))
    assert said[0] == said[1]


# --- what is not clean ---


@pytest.mark.parametrize(
    "raw", [b"\xef\xbb\xbfabc", b"abc\rd", b"abcd\r\n" * 3, b"abc\xff", b"abcdef\xe2\x82", b"\xc3abc\xa9"]
)
def test_what_has_to_be_cleaned_is_not_read_where_it_is(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(raw)
    assert large_texts.large_text(tmp_path / "text") is None
    assert not list((tmp_path / "cache").rglob("text.json"))


def test_a_text_that_has_to_be_cleaned_is_still_cleaned(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbfabc\r\ndef")
    corpus = open_text(tmp_path / "text", CorpusConfig())
    assert str(corpus.text) == "abc\ndef" and len(corpus.notes) == 2


# --- the file changes ---


def cut_short(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(10)


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(1, 1))  # a clock may be too coarse for a test


def made_longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("change", [cut_short, overwritten, made_longer])
def test_a_text_that_changes_is_noticed_in_one_sentence(change: Callable[[Path], object], tmp_path: Path) -> None:
    text = in_file("abc de\n" * 9, tmp_path / "text")
    ids = ids_of(text, vocabulary_of(text, "characters"))
    change(tmp_path / "text")
    for read in (lambda: str(text), lambda: ids[5:20], lambda: ids[np.array([[3], [50]])], lambda: list(text.pieces())):
        with pytest.raises(TextError, match=r"text was changed while it was in use; restore it and go on from"):
            read()


def test_a_text_that_is_replaced_by_another_is_read_to_its_end(tmp_path: Path) -> None:
    text = in_file("abc de\n" * 9, tmp_path / "text")
    (tmp_path / "other").write_text("something else")
    (tmp_path / "other").replace(tmp_path / "text")
    assert str(text) == "abc de\n" * 9


def test_bytes_of_a_file_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(range(100)))
    whole = FileBytes(OpenFile(tmp_path / "file"), 0, 100)
    assert bytes(whole[10:30][5:]) == bytes(range(15, 30)) and len(whole[90:200]) == 10 and bytes(whole[30:10]) == b""


# --- what is remembered ---


def entries(cached: Path) -> list[Path]:
    return sorted(path.parent for path in cached.rglob("text.json"))


def read_again(path: Path, patch: pytest.MonkeyPatch) -> bool:
    """Whether opening a text reads it, although it was read before."""
    passes = list[int]()
    with patch.context() as within:
        within.setattr(text_survey, "_Pass", lambda *given: passes.append(given[1]) or _pass(*given))
        found = large_texts.large_text(path)
    assert found is not None and str(found) == path.read_text("utf-8")
    return bool(passes)


_pass = text_survey._Pass


def test_a_text_is_read_once(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_file("abcé\n" * 9, tmp_path / "text")
    assert not read_again(tmp_path / "text", monkeypatch)
    in_file("abcé\n" * 8, tmp_path / "text")
    assert len(entries(cached)) == 1, "what the text was before is forgotten"


def test_another_text_of_the_same_size_and_time_is_read(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "text"
    in_file("abcé\n" * 9, path)
    before = path.stat()
    time.sleep(0.02)  # a clock may be coarse
    path.write_text("abdé\n" * 9, "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_again(path, monkeypatch)


@pytest.mark.parametrize("name", ["text.json", "symbols.bin", "first.bin", "counts.bin", "ids.bin"])
@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_a_damaged_entry_is_not_believed(
    name: str, damage: str, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_file("abcé\n" * 9, tmp_path / "text")
    (entry,) = entries(cached)
    data = (entry / name).read_bytes()
    if damage == "removed":
        (entry / name).unlink()
    else:
        (entry / name).write_bytes(data[:-1] if damage == "cut" else data[:-3] + b"7" + data[-2:])
    assert read_again(tmp_path / "text", monkeypatch)
    assert not read_again(tmp_path / "text", monkeypatch)


def test_ids_that_were_touched_are_read_once_to_see_that_they_are_what_was_written(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_file("abcé\n" * 9, tmp_path / "text")
    (entry,) = entries(cached)
    os.utime(entry / "ids.bin", ns=(1, 1))
    read = list[str]()
    monkeypatch.setattr(OpenFile, "read", lambda file, *span: read.append(file.path.name) or _read(file, *span))
    for _ in range(2):
        assert large_texts.large_text(tmp_path / "text") is not None
    assert read == ["ids.bin"]


_read = OpenFile.read


def test_a_number_that_no_character_has_is_reported_in_one_sentence(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = in_file("abcé\n" * 9, tmp_path / "text")
    ids = ids_of(text, vocabulary_of(text, "characters"))
    (entry,) = entries(cached)
    with (entry / "ids.bin").open("r+b") as file:  # as a failing disk does: nothing else tells of it
        file.write(b"\xc8")
    monkeypatch.setattr(OpenFile, "check", lambda file: None)
    with pytest.raises(TextError, match=rf"ids\.bin is damaged; .* cache --remove texts/{entry.name}$"):
        ids[:]


def test_an_entry_of_another_version_is_written_again(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_file("abcé\n" * 9, tmp_path / "text")
    (entry,) = entries(cached)
    header = entry / "text.json"
    header.write_bytes(header.read_bytes().replace(b"charloom-text-1", b"charloom-text-0"))
    assert read_again(tmp_path / "text", monkeypatch)


def test_an_entry_that_is_removed_before_it_is_in_use_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removed, use = list[Path](), cache_entries.use

    def late(folder: Path) -> None:
        if not removed:
            cache_entries.discard(folder)
            removed.append(folder)
        use(folder)

    monkeypatch.setattr(cache_entries, "use", late)
    text = in_file("abcé\n" * 9, tmp_path / "text")
    assert len(removed) == 1 and removed[0].exists()
    assert np.array_equal(ids_of(text, Vocabulary.of(["abcé\n"]))[:5], Vocabulary.of(["abcé\n"]).encode("abcé\n"))


def test_a_full_disk_leaves_no_part_of_an_entry(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_text("abcé\n" * 9, "utf-8")

    def full(disk: atomic_files.Disk, file: int, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(atomic_files.Disk, "write", full)
    with pytest.raises(StorageError, match=r"cannot be written: no space is left on the disk; free some"):
        large_texts.large_text(tmp_path / "text")
    assert [path for path in cached.rglob("*") if path.is_dir()] == [cached / "texts"]


def test_a_cache_that_cannot_be_written_is_replaced_and_named(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.write_text("a file where the folder of the cache would be")
    said = list[str]()
    monkeypatch.setattr(notices, "listeners", [said.append])
    text = in_file("abcé\n" * 9, tmp_path / "text")
    (line,) = said
    assert f"{cached} cannot be written" in line and str(text) == "abcé\n" * 9
    elsewhere = Path(line.rsplit(" ", 1)[1])
    assert (elsewhere / "ids.bin").exists()
    shutil.rmtree(elsewhere)
    cache._SUBSTITUTES.clear()

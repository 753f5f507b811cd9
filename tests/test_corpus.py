"""Text files: read strictly, split by position, identified by their SHA-256."""

import codecs
import hashlib
import io
import itertools
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charloom.data import blocks
from charloom.data import text as module
from charloom.data.blocks import PIECE
from charloom.data.corpus import Corpus, make_corpus, read_file, read_folder
from charloom.data.text import Text
from charloom.errors import SettingsError, TextError
from charloom.settings import CorpusConfig
from models import several_texts

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")

WHOLE = (1.0, 0.0, 0.0)
WIDTHS = st.text(st.sampled_from("ab\né€😀"))
"""Texts of characters with one to four bytes."""
SMALL_PIECES = st.integers(4, 9)


def corpus_of(*raw: bytes, **settings: object) -> Corpus:
    """The corpus of some files called file0, file1, …"""
    documents = [(f"file{number}", data) for number, data in enumerate(raw)]
    config = CorpusConfig(**{"split": WHOLE, **settings})  # type: ignore[arg-type]
    return make_corpus(documents, config, name="name", source="/source")


def read(*raw: bytes, **settings: object) -> str:
    return str(corpus_of(*raw, **settings).text)


# --- what is read ---


@given(st.text(st.sampled_from("ab\r\n\né😀")), st.booleans())
def test_line_ends_and_the_byte_order_mark_are_read_as_python_reads_them(text: str, mark: bool) -> None:
    raw = codecs.BOM_UTF8 * mark + b"xx" + text.encode()
    corpus = corpus_of(raw)
    expected = io.TextIOWrapper(io.BytesIO(raw), encoding="utf-8-sig", newline=None).read()
    assert str(corpus.text) == expected
    assert corpus.text.characters == len(expected)


@given(st.text(st.sampled_from("a\r\n\ufeff😀")))
def test_reading_again_what_was_read_changes_nothing(text: str) -> None:
    once = corpus_of(text.encode() + b"xx")
    again = corpus_of(bytes(once.text.data))
    assert (str(again.text), again.text.sha256, again.notes) == (str(once.text), once.text.sha256, ())


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xef\xbb\xbfab", "removed the byte order mark"),
        (b"a\r\nb\r\n", "read 2 CRLF line ends as newlines"),
        (b"a\rb", "read 1 CR line ends as newlines"),
        (b"a\r\nb\nc\nd", "read 1 CRLF line ends as newlines (mixed with 2 newlines)"),
        (b"a\r\nb\rc\rd\n", "read 1 CRLF and 2 CR line ends as newlines (mixed with 1 newline)"),
        (b"a\r\r\nb", "read 1 CRLF and 1 CR line ends as newlines"),
    ],
)
def test_what_was_changed_while_reading_is_noted(raw: bytes, said: str) -> None:
    assert corpus_of(raw).notes == (f"file0: {said}",)


def test_a_text_that_is_read_as_it_is_has_no_notes() -> None:
    assert corpus_of("a\nbé\n".encode()).notes == ()


def test_notes_name_the_file_that_they_are_about() -> None:
    assert [note.split(":")[0] for note in corpus_of(b"ab", b"a\r\nb", b"\xef\xbb\xbfa\rb").notes] == [
        "file1",
        "file2",
        "file2",
    ]


# --- encodings ---


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("latin-1", "Grüße"),
        ("cp1252", "„Grüße“ €"),
        ("utf-16", "Grüße 😀"),
        ("utf-16-le", "Grüße 😀"),
        ("utf-32", "Grüße 😀"),
        ("utf-8-sig", "Grüße 😀"),
        ("UTF8", "Grüße 😀"),
        ("shift_jis", "ひらがな"),
        ("utf-7", "Grüße"),
    ],
)
def test_a_text_in_another_encoding_is_read(encoding: str, text: str) -> None:
    assert read(text.encode(encoding), encoding=encoding) == text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "shift_jis"])
def test_a_character_of_another_encoding_that_a_piece_cuts_is_read(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "PIECE", 5)
    text = "aひbらcがdな" * 3
    assert read(text.encode(encoding), encoding=encoding) == text


def test_the_byte_order_mark_of_utf_16_is_no_character_where_the_order_is_given() -> None:
    assert read(codecs.BOM_UTF16_LE + "ab".encode("utf-16-le"), encoding="utf-16-le") == "ab"


def test_line_ends_are_counted_after_decoding() -> None:
    assert corpus_of("a\r\nb".encode("utf-16"), encoding="utf-16").notes == (
        "file0: read 1 CRLF line ends as newlines",
    )


@pytest.mark.parametrize("encoding", ["klingon", "hex", "rot13", "base64", "zlib", "undefined", "", "a\0b"])
def test_what_is_no_encoding_of_texts_is_refused_by_its_name(encoding: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(b"6162", encoding=encoding)
    assert repr(encoding) in str(caught.value)


def test_a_text_that_is_not_in_its_encoding_is_refused_with_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PIECE", 4)
    with pytest.raises(TextError, match=r"file0 is not ascii: .* near byte 10;.*--encoding"):
        read(b"0123456789\xe9", encoding="ascii")


def test_utf_16_that_ends_in_the_middle_of_a_character_is_refused() -> None:
    with pytest.raises(TextError, match="file0 is not utf-16"):
        read("abc".encode("utf-16")[:-1], encoding="utf-16")


# --- bytes that are no UTF-8 ---


@given(
    st.lists(
        st.sampled_from([b"a", b"\r", b"\n", "é".encode(), "😀".encode(), b"\xff", b"\x80", b"\xf0\x9f", b"\xc0"])
    ),
    st.booleans(),
    SMALL_PIECES,
)
def test_a_text_is_refused_where_python_refuses_it_with_the_offset_in_the_file(
    parts: list[bytes], mark: bool, piece: int
) -> None:
    raw = codecs.BOM_UTF8 * mark + b"xx" + b"".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", piece)
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            with pytest.raises(TextError) as caught:
                corpus_of(raw)
            said = re.search(r"byte 0x(\w\w) at offset (\d+) ", str(caught.value))
            assert said is not None
            assert (int(said[1], 16), int(said[2])) == (raw[error.start], error.start)
        else:
            corpus_of(raw)


@given(st.binary(max_size=30), SMALL_PIECES)
def test_any_bytes_are_read_or_refused_in_one_sentence(raw: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", piece)
        try:
            corpus_of(raw)
        except TextError as error:
            assert "\n" not in str(error)


def test_the_offset_is_right_beyond_the_first_piece() -> None:
    with pytest.raises(TextError, match=f"offset {PIECE + 10:,} "):
        corpus_of(b"a" * (PIECE + 10) + b"\xff" + b"a" * 10)


def test_the_offset_is_right_where_a_broken_character_crosses_a_piece_boundary() -> None:
    with pytest.raises(TextError, match=f"offset {PIECE - 2:,} "):
        corpus_of(b"a" * (PIECE - 2) + "😀".encode()[:3] + b"a" * 10)


@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_whole_character_may_cross_a_piece_boundary(before: int) -> None:
    text = "a" * (PIECE - before) + "😀" * 3
    corpus = corpus_of(text.encode())
    assert str(corpus.text) == text
    assert corpus.text.characters == len(text)


def test_bytes_that_look_like_utf_16_are_met_with_its_name() -> None:
    with pytest.raises(TextError, match="--encoding utf-16"):
        corpus_of("ab".encode("utf-16"))


def test_an_accent_among_latin_letters_is_met_with_windows_1252() -> None:
    with pytest.raises(TextError, match="--encoding cp1252"):
        corpus_of(b"caf\xe9")


# --- cutting ---


@given(WIDTHS, st.data(), SMALL_PIECES)
@example("éaéaéaéa", None, 4)
def test_a_slice_by_characters_equals_pythons(text: str, data: st.DataObject | None, piece: int) -> None:
    places = st.integers(0, len(text))
    cuts = [data.draw(st.tuples(places, places).map(sorted))] if data else itertools.combinations(range(9), 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", piece)
        for start, stop in cuts:
            part = Text.of(text).slice(start, stop)
            assert str(part) == text[start:stop]
            assert (part.characters, part.bytes) == (stop - start, len(text[start:stop].encode()))


@given(WIDTHS, st.data(), SMALL_PIECES)
def test_where_many_characters_begin_is_where_each_of_them_begins(text: str, data: st.DataObject, piece: int) -> None:
    places = sorted(data.draw(st.lists(st.integers(0, len(text)))))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", piece)
        found = Text.of(text).bytes_of(np.array(places, np.int64))
    assert found.tolist() == [len(text[:place].encode()) for place in places]


def test_many_slices_of_a_long_text_search_less_of_it_than_all(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Text.of("é" * 100_000)
    text.slice(1, 2)  # counts the characters
    searched, starts = [0], module.heads

    def counted(data: memoryview) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        searched[0] += len(data)
        return starts(data)

    monkeypatch.setattr(module, "heads", counted)
    for place in range(0, 100_000, 5_000):
        assert str(text.slice(place, place + 1)) == "é"
    assert searched[0] < text.bytes


@given(st.text(), st.data())
def test_a_slice_of_a_slice_equals_pythons(text: str, data: st.DataObject) -> None:
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, stop - start)] * 2)))
    assert str(Text.of(text).slice(start, stop).slice(first, last)) == text[start:stop][first:last]


def test_a_slice_equals_pythons_around_the_boundaries_of_pieces() -> None:
    text = "é" + "a" * (PIECE - 3) + "€é" + "😀" * (PIECE // 4) + "b" * 20
    whole = Text.of(text)
    starts = [len(text.encode()[:place].decode(errors="ignore")) for place in (PIECE, 2 * PIECE)]
    for place in (place + step for place in starts for step in (-2, -1, 0, 1, 2)):
        assert str(whole.slice(place, place + 3)) == text[place : place + 3]


@given(WIDTHS, SMALL_PIECES)
def test_pieces_add_up_to_the_text_and_none_is_larger_than_asked(text: str, size: int) -> None:
    pieces = list(Text.of(text).pieces(size))
    assert "".join(pieces) == text
    assert all(0 < len(piece.encode()) <= size for piece in pieces)


@given(st.integers(1, 100), st.integers(0, 100), st.integers(3, 500))
def test_the_parts_are_contiguous_and_add_up_to_the_whole(train: int, validation: int, length: int) -> None:
    validation = min(validation, 100 - train)
    shares = (train / 100, validation / 100, (100 - train - validation) / 100)
    text = "".join(random.Random(length).choices("abé€😀", k=length))
    corpus = Corpus(Text.of(text), shares, "name", "/source")
    parts = [corpus.train, corpus.validation, corpus.test]
    assert "".join(str(part) for part in parts) == text
    assert corpus.train.characters == int(shares[0] * length)
    assert all(abs(part.characters - share * length) <= 1.000001 for part, share in zip(parts, shares, strict=True))


@given(st.integers(20, 500))
def test_without_a_test_share_validation_reaches_to_the_last_character(length: int) -> None:
    corpus = corpus_of(b"a" * length, split=(0.9, 0.1, 0.0))
    assert corpus.boundaries == (int(0.9 * length), length)


def test_the_split_counts_characters_and_not_bytes() -> None:
    assert corpus_of(("a" * 50 + "😀" * 50).encode(), split=(0.5, 0.5, 0.0)).boundaries == (50, 100)


def test_a_part_that_the_split_leaves_empty_is_refused_by_its_name() -> None:
    with pytest.raises(TextError, match="split 1,0,0 of name leaves no validation text"):
        corpus_of(b"abcd").part("validation")


def test_a_part_has_the_name_that_it_is_asked_by() -> None:
    corpus = corpus_of(b"aabbbccccc", split=(0.2, 0.3, 0.5))
    assert [str(corpus.part(name)) for name in ("train", "validation", "test")] == ["aa", "bbb", "ccccc"]


# --- several texts ---


def write(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_a_folder_is_read_in_the_order_of_its_paths(tmp_path: Path) -> None:
    write(tmp_path, c=b"3", a=b"1", b__b=b"2b", b__a=b"2a")
    assert [Path(name).relative_to(tmp_path).as_posix() for name, _ in read_folder(tmp_path)] == [
        "a",
        "b/a",
        "b/b",
        "c",
    ]


def test_files_and_folders_whose_name_begins_with_a_dot_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, a=b"1")
    write(tmp_path, **{".hidden": b"no", ".git__config": b"no", "sub__.also": b"no"})
    assert [data for _, data in read_folder(tmp_path)] == [b"1"]


def test_a_folder_below_a_hidden_one_is_not_hidden_itself(tmp_path: Path) -> None:
    write(tmp_path, **{".cache__texts__a": b"1"})
    assert [data for _, data in read_folder(tmp_path / ".cache" / "texts")] == [b"1"]


@pytest.mark.parametrize("files", [{}, {".hidden": b"no"}])
def test_a_folder_without_files_is_refused_by_its_name(files: dict[str, bytes], tmp_path: Path) -> None:
    write(tmp_path, **files)
    with pytest.raises(TextError, match=re.escape(f"{tmp_path} holds no files")):
        list(read_folder(tmp_path))


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"absent\.txt cannot be read: no such file"):
        read_file(tmp_path / "absent.txt")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="no file is closed to root")
def test_a_file_that_may_not_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "closed.txt"
    path.write_text("text")
    path.chmod(0)
    with pytest.raises(TextError, match=r"closed\.txt cannot be read: permission denied"):
        read_file(path)


def test_where_each_of_several_texts_ends_is_known_in_characters() -> None:
    text = corpus_of("aé".encode(), b"", "€😀b".encode(), b"\xef\xbb\xbf", b"c\r\n").text
    assert str(text) == "aé€😀bc\n"
    assert text.ends.tolist() == [2, 5, 7]


@pytest.mark.parametrize("others", [(), (b"",), (b"\xef\xbb\xbf", b"")])
def test_one_text_has_no_ends(others: tuple[bytes, ...]) -> None:
    assert corpus_of(b"abc", *others).text.ends.tolist() == []


@given(st.lists(st.text(min_size=1), min_size=2), st.data())
def test_a_slice_has_the_ends_within_it(texts: list[str], data: st.DataObject) -> None:
    whole = several_texts(*texts)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, whole.characters)] * 2)))
    expected = [end - start for end in whole.ends.tolist() if start < end <= stop]
    assert whole.slice(start, stop).ends.tolist() == expected


def test_each_end_belongs_to_one_part_only() -> None:
    corpus = corpus_of(b"aaaa", b"bbbb", split=(0.5, 0.25, 0.25))
    assert [part.ends.tolist() for part in (corpus.train, corpus.validation, corpus.test)] == [[4], [], [2]]


# --- what it is remembered by ---


@given(st.text())
def test_the_sha256_of_one_text_is_that_of_its_file(text: str) -> None:
    assert Text.of(text).sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_sha256_tells_where_several_texts_end() -> None:
    texts = [corpus_of(b"abcd"), corpus_of(b"ab", b"cd"), corpus_of(b"a", b"bcd"), corpus_of(b"ab", b"c", b"d")]
    assert len({corpus.text.sha256 for corpus in texts}) == 4


# --- too little ---


@pytest.mark.parametrize("raw", [(), (b"",), (b"", b""), (b"\xef\xbb\xbf",)])
def test_an_empty_text_is_refused_by_its_source(raw: tuple[bytes, ...]) -> None:
    with pytest.raises(TextError, match="/source is empty"):
        corpus_of(*raw)


def test_one_character_is_too_little_to_train_on() -> None:
    with pytest.raises(TextError, match="name has 1 character, of which the split leaves 0"):
        corpus_of("é".encode(), split=(0.9, 0.1, 0.0))


def test_one_character_is_a_text_where_it_is_not_split() -> None:
    assert corpus_of("é".encode(), split=(1.0, 0.0, 0.0)).boundaries[0] == 1


def test_a_split_that_leaves_less_than_two_characters_to_train_on_is_refused() -> None:
    with pytest.raises(TextError, match="name has 10 characters, of which the split leaves 1 "):
        corpus_of(b"0123456789", split=(0.1, 0.9, 0.0))


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    with pytest.raises(TextError, match=r"character 2 .*surrogate"):
        Text.of("ab\ud83d")


# --- lines in another order ---

LINES = st.lists(st.text("ab é", max_size=4), min_size=2, max_size=12)


def lines_of(*raw: str, seed: int = 1) -> str:
    return read(*(text.encode() for text in raw), documents="lines", shuffle=seed)


@given(LINES, st.integers(1, 9))
def test_shuffling_keeps_every_line_and_closes_the_last(lines: list[str], seed: int) -> None:
    text = "\n".join(["xx", *lines])
    assert sorted(lines_of(text, seed=seed).removesuffix("\n").split("\n")) == sorted(
        text.removesuffix("\n").split("\n")
    )


@given(LINES, st.integers(1, 9))
def test_shuffling_again_changes_nothing_and_neither_does_the_order_before(lines: list[str], seed: int) -> None:
    text = "\n".join(["xx", *lines]) + "\n"
    shuffled = lines_of(text, seed=seed)
    assert lines_of(shuffled, seed=seed) == shuffled
    assert lines_of("\n".join([*reversed(lines), "xx"]) + "\n", seed=seed) == shuffled


def test_shuffled_lines_of_several_files_are_one_list_and_equal_ones_stand_together() -> None:
    shuffled = lines_of("one\ntwo\nsame", "same\nthree\n")
    assert sorted(shuffled.splitlines()) == ["one", "same", "same", "three", "two"]
    assert "same\nsame\n" in shuffled
    assert corpus_of(b"one\n", b"two\n", documents="lines", shuffle=1).text.ends.tolist() == []


def test_another_seed_gives_another_order_and_none_keeps_it() -> None:
    text = "".join(f"{number}\n" for number in range(100))
    assert lines_of(text, seed=1) != lines_of(text, seed=2)
    assert lines_of(text, seed=0) == text
    assert corpus_of(b"b\na\n", documents="lines", shuffle=3).notes == ("name: shuffled the lines with seed 3",)


def test_a_sorted_list_that_is_shuffled_holds_out_lines_from_all_of_it() -> None:
    text = "".join(f"{letter}{number:03}\n" for letter in "abcd" for number in range(100)).encode()
    held = corpus_of(text, split=(0.75, 0.25, 0.0), documents="lines", shuffle=1).validation
    assert {line[0] for line in str(held).splitlines() if line} >= set("abcd")


def test_a_text_that_is_not_made_of_lines_cannot_be_shuffled() -> None:
    with pytest.raises(SettingsError, match="--documents lines"):
        corpus_of(b"some text", shuffle=1)

"""A text is cleaned the same way however its bytes are cut into pieces: what comes out, the notes and the errors."""

import bz2
import codecs
import gzip
import io
import itertools
import lzma
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.data import blocks, cleaning, compressed
from charloom.data.cleaning import Cleaning, whole
from charloom.data.file_kinds import advice, is_wide
from charloom.errors import TextError

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")

FRAGMENTS = st.sampled_from(
    [
        *(b"a", b"\r", b"\n", b"\r\n", b" plain words\n", b"\0", b"\x01", codecs.BOM_UTF8, b"GIF89a", b"PK\x03\x04"),
        *("é".encode(), "€".encode(), "😀".encode(), "naïve café".encode("cp1252"), "ab".encode("utf-16")),
        *(b"\xff", b"\x80", b"\xf0\x9f", b"\xc0", b"\xe2\x82"),
    ]
)
RAW = st.lists(FRAGMENTS, max_size=12).map(b"".join)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "shift_jis", "ascii"])
COMPRESSIONS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "bzip2": (bz2.compress, bz2.decompress),
    "xz": (lzma.compress, lzma.decompress),
}

Outcome = tuple[bytes, int, list[str]] | str
"""What came out, its characters and the notes; or the error."""


def in_one_piece(raw: bytes, encoding: str, compression: str | None = None) -> Outcome:
    """The plain way: the whole text in memory, and Python's own decoder."""
    notes = []
    if compression:
        raw = COMPRESSIONS[compression][1](raw)
        notes.append(f"decompressed ({compression})")
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
    if utf8 and is_wide(raw):
        return f"a is full of control characters: {advice(raw, flag=True)}"
    if not utf8:
        try:
            raw = codecs.getincrementaldecoder(encoding)("strict").decode(raw, final=True).encode()
        except UnicodeError:
            return "a is not " + encoding
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        byte = f"byte 0x{raw[error.start]:02x} at offset {error.start:,} ({error.reason})"
        return f"a is not UTF-8: {byte}; {advice(raw, flag=True)}"
    if text.startswith("\ufeff"):
        notes.append("removed the byte order mark")
        text = text.lstrip("\ufeff")
    if "\r" in text:
        pairs = text.count("\r\n")
        singles, newlines = text.count("\r") - pairs, text.count("\n") - pairs
        kinds = " and ".join(f"{count} {kind}" for count, kind in ((pairs, "CRLF"), (singles, "CR")) if count)
        mixed = f" (mixed with {newlines} newline{'s' * (newlines != 1)})" if newlines else ""
        notes.append(f"read {kinds} line ends as newlines{mixed}")
        text = io.StringIO(text, newline=None).read()
    return text.encode(), len(text), notes


def cut(raw: bytes, sizes: list[int]) -> Iterator[bytes]:
    """The bytes in pieces of these sizes, over and over."""
    place = 0
    for size in itertools.cycle(sizes or [len(raw) or 1]):
        if place >= len(raw):
            return
        yield raw[place : place + size]
        place += size


def outcome(pieces: Iterator[bytes] | list[bytes], encoding: str) -> Outcome:
    made = Cleaning(pieces, encoding, "a")
    try:
        out = list(made)
    except TextError as error:
        return str(error)
    for piece in out:
        assert piece.decode()  # whole characters
    return b"".join(out), made.characters, made.notes


def is_refused_as_a_binary(found: Outcome) -> bool:
    return isinstance(found, str) and ", not text; " in found


@given(
    RAW, ENCODINGS, st.none() | st.sampled_from(sorted(COMPRESSIONS)), st.lists(st.integers(1, 9)), st.integers(4, 40)
)
def test_any_bytes_cut_anywhere_are_cleaned_as_in_one_piece(
    raw: bytes, encoding: str, compression: str | None, sizes: list[int], size: int
) -> None:
    data = COMPRESSIONS[compression][0](raw) if compression else raw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", size)
        found = outcome(cut(data, sizes), encoding)
        assert found == outcome([data], encoding)
    expected = in_one_piece(data, encoding, compression)
    if not is_refused_as_a_binary(found):
        if isinstance(expected, str):
            assert isinstance(found, str) and found.startswith(expected)
        else:
            assert found == expected


@given(st.text(st.sampled_from("a\r\n\ufeffé")), st.integers(1, 7), st.sampled_from(["utf-8", "cp1252", "utf-16-le"]))
def test_line_ends_and_marks_are_found_wherever_pieces_end(text: str, size: int, encoding: str) -> None:
    text = text.replace("\ufeff", "") if encoding == "cp1252" else text
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", size)
        assert outcome([text.encode(encoding)], encoding) == in_one_piece(text.encode(), "utf-8")


@given(st.text(st.sampled_from("a \r\n\ufeffé😀")), st.integers(1, 9))
def test_what_is_clean_is_not_copied_and_what_is_not_is_changed(text: str, size: int) -> None:
    raw = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", size)
        made = Cleaning([raw], "utf-8", "a")
        cleaned = whole(raw, made)
        assert made.as_is == (cleaned is raw) == (cleaned == raw)
        again = Cleaning([cleaned], "utf-8", "a")
        assert whole(cleaned, again) is cleaned and not again.notes


@pytest.mark.parametrize("compression", sorted(COMPRESSIONS))
@pytest.mark.parametrize("content", [b"fine\n" * 900, "naïve café".encode("cp1252") * 900, b"%PDF-1.4" + bytes(5000)])
def test_of_a_damaged_file_the_damage_is_told_and_not_what_follows_from_it(
    compression: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "PIECE", 64)
    monkeypatch.setattr(compressed, "SAMPLE", 64)
    monkeypatch.setattr(cleaning, "AROUND", 16)
    data = COMPRESSIONS[compression][0](content)
    told = outcome([data[:-5]], "utf-8")
    assert told == f"a is compressed with {compression}, but damaged or truncated; get it again"


@pytest.mark.parametrize("compression", sorted(COMPRESSIONS))
def test_files_that_were_compressed_one_by_one_are_read_one_after_the_other(compression: str) -> None:
    pack = COMPRESSIONS[compression][0]
    found = outcome([pack(b"one\n") + pack(b"two\n")], "utf-8")
    assert isinstance(found, tuple) and found[0] == b"one\ntwo\n"


def test_a_file_that_blows_up_is_decompressed_in_pieces() -> None:
    data = bz2.compress(bytes(b"a" * 64)) + bz2.compress(b"b" * (50 << 20))
    sizes = [len(piece) for piece in Cleaning([data], "utf-8", "a")]
    assert sum(sizes) == 64 + (50 << 20) and max(sizes) <= 2 * blocks.PIECE


def test_zstd_is_decompressed_like_the_others() -> None:
    zstd = pytest.importorskip("backports.zstd" if not _has_zstd() else "compression.zstd")
    data = zstd.compress("Grüße\n".encode() * 1000) + zstd.compress(b"two\n")
    found = outcome(cut(data, [7]), "utf-8")
    assert found == ("Grüße\n".encode() * 1000 + b"two\n", 6004, ["decompressed (zstd)"])
    assert outcome([data[:-3]], "utf-8") == "a is compressed with zstd, but damaged or truncated; get it again"


def test_without_its_package_a_zstd_file_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("backports", "backports.zstd", "compression", "compression.zstd"):
        monkeypatch.setitem(compressed.sys.modules, name, None)
    with pytest.raises(
        ValueError, match=r"zstd needs an optional package; install it with: pip install 'charloom\[files\]'"
    ):
        list(Cleaning([b"\x28\xb5\x2f\xfd" + bytes(100)], "utf-8", "a"))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 8), st.integers(1, 12))
def test_the_advice_about_a_byte_depends_on_what_is_near_it(before: int, after: int, around: int, size: int) -> None:
    raw = b"x" * before + "é".encode() * 9 + b"\xff" + b"y" * after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", size)
        patch.setattr(cleaning, "AROUND", around)
        found = outcome([raw], "utf-8")
        place = raw.index(b"\xff")
        near = raw[max(0, place - around) : place + around].lstrip(bytes(range(0x80, 0xC0)) if place > around else b"")
        assert isinstance(found, str) and found.endswith(advice(raw, flag=True, around=near))


def _has_zstd() -> bool:
    try:
        import compression.zstd  # noqa: F401
    except ImportError:
        return False
    return True

"""Files that are not plain UTF-8: compressed ones are read, and for others the advice is right."""

import bz2
import codecs
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from charloom.data.file_kinds import guessed
from charloom.data.text_sources import open_text, string_corpus
from charloom.errors import TextError
from charloom.settings import CorpusConfig

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")

CONFIG = CorpusConfig()
ENGLISH = "“Grüße,” said the naïve café-owner — and left. It cost 5 €, he’d said.\n" * 20
GERMAN = "Wir möchten über die größten Flüsse schöne Geschichten erzählen. Äpfel, Öl, Übermut.\n" * 20
FRENCH = "L’été dernier, à Genève, où nous étions, l’hôtel « Élysée » nous a coûté 300 € — très cher.\n" * 20
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива по-своему.\n" * 20
POLISH = "Zażółć gęślą jaźń. Święta są w grudniu, a książka leży na łóżku.\n" * 20
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 20
CHINESE = "道可道，非常道。名可名，非常名。无名天地之始；有名万物之母。\n" * 20
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256))


def archive(kind: str) -> bytes:
    kept = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(kept, "w") as file:
            file.writestr("a.txt", "text " * 100)
    else:
        with tarfile.open(fileobj=kept, mode=kind) as file:  # type: ignore[call-overload]
            entry = tarfile.TarInfo("a.txt")
            entry.size = 500
            file.addfile(entry, io.BytesIO(b"text " * 100))
    return kept.getvalue()


def refused(path: Path, **settings: str) -> str:
    with pytest.raises(TextError) as caught:
        open_text(path, CorpusConfig(**settings))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- compressed ---


@pytest.mark.parametrize(("ending", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_compressed_text_is_the_text(ending: str, compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    plain, packed = tmp_path / "hamlet.txt", tmp_path / f"hamlet.txt.{ending}"
    plain.write_bytes(ENGLISH.encode())
    packed.write_bytes(compress(ENGLISH.encode()))
    one, two = open_text(plain, CONFIG), open_text(packed, CONFIG)
    assert (one.text.sha256, one.name) == (two.text.sha256, two.name)
    assert "decompressed" in two.notes[0]


def test_a_compressed_text_may_have_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(GERMAN.encode("cp1252")))
    assert "--encoding cp1252" in refused(tmp_path / "a.gz")
    assert str(open_text(tmp_path / "a.gz", CorpusConfig(encoding="cp1252")).text) == GERMAN


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_compressed_text_that_is_cut_off_is_refused(
    compress: Callable[[bytes], bytes], kept: float, tmp_path: Path
) -> None:
    data = compress(bytes(range(256)) * 50)
    (tmp_path / "a.gz").write_bytes(data[: int(kept * len(data))])
    assert "damaged or truncated" in refused(tmp_path / "a.gz")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive("zip"), "a ZIP archive"),
        (archive("w"), "a tar archive"),
        (archive("w:gz"), "decompressed, is a tar archive"),
        (PNG, "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(200), "a JPEG picture"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(200), "a PDF document"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_is_no_text_is_called_what_it_is_in_any_encoding(
    data: bytes, said: str, encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "thing").write_bytes(data)
    told = refused(tmp_path / "thing", encoding=encoding)
    assert said in told
    assert "not text" in told
    assert "--encoding" not in told


@pytest.mark.parametrize("text", ["GIF89a is a format.\n" * 9, "BZh91AY&SY begins so\n" * 9, "%PDF-1.4 is old\n" * 9])
def test_a_text_may_begin_with_the_name_of_a_format(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert str(open_text(tmp_path / "a.txt", CONFIG).text) == str(string_corpus(text, CONFIG).text) == text


# --- encodings ---


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, FRENCH])
def test_windows_1252_is_recognised_and_never_called_latin_1(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode("cp1252"))
    told = refused(tmp_path / "a.txt")
    assert "--encoding cp1252" in told
    assert "latin" not in told
    assert str(open_text(tmp_path / "a.txt", CorpusConfig(encoding="cp1252")).text) == text


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, RUSSIAN, POLISH, JAPANESE, CHINESE])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("marked", [True, False])
def test_utf_16_is_recognised_with_and_without_its_mark(text: str, encoding: str, marked: bool, tmp_path: Path) -> None:
    marks = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE, "utf-32-le": codecs.BOM_UTF32_LE}
    mark = marks.get(encoding, b"") if marked else b""
    (tmp_path / "a.txt").write_bytes(mark + text.encode(encoding))
    named = encoding[:6] if mark else encoding
    assert f"--encoding {named}," in refused(tmp_path / "a.txt")
    assert str(open_text(tmp_path / "a.txt", CorpusConfig(encoding=named)).text) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (POLISH, "cp1250"),
        (GERMAN, "cp850"),
        (FRENCH.replace("€", "francs"), "mac-roman"),
        (JAPANESE, "shift_jis"),
        (CHINESE, "gb18030"),
    ],
)
def test_another_encoding_is_not_taken_for_one_that_it_is_not(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    told = refused(tmp_path / "a.txt")
    assert "its encoding was not recognised" in told
    assert "--encoding" in told


def test_utf_8_with_a_damaged_character_is_not_called_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(GERMAN.encode() + b"\xfc\n" + GERMAN.encode())
    told = refused(tmp_path / "a.txt")
    assert "the rest is UTF-8" in told
    assert "--encoding" not in told


def test_what_is_neither_text_nor_known_is_called_no_text() -> None:
    assert guessed(bytes(range(256)) * 40) == "binary"


# --- folders ---


def test_a_picture_in_a_folder_is_named_with_the_way_to_leave_it_out(tmp_path: Path) -> None:
    (tmp_path / "plays").mkdir()
    (tmp_path / "plays" / "a.txt").write_text("to be or not " * 20)
    (tmp_path / "plays" / "cover.png").write_bytes(PNG)
    told = refused(tmp_path / "plays")
    assert f"{tmp_path / 'plays' / 'cover.png'} is a PNG picture" in told
    assert "move it out of the folder, or start its name with a dot" in told
    (tmp_path / "plays" / "cover.png").rename(tmp_path / "plays" / ".cover.png")
    assert str(open_text(tmp_path / "plays", CONFIG).text) == "to be or not " * 20


def test_a_file_of_another_encoding_in_a_folder_is_not_met_with_an_encoding_for_all(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(GERMAN.encode())
    (tmp_path / "b.txt").write_bytes(GERMAN.encode("cp1252"))
    told = refused(tmp_path)
    assert "b.txt" in told
    assert "--encoding cp1252 if all files of the folder are like it" in told
    assert "iconv -f cp1252 -t utf-8" in told
    assert "start its name with a dot" in told


# --- names that are taken for texts ---


@pytest.mark.parametrize(
    "text",
    [
        "my.txt",
        "data/my text.txt",
        "./corpus",
        "~/texts/novel",
        "C:\\texts\\my.txt",
        "texts/",
        "novel.txt.gz",
        "a b.md",
    ],
)
def test_a_string_that_looks_like_a_path_is_no_text(text: str) -> None:
    with pytest.raises(TextError, match=r"looks like the path of a file.*pathlib\.Path.*end it with a newline"):
        string_corpus(text, CONFIG)
    assert str(string_corpus(text + "\n", CONFIG).text) == text + "\n"


@pytest.mark.parametrize(
    "text",
    ["To be, or not to be.", "He left. She stayed", "this and/or that", "3.14159", "Mr. Bennet", "abcabc", "1/2 of it"],
)
def test_a_short_sentence_is_a_text(text: str) -> None:
    assert str(string_corpus(text, CONFIG).text) == text


def test_a_string_that_is_an_address_or_a_corpus_is_no_text() -> None:
    with pytest.raises(TextError, match="is an address; download"):
        string_corpus("https://example.org/a.txt", CONFIG)
    with pytest.raises(TextError, match=r"is the name of a corpus; .*charloom train python-docs"):
        string_corpus("python-docs", CONFIG)


def test_an_address_on_the_command_line_is_called_one() -> None:
    with pytest.raises(TextError, match=r"https://example\.org/a\.txt is an address.*download the file.*charloom data"):
        open_text("https://example.org/a.txt", CONFIG)


@pytest.mark.parametrize("text", [None, 5, b"bytes", ["a", "b"]])
def test_what_is_no_string_is_no_text(text: object) -> None:
    with pytest.raises(TextError, match=r"a text is a string or a pathlib\.Path"):
        string_corpus(text, CONFIG)  # type: ignore[arg-type]

"""Files that are not text in UTF-8: what they are, and what to do about them."""

import codecs
import re
import unicodedata

from charloom.errors import TextError
from charloom.errors.options import option

SAMPLE = 1 << 16
"""How many bytes are examined to tell what a file is."""

ARCHIVES = {
    rb"PK(\x03\x04|\x05\x06)": "a ZIP archive (as .docx, .odt and .epub are)",
    rb"7z\xbc\xaf\x27\x1c": "a 7z archive",
    rb"Rar!\x1a\x07": "a RAR archive",
    rb"(?s).{257}ustar": "a tar archive",
}
BINARIES = {
    rb"\x89PNG\r\n\x1a\n": "a PNG picture",
    rb"\xff\xd8\xff": "a JPEG picture",
    rb"GIF8[79]a": "a GIF picture",
    rb"(?s)RIFF....WEBP": "a WebP picture",
    rb"(MM\x00\*|II\*\x00)": "a TIFF picture",
    rb"%PDF-\d": "a PDF document",
    rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document (.doc, .xls)",
    rb"SQLite format 3\x00": "an SQLite database",
    rb"\x7fELF": "a program",
    rb"(ID3[\x02-\x04]|OggS|fLaC)": "a sound file",
}
"""Files that begin like this are not text in any encoding."""

ROWS = {rb"PAR1": "a Parquet file"}
"""Files of rows, which have texts in a column."""

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is a prefix of it
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}

USUAL = (
    "\u20ac\u201a\u201e\u2026\u2020\u2021\u2030\u2039\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u2122\u203a"
    + "".join(map(chr, (*range(0xA0, 0xC0), 0xD7, 0xF7)))
)
"""Characters of Windows-1252 texts other than letters and ASCII."""

LEFT_OUT = "; to leave it out, move it out of the folder, or start its name with a dot"


def advice(data: bytes, *, flag: bool, in_folder: bool = False, around: bytes | None = None) -> str:
    """What to do about `data`, which is not UTF-8, as the end of a sentence. `flag`: the verb has --encoding.

    Of a long file, `data` is its beginning, and `around` are the bytes before and after the one that is not UTF-8.
    """
    encoding = guessed(data, around)
    if encoding == "utf-8":
        told = "the rest is UTF-8, so remove or replace the damaged bytes"
    elif encoding == "binary":
        told = "it does not look like text; give a text file"
    elif encoding is None:
        told = "its encoding was not recognised; save it as UTF-8" + (
            f", or name its encoding, for example {option('encoding', 'cp1251')} (Cyrillic) or shift_jis (Japanese)"
            if flag
            else ""
        )
    else:
        convert = f"save it as UTF-8, for example with: iconv -f {encoding} -t utf-8"
        use = f"use {option('encoding', encoding)}" + (" if all files of the folder are like it" if in_folder else "")
        told = f"it looks like {encoding}: " + (f"{use}, or {convert}" if flag else convert)
    return told + (LEFT_OUT if in_folder else "")


def is_wide(data: bytes) -> bool:
    """Whether bytes that are valid UTF-8 are really UTF-16 or UTF-32 without a mark: full of control characters."""
    sample = data[:SAMPLE]
    return _controls(sample) > 0.1 * len(sample) and _wide(sample) is not None


def guessed(data: bytes, around: bytes | None = None) -> str | None:
    """The most likely encoding of `data`, by Python's name; None if it is not recognised.

    "utf-8" means damaged UTF-8, "binary" means not text. Of a long file, `data` is its beginning, and `around` are the
    bytes that tell which of the encodings that extend ASCII it is.
    """
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return name
    sample = data[:SAMPLE]
    wide = _wide(sample)
    if wide is not None:
        return wide
    if _controls(sample) > 0.02 * len(sample):
        return "binary"
    telling = data if around is None else around
    good, bad = _utf8_characters(telling)
    return "utf-8" if good > 3 * bad else _western(telling)


def refuse_binary(data: bytes, subject: str, in_folder: bool, *, compressed: bool = False) -> None:
    """Raise `TextError` for the beginning of an archive, a picture or another file that is not text."""
    named = f"name the column of its texts with {option('column')}"
    if compressed:
        named = f"decompress it, then {named}"
    told = ((ARCHIVES, "unpack it, and give the text inside"), (BINARIES, "give a text file"), (ROWS, named))
    for kinds, remedy in told:
        for begin, kind in kinds.items():
            if re.match(begin, data):
                raise TextError(f"{subject} is {kind}, not text; {remedy}{LEFT_OUT if in_folder else ''}")


def is_plain(sample: bytes) -> bool:
    """Whether this is ASCII without control characters."""
    return sample.isascii() and not _controls(sample)


def _controls(sample: bytes) -> int:
    """Number of control characters that do not occur in text."""
    return len(sample) - len(sample.translate(None, _CONTROLS))


_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")


def _wide(sample: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, recognised by what its code units decode to."""
    for name, size in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        whole = sample[: len(sample) // size * size]
        text = whole.decode(name, errors="ignore")  # the end of the sample may cut a character in two
        units = len(whole) // size
        fine = sum(character in "\t\n\r" or unicodedata.category(character)[0] in "LMNPSZ" for character in text)
        alphabet = sum(character < "\u0530" for character in text)
        spaces = sum(text.count(mark) for mark in " \n\u3000\u3001\u3002")
        if units > 1 and fine > 0.95 * units and (alphabet > 0.8 * units or 100 * spaces > units):
            return name
    return None


def _utf8_characters(data: bytes) -> tuple[int, int]:
    """Numbers of non-ASCII characters in UTF-8, and of bytes that belong to no character."""
    text = data.decode("utf-8", errors="surrogateescape")
    bad = len(re.findall("[\udc80-\udcff]", text))
    return len(re.findall("[^\x00-\x7f]", text)) - bad, bad


def _western(data: bytes) -> str | None:
    """Windows-1252, if the non-ASCII bytes are accents and typography among Latin letters.

    Latin-1 has control characters in place of the typography, which no text contains. An accented letter among letters
    is a small one; in the encodings of DOS, the Mac and Central Europe the same bytes would be something else there.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    beyond = re.findall("[^\x00-\x7f]", text)
    letters = len(re.findall("[A-Za-z]", text))
    usual = sum(character.isalpha() or character in USUAL for character in beyond)
    among = re.findall("(?<=[a-z])[^\x00-\x7f](?=[a-z])", text)
    right = sum(character.islower() or character in "\u2019\u2013\u2014\u2026\xad" for character in among)
    if len(beyond) > 0.5 * letters + 1 or usual < 0.95 * len(beyond) or right < 0.9 * len(among):
        return None
    return "cp1252"

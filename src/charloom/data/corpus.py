"""Texts: read strictly, kept as UTF-8, split by position, identified by their SHA-256.

A text is held as UTF-8 bytes and decoded a piece at a time: in a `str`, a single character outside the basic plane
makes every character take four bytes. A large text stays in its file (`charloom.data.text_survey`).
"""

import codecs
import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charloom.data.file_kinds import LEFT_OUT, advice, decompressed, is_wide
from charloom.data.text_survey import TextBytes
from charloom.errors import SettingsError, TextError, arguments
from charloom.errors.options import option
from charloom.settings import CorpusConfig

PIECE = 1 << 20
"""Bytes of a text decoded at a time."""

_BLOCK = 1 << 12
"""Bytes searched at a time to locate a character."""


@dataclass(frozen=True, eq=False)
class Text:
    """A text as UTF-8, and the ends of the texts it consists of.

    `ends` counts characters from the start. It is empty for a single text, which has no end that a model could learn.
    """

    data: memoryview | TextBytes
    characters: int
    ends: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Text":
        """The text of a `str`, unchanged. Raises `TextError` for half of a surrogate pair."""
        arguments.text(text)
        try:
            return cls(memoryview(text.encode()), len(text))
        except UnicodeEncodeError as error:
            raise TextError(
                f"character {error.start} (counted from 0) of the text is half of a surrogate pair; remove it"
            ) from None

    def __str__(self) -> str:
        return str(in_memory(self.data), "utf-8")

    @property
    def bytes(self) -> int:
        """Length in bytes of UTF-8."""
        return len(self.data)

    def pieces(self, size: int = PIECE) -> Iterator[str]:
        """The text as a sequence of `str`, each decoded from at most `size` >= 4 bytes."""
        start = 0
        while start < len(self.data):
            ahead = in_memory(self.data[start : start + size + 1])
            stop = _character_start(ahead, min(size, len(ahead)))
            yield str(ahead[:stop], "utf-8")
            start += stop

    def byte_pieces(self, size: int = PIECE) -> Iterator[memoryview]:
        """The text as UTF-8, `size` bytes at a time."""
        for start in range(0, len(self.data), size):
            yield in_memory(self.data[start : start + size])

    def slice(self, start: int, stop: int) -> "Text":
        """The characters from `start` to `stop`, without copying; an end at `stop` belongs to this slice."""
        first, last = self.byte_of(start), self.byte_of(stop)
        low, high = bisect_right(self.ends, start), bisect_right(self.ends, stop)
        return Text(self.data[first:last], stop - start, tuple(end - start for end in self.ends[low:high]))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the UTF-8 bytes; for several texts, also of the positions where they end."""
        if isinstance(self.data, TextBytes) and self.ends == self.data.survey.ends and self.data.whole:
            return self.data.survey.header.sha256
        digest = hashlib.sha256()
        for piece in self.byte_pieces():
            digest.update(piece)
        if self.ends:
            digest.update(repr(self.ends).encode())
        return digest.hexdigest()

    def byte_of(self, character: int) -> int:
        """The byte at which a character begins."""
        if len(self.data) == self.characters:
            return character
        if character == self.characters:
            return len(self.data)
        if isinstance(self.data, TextBytes):
            return self.data.byte_of(character)
        counts = self._character_counts
        block = int(np.searchsorted(counts, character, side="right")) - 1
        start = block * _BLOCK
        starts = np.flatnonzero(_starts(in_memory(self.data[start : start + _BLOCK])))
        return start + int(starts[character - counts[block]])

    @cached_property
    def _character_counts(self) -> NDArray[np.int64]:
        """How many characters start before byte 0, _BLOCK, 2 _BLOCK, …"""
        counts = [np.zeros(1, np.int64)]
        many = 256 * _BLOCK
        for start in range(0, len(self.data), many):
            starts = _starts(in_memory(self.data[start : start + many]))
            counts.append(np.add.reduceat(starts, np.arange(0, len(starts), _BLOCK), dtype=np.int64))
        return np.cumsum(np.concatenate(counts))


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text, its split, and its source."""

    text: Text
    split: tuple[float, float, float]
    name: str
    source: str
    "Absolute path, 'standard input', 'a string', or 'corpus NAME'."
    notes: tuple[str, ...] = ()
    "What was changed while reading the text, one sentence each."

    @property
    def boundaries(self) -> tuple[int, int]:
        """The characters at which validation and test begin. They depend only on the text and the shares."""
        n, (train, validation, test) = self.text.characters, self.split
        first = int(train * n)
        second = n if test == 0 else int(round((train + validation) * n, 6))  # 0.7 + 0.2 is a little less than 0.9
        return first, max(first, second)

    @cached_property
    def train(self) -> Text:
        """The part that is trained on."""
        return self.text.slice(0, self.boundaries[0])

    @cached_property
    def validation(self) -> Text:
        """The part that models are chosen by."""
        return self.text.slice(*self.boundaries)

    @cached_property
    def test(self) -> Text:
        """The part that nothing is chosen by."""
        return self.text.slice(self.boundaries[1], self.text.characters)

    def part(self, name: str) -> Text:
        """The part called train, validation or test. Raises `TextError` if the split leaves it empty."""
        part: Text = getattr(self, name)
        if part.characters == 0:
            shares = ",".join(f"{share:g}" for share in self.split)
            raise TextError(
                f"the split {shares} of {self.name} leaves no {name} text; evaluate another part, or use "
                f"{option('text')}"
            )
        return part


def make_corpus(
    documents: Iterable[tuple[str, bytes]], config: CorpusConfig, *, name: str, source: str, in_folder: bool = False
) -> Corpus:
    """A corpus of one or several raw texts, each with a name for error messages.

    Several texts are joined in the given order, and the places where they end are recorded. Data compressed with gzip,
    bzip2 or xz is decompressed. Raises `TextError`; with `in_folder`, it says how to leave a file out.
    """
    notes: list[str] = []
    cleaned: list[bytes | memoryview] = []
    ends: list[int] = []
    characters = 0
    for document, raw in documents:
        data, length = _clean(raw, config.encoding, document, notes, in_folder)
        if length == 0:
            continue
        characters += length
        cleaned.append(data)
        ends.append(characters)
    if not cleaned:
        raise TextError(f"{source} is empty; give a text of at least a few hundred characters")
    if config.shuffle:
        if config.documents != "lines":
            raise SettingsError(
                f"shuffle reorders lines, so it needs {option('documents', 'lines')}; add that, or leave shuffle out"
            )
        cleaned, characters = _shuffled(cleaned, config.shuffle, characters)
        ends = [characters]
        notes.append(f"{name}: shuffled the lines with seed {config.shuffle}")
    whole = cleaned[0] if len(cleaned) == 1 else b"".join(cleaned)
    text = Text(memoryview(whole), characters, tuple(ends) if len(ends) > 1 else ())
    return corpus_of(text, config, name=name, source=source, notes=tuple(notes))


def corpus_of(text: Text, config: CorpusConfig, *, name: str, source: str, notes: tuple[str, ...] = ()) -> Corpus:
    """A text with its split. Raises `TextError` if that leaves nothing to train on."""
    corpus, characters = Corpus(text, config.split, name, source, notes), text.characters
    if corpus.boundaries[0] < min(2, characters):
        raise TextError(
            f"{name} has {characters} character{'s' * (characters != 1)}, of which the split leaves "
            f"{corpus.boundaries[0]} to train on; give it a longer text"
        )
    return corpus


def _shuffled(
    cleaned: Iterable[bytes | memoryview], seed: int, characters: int
) -> tuple[list[bytes | memoryview], int]:
    """The lines of all texts as one text, in the order of their keyed hashes, and its number of characters.

    The order depends only on the lines and the seed: shuffling again changes nothing, and equal lines are adjacent, so
    that no held-out line was trained on (except one at the split).
    """
    lines = list[bytes]()
    for data in cleaned:
        closed = data[-1:] == b"\n"
        characters += not closed
        lines += bytes(data[:-1] if closed else data).split(b"\n")
    key = seed.to_bytes(8, "little")
    lines.sort(key=lambda line: (hashlib.blake2b(line, digest_size=16, key=key).digest(), line))
    return [b"\n".join(lines) + b"\n"], characters


def read_file(path: Path) -> tuple[str, bytes]:
    """The name and the bytes of a file. Raises `TextError`."""
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise TextError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}; check the path") from None


def read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files below `folder`, sorted by path, except those whose names begin with a dot. Raises `TextError`."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise TextError(f"{folder} holds no files; put the texts in it, or name a file")
    for path in files:
        yield read_file(path)


def _clean(raw: bytes, encoding: str, name: str, notes: list[str], in_folder: bool) -> tuple[bytes | memoryview, int]:
    """`raw` as UTF-8, without a byte order mark and with newlines as line ends, and its number of characters.

    Changes are described in `notes`. Cleaning twice changes nothing. Raises `TextError`.
    """
    utf8 = is_utf8(encoding)
    raw, compression = decompressed(raw, name, in_folder=in_folder)
    if compression:
        notes.append(f"{name}: decompressed ({compression})")
    if utf8 and is_wide(raw):
        raise TextError(f"{name} is full of control characters: {advice(raw, flag=True, in_folder=in_folder)}")
    whole = raw if utf8 else b"".join(_recode(raw, encoding, name, in_folder))
    characters = _count(whole, name, in_folder)  # before anything is removed: an error names the place in the file
    marks = 0
    while whole.startswith(codecs.BOM_UTF8, 3 * marks):
        marks += 1
    data: bytes | memoryview = memoryview(whole)[3 * marks :] if marks else whole
    if marks:
        notes.append(f"{name}: removed the byte order mark")
    returns, pairs = whole.count(b"\r"), whole.count(b"\r\n")
    if returns:
        newlines = whole.count(b"\n") - pairs
        data = bytes(data).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        kinds = [f"{count:,} {kind}" for count, kind in ((pairs, "CRLF"), (returns - pairs, "CR")) if count]
        mixed = f" (mixed with {newlines:,} newlines)" if newlines else ""
        notes.append(f"{name}: read {' and '.join(kinds)} line ends as newlines{mixed}")
    return data, characters - marks - pairs


def is_utf8(encoding: str) -> bool:
    """Whether an encoding is UTF-8. Raises `SettingsError` if there is none of that name."""
    try:
        codec = codecs.lookup(encoding)
        "".encode(encoding)  # decoding b"" would not check that the codec is for text
    except (LookupError, ValueError) as error:
        raise SettingsError(
            f"encoding is {encoding!r}, which Python does not know as a text encoding; try utf-8"
        ) from error
    return codec.name in ("utf-8", "utf-8-sig")


def _recode(raw: bytes, encoding: str, name: str, in_folder: bool) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    for start in range(0, len(raw) + 1, PIECE):
        try:
            yield decoder.decode(raw[start : start + PIECE], final=start + PIECE > len(raw)).encode()
        except UnicodeError as error:
            at = start + getattr(error, "start", 0)
            raise TextError(
                f"{name} is not {encoding}: it cannot be decoded near byte {at:,}; name its encoding with "
                f"{option('encoding')}" + (LEFT_OUT if in_folder else "")
            ) from None


def _count(data: bytes, name: str, in_folder: bool) -> int:
    """Characters in `data`. Raises `TextError` with the offset of the first byte that is not UTF-8."""
    view, start, characters = memoryview(data), 0, 0
    while start < len(view):
        stop = _character_start(view, min(start + PIECE, len(view)))
        try:
            characters += len(str(view[start:stop], "utf-8"))
        except UnicodeDecodeError as error:
            place = start + error.start
            raise TextError(
                f"{name} is not UTF-8: byte 0x{view[place]:02x} at offset {place:,} ({error.reason}); "
                f"{advice(data, flag=True, in_folder=in_folder)}"
            ) from None
        start = stop
    return characters


def in_memory(data: memoryview | TextBytes) -> memoryview:
    """The bytes, read from their file if they are in one."""
    return data if isinstance(data, memoryview) else memoryview(bytes(data))


def _character_start(data: memoryview, place: int) -> int:
    """`place`, or up to three bytes before it if it would cut a character."""
    if place == len(data):
        return place
    for back in range(min(4, place)):
        if data[place - back] & 0xC0 != 0x80:
            return place - back
    return place


def _starts(data: memoryview) -> NDArray[np.bool_]:
    """A mask of the bytes that begin a character."""
    starts: NDArray[np.bool_] = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
    return starts

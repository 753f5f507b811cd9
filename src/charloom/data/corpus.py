"""Texts: read strictly, kept as UTF-8, split by position, identified by their SHA-256.

A text is held as UTF-8 bytes and decoded a piece at a time: in a `str`, a single character outside the basic plane
makes every character take four bytes. A large text stays in its file (`charloom.data.text_survey`).
"""

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charloom.data.blocks import PIECE, unreadable
from charloom.data.cleaning import Cleaning, whole
from charloom.data.ends import NO_ENDS, Ends, bytes_at, ends_at, ends_within, written
from charloom.data.parts import Gathered, Notes, at_most, parts
from charloom.data.shuffled import check, shuffled
from charloom.data.text_survey import TextBytes
from charloom.errors import TextError, arguments, shown
from charloom.errors.options import option
from charloom.settings import CorpusConfig

_BLOCK = 1 << 12
"""Bytes searched at a time to locate a character."""


@dataclass(frozen=True, eq=False)
class Text:
    """A text as UTF-8, and the ends of the texts it consists of.

    `ends` counts characters from the start. It is empty for a single text, which has no end that a model could learn.
    """

    data: memoryview | TextBytes
    characters: int
    ends: Ends = field(default_factory=lambda: NO_ENDS)

    def __post_init__(self) -> None:
        if not isinstance(self.ends, np.ndarray):  # from Python, any numbers will do
            object.__setattr__(self, "ends", ends_at(self.ends))

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
    def several(self) -> bool:
        """Whether this consists of texts that end within it or with it."""
        return len(self.ends) > 0

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
        return Text(self.data[first:last], stop - start, ends_within(self.ends, start, stop))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the UTF-8 bytes; for several texts, also of the positions where they end."""
        if isinstance(self.data, TextBytes) and self.data.whole and np.array_equal(self.ends, self.data.survey.ends):
            return self.data.survey.header.sha256
        digest = hashlib.sha256()
        for piece in self.byte_pieces():
            digest.update(piece)
        if self.several:
            for some in written(self.ends):
                digest.update(some)
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

    def bytes_of(self, characters: Ends) -> Ends:
        """The same of many characters, in ascending order."""
        if len(self.data) == self.characters:
            return characters
        if isinstance(self.data, TextBytes):
            return self.data.bytes_of(characters)

        def heads(block: int) -> NDArray[np.bool_]:
            return _starts(in_memory(self.data[block * _BLOCK : (block + 1) * _BLOCK]))

        return bytes_at(characters, self._character_counts, _BLOCK, heads, len(self.data))

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

    Several texts are joined in the given order, and the places where they end are recorded. Compressed data is
    decompressed. Raises `TextError`; with `in_folder`, it says how to leave a file out.
    """
    return corpus_in_memory(documents, config, name=name, source=source, in_folder=in_folder, most=math.inf)


def corpus_in_memory(
    documents: Iterable[tuple[str, bytes]],
    config: CorpusConfig,
    *,
    name: str,
    source: str,
    in_folder: bool = False,
    most: float,
) -> Corpus:
    """The same. Raises `TooLarge` if there are more than `most` bytes after decompression."""
    check(config)
    notes, together = Notes(), list(documents)
    if len(together) == 1 and not config.column and not config.shuffle:
        ((document, raw),) = together
        cleaning = Cleaning([raw], config.encoding, document, in_folder=in_folder)
        text = Text(memoryview(whole(raw, cleaning, most)), cleaning.characters)
        notes.add(document, cleaning.notes)
    else:
        gathered, raws = Gathered(), ((document, [raw]) for document, raw in together)
        cleaned = at_most(parts(raws, config, notes, in_folder=in_folder), most)
        for part in shuffled(cleaned, config.shuffle) if config.shuffle else cleaned:
            gathered.add(part)
        text = Text(memoryview(gathered.data).toreadonly(), gathered.characters, gathered.ends)
    return corpus_of(text, config, name=name, source=source, notes=notes.sentences())


def corpus_of(text: Text, config: CorpusConfig, *, name: str, source: str, notes: tuple[str, ...] = ()) -> Corpus:
    """The corpus of a text that was read with these settings. Raises `TextError` if it is too short."""
    if text.characters == 0:
        raise TextError(f"{shown(source)} is empty; give a text of at least a few hundred characters")
    if config.shuffle:
        notes = (*notes, f"{shown(name)}: shuffled the lines with seed {config.shuffle}")
    corpus, characters = Corpus(text, config.split, name, source, notes), text.characters
    if corpus.boundaries[0] < min(2, characters):
        raise TextError(
            f"{shown(name)} has {characters} character{'s' * (characters != 1)}, of which the split leaves "
            f"{corpus.boundaries[0]} to train on; give it a longer text"
        )
    return corpus


def read_file(path: Path) -> tuple[str, bytes]:
    """The name and the bytes of a file. Raises `TextError`."""
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None


def read_folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files below `folder` and their bytes, in order. Raises `TextError`."""
    for path in files_of(folder):
        yield read_file(path)


def files_of(folder: Path) -> list[Path]:
    """The files below `folder`, sorted by path, except those whose names begin with a dot. Raises `TextError`."""
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    if not files:
        raise TextError(f"{shown(folder)} holds no files; put the texts in it, or name a file")
    return files


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

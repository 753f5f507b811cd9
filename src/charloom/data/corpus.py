"""Corpora: texts read strictly, split by position, identified by their SHA-256."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from charloom.data.blocks import unreadable
from charloom.data.cleaning import Cleaning, whole
from charloom.data.parts import Gathered, Notes, at_most, parts
from charloom.data.shuffled import check, shuffled
from charloom.data.text import Text
from charloom.errors import TextError, shown
from charloom.errors.options import option
from charloom.settings import CorpusConfig


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


def files_of(folder: Path, *, ending: str = "") -> list[Path]:
    """The files below `folder`, sorted by path, except those with this ending and those whose names begin with a dot.

    Raises `TextError` if there are none.
    """
    try:
        files = sorted(
            path
            for path in folder.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        )
    except OSError as error:
        raise TextError(f"{shown(folder)} cannot be read: {(error.strerror or str(error)).lower()}; check it") from None
    files = [path for path in files if not (ending and path.name.endswith(ending))]
    if not files:
        raise TextError(f"{shown(folder)} holds no files; put the texts in it, or name a file")
    return files

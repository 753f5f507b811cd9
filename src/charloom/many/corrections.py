"""Many texts corrected."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from charloom.correct.corrector import Change, Corrector
from charloom.correct.run_words import words_of_run
from charloom.data.file_kinds import LEFT_OUT, advice
from charloom.data.lines import LONGEST, Lines
from charloom.errors import SettingsError, TextError, arguments, shown
from charloom.generation.writer import Writer
from charloom.machine.workers import check
from charloom.many.folders import unreadable
from charloom.many.groups import Group, answered, groups, strings
from charloom.many.model_place import lasting_place
from charloom.models.model_folder import ModelPlace

Each = Literal["text", "paragraph", "line"]
"""What is a text of its own: all of it, each paragraph up to the next after an empty line, or each line."""

TOGETHER = 16
"""Passages that a worker corrects at once."""


@dataclass(frozen=True)
class Passage:
    """A part of a text that is corrected by itself."""

    text: str
    line: int = 1
    "The number of its first line."
    start: int = 0
    "How many characters come before it."

    @property
    def lines(self) -> int:
        """How many lines end within it, or with it."""
        return self.text.count("\n") + (not self.text.endswith("\n"))


@dataclass(frozen=True)
class Corrected:
    """A text before and after its changes."""

    original: str
    text: str
    changes: list[Change]
    has_list: bool = True
    "Whether a list of words was known."
    unseen: float | None = None
    "Share of further words of such a text that would be new."


def correct(
    model: ModelPlace,
    texts: Iterable[str],
    *,
    words: Mapping[str, int] | None = None,
    aggressive: bool = False,
    confidence: float = 0.5,
    workers: int | None = None,
) -> Iterator[tuple[str, list[Change]]]:
    """Each text corrected, and its changes, in order, as an iterator; `texts` may be one too.

    Each is a text of its own: no other text influences it. `words`: further known words with their counts. With
    `workers` of 2 or more that many processes share the texts. Raises `TextError` for what is not a string,
    `FolderError`, and `SettingsError` for a confidence outside 0 to 1 and a model without words.
    """
    check(workers)
    check_confidence(confidence)
    prepare = Correcting(lasting_place(model), dict(words or {}), aggressive, confidence)
    asked = groups((Passage(text) for text in strings(texts)), together=TOGETHER)
    return ((each.text, each.changes) for _, some in answered(prepare, asked, workers=workers) for each in some)


@dataclass(frozen=True)
class Correcting:
    """Prepares a model that corrects passages, or whole files."""

    model: Path
    words: Mapping[str, int] = field(default_factory=dict)
    aggressive: bool = False
    confidence: float = 0.5

    def __call__(self) -> Callable[[Group[Passage | Path]], list[Corrected]]:
        writer, lexicon = Writer.load(self.model), words_of_run(self.model, self.words)
        corrector = Corrector(writer, lexicon, aggressive=self.aggressive, confidence=self.confidence)

        def answer(group: Group[Passage | Path]) -> list[Corrected]:
            found = []
            for row in group.rows:
                original = row.text if isinstance(row, Passage) else read_whole(row)
                found.append(Corrected(original, *corrector.correct(original), lexicon.has_list, lexicon.unseen))
            return found

        return answer


def passages(lines: Lines, each: Each) -> Iterator[Passage]:
    """The lines or paragraphs of a text, whose lines have their ends. Raises `TextError` for one that is too long."""
    some, size, begin, start = list[str](), 0, 1, 0
    begun = blank = False  # whether the paragraph has words, and whether an empty line has followed them
    for number, line in enumerate(lines, 1):
        if some and (each == "line" or (blank and line.strip())):
            yield Passage("".join(some), begin, start)
            start, some, size, begin, begun = start + size, [], 0, number, False
        begun = begun or bool(line.strip())
        blank = begun and not line.strip()
        some.append(line)
        size += len(line)
        if size > LONGEST:
            raise TextError(
                f"{lines.name}: the paragraph that begins in line {begin:,} is longer than {LONGEST >> 20} Mi "
                "characters; correct each line by itself"
            )
    if some:
        yield Passage("".join(some), begin, start)


def read_whole(path: Path) -> str:
    """The text of a file as it is, with its line ends. Raises `TextError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        told = advice(data, flag=False)
        raise TextError(f"{shown(path)} is not UTF-8: byte at offset {error.start:,}; {told}{LEFT_OUT}") from None


def check_confidence(confidence: float) -> None:
    """Raise `SettingsError` for a confidence outside 0 to 1."""
    arguments.number("confidence", confidence)
    if not 0 <= confidence <= 1:
        raise SettingsError(f"confidence is {confidence}; it must be at least 0 and at most 1")

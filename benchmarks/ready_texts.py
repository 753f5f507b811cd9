"""The texts that the ready-made models are made from, cut into documents.

A source is cut at paragraphs into documents of about `DOCUMENT` characters, so that a model often begins from nothing.
The last hundredth of each source, at least one document, is held out. Files that come as one line a paragraph are
wrapped in every third document, to widths from 60 to 78, because texts that people have come either way.
"""

import hashlib
import random
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = 10_000
"""Characters after which a document ends with its paragraph, or, in a long paragraph, with its sentence."""

HELD_OUT = 0.01
"""Share of each source's documents that is held out; at least one."""

LEFT_OUT = (
    "the-virginian",  # development: recipes were chosen on it
    "is-shakespeare-dead-by-mark-twain",  # development
    "riders-of-the-purple-sage-by-zane-grey",  # chose nothing, measured at the end
)
"""Files of english-prose that are not trained on, so that there are texts to choose recipes on and texts to measure."""

SPEECHES = 3
"""One in this many documents of the speeches is used: they are 45 % of all English here, and all sound alike."""


@dataclass(frozen=True)
class Source:
    """One text, in documents."""

    name: str
    sha256: str
    "Of the whole file."
    licence: str
    train: tuple[str, ...]
    held_out: tuple[str, ...]


def english(data: Path) -> list[Source]:
    """The sources of the `english` model in a folder laid out like the project's shared data."""
    prose = sorted((data / "english-prose").glob("*.txt"))
    public = "public domain in the USA"
    paths = [(path, public, True) for path in prose if not path.name.startswith(LEFT_OUT)]
    paths += [(data / "moby-dick.txt", "CC0", False), (data / "state-of-the-union-10mb.txt", "CC0", True)]
    return [_source(path, licence, wrap=wrap) for path, licence, wrap in paths]


def _source(path: Path, licence: str, *, wrap: bool) -> Source:
    raw = path.read_bytes()
    whole = list(documents(raw.decode()))
    if path.name.startswith("state-of-the-union"):
        whole = whole[::SPEECHES]
    last = max(1, round(HELD_OUT * len(whole)))
    train, held_out = whole[:-last], whole[-last:]
    if wrap:
        train = [wrapped(text) if number % 3 == 2 else text for number, text in enumerate(train)]
    return Source(path.stem, hashlib.sha256(raw).hexdigest(), licence, tuple(train), tuple(held_out))


def documents(text: str) -> Iterator[str]:
    """The text in documents that end with a paragraph, or with a sentence if the paragraph goes on and on."""
    start = 0
    while start < len(text):
        end = re.compile(r"\n\n+|\n(?=.{200})|$", re.DOTALL).search(text, min(start + DOCUMENT, len(text)))
        assert end is not None
        stop = end.end()
        if stop - start > 2 * DOCUMENT:
            sentence = re.compile(r"[.!?]\s").search(text, start + DOCUMENT)
            stop = sentence.end() if sentence and sentence.end() < stop else stop
        if text[start:stop].strip():
            yield text[start:stop]
        start = stop


def wrapped(text: str) -> str:
    """The text with its long lines wrapped, to a width that depends on the text alone."""
    width = random.Random(text).randint(60, 78)
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) if len(line) > 100 else line
        for line in text.split("\n")
    )

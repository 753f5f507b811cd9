"""Labelled texts: rows of `label<TAB>text`, read strictly, and a part of them held out."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charloom import records
from charloom.applications.classify.columns import clean, look_swapped
from charloom.errors import FolderError, TextError, shown
from charloom.file_kinds import advice, decompressed, is_wide

WAITING = 1 << 18
"""Bytes of standard input that are taken at a time, if so many are there."""

LARGEST_COPY = 1 << 36
"""Bytes that a run's copy of its rows may have."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Texts and the label of each."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    "What was changed or looks odd in the file that they were read from, a sentence each."

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted(set(self.labels)))

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Texts of each class."""
        counts = Counter(self.labels)
        return tuple(counts[name] for name in self.classes)

    @property
    def characters(self) -> int:
        """Characters of all texts together."""
        return sum(map(len, self.texts))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the rows, whatever the file around them."""
        digest = hashlib.sha256()
        for label, text in zip(self.labels, self.texts, strict=True):
            for part in (label, text):
                data = part.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "little") + data)
        return digest.hexdigest()

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> "Rows":
        """The rows at these places, in their order."""
        return Rows(tuple(self.labels[place] for place in places), tuple(self.texts[place] for place in places))


def parse_rows(data: bytes, where: str) -> Rows:
    """The rows of a UTF-8 file; empty lines and a header are passed over. Raises `TextError` that names the line.

    Spaces around labels, and quotes around every label, are left out; `Rows.notes` says so.
    """
    cells: list[tuple[str, str]] = []
    numbers: list[int] = []
    lines = [line.removesuffix("\r") for line in _decoded(data, where).split("\n")]
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        label, tab, text = line.partition("\t")
        if not tab:
            raise TextError(f"{where}, line {number}, has no tab; each line is a label, a tab and a text{_hint(lines)}")
        if not label.strip():
            raise TextError(
                f"{where}, line {number}, has no label before the tab; write it there, or leave out the line"
            )
        cells.append((label, text))
        numbers.append(number)
    if not cells:
        raise TextError(f"{where} has no rows; each line is a label, a tab and a text")
    cleaned, notes = clean(cells, numbers)
    labels, texts = zip(*cleaned, strict=True)
    return Rows(labels, texts, tuple(f"{where}: {note}" for note in notes))


def parse_lines(data: bytes, where: str) -> list[str]:
    """The texts of a UTF-8 file, one a line; an empty line is an empty text. Raises `TextError`."""
    lines = _decoded(data, where).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def waiting_lines(source: BufferedIOBase, where: str) -> Iterator[list[str]]:
    """The lines of UTF-8 input as they come: those that are there already together, but none is waited for while one is.

    Raises `TextError` that names the line which is not UTF-8.
    """
    rest, number = b"", 0
    while piece := source.read1(WAITING):
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield [_line(line, where, number + place) for place, line in enumerate(lines, 1)]
            number += len(lines)
    if rest:
        yield [_line(rest, where, number + 1)]


def _line(data: bytes, where: str, number: int) -> str:
    try:
        return data.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise TextError(
            f"{where}, line {number}, is not UTF-8 (byte {data[error.start]:#04x}); {advice(data, flag=False)}"
        ) from None


def read_rows(path: Path) -> Rows:
    """The rows of a file. Raises `TextError`."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise TextError(f"{shown(path)} cannot be read: {reason.lower()}; check the path") from None
    return parse_rows(data, shown(path))


def as_copy(rows: Rows) -> bytes:
    """The rows as a run keeps them: a JSON list of label and text on each line, since a text from Python may hold anything."""
    return b"".join(records.dump_line(pair) for pair in zip(rows.labels, rows.texts, strict=True))


def parse_copy(data: bytes, where: str) -> Rows:
    """The rows of such a copy. Raises `FolderError`."""
    pairs = [records.parse(line, where, largest=LARGEST_COPY) for line in data.splitlines()]
    if not all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(part, str) for part in pair) for pair in pairs
    ):
        raise FolderError(f"{where} is damaged: a line is no pair of label and text; restore it from a copy")
    return Rows(tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs))


def to_train(rows: Rows, where: str) -> Rows:
    """`rows`, if a classifier can learn from them: of two classes or more, and not the wrong way round. Raises `TextError`."""
    if not len(rows):
        raise TextError(f"{where} has no texts; a classifier needs texts of at least two classes")
    if look_swapped(rows.labels, rows.texts):
        raise TextError(
            f"{where} has {len(rows.classes):,} different labels in {len(rows):,} rows and {len(set(rows.texts)):,} different "
            "texts, so its columns look swapped; each row is the label first, then the text"
        )
    if len(rows.classes) < 2:
        only = shown(rows.classes[0])
        raise TextError(f"{where} has one class only, {only!r}; a classifier needs texts of at least two classes")
    return rows


def hold_out(rows: Rows, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the rows to train on and of those held out: `share` of each class, drawn by `seed`.

    Texts that differ in case, digits, spaces and punctuation only are on one side. A class keeps at least one text to train on.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(rows.texts):
        groups[folded(text)].append(place)
    by_class: dict[str, list[list[int]]] = defaultdict(list)
    for places in groups.values():
        by_class[rows.labels[places[0]]].append(places)
    draw = np.random.Generator(np.random.PCG64(seed))
    held: list[int] = []
    for name in rows.classes:
        mine = by_class[name]
        wanted, taken = round(share * sum(map(len, mine))), 0
        for number in draw.permutation(len(mine))[: max(0, len(mine) - 1)]:
            if taken >= wanted:
                break
            held += mine[number]
            taken += len(mine[number])
    kept = np.setdiff1d(np.arange(len(rows)), held)
    return kept, np.array(sorted(held), np.int64)


def folded(text: str) -> str:
    """A text without case, digits, spaces and punctuation, by which near-duplicates are known; itself if nothing is left."""
    return "".join(filter(str.isalpha, text.casefold())) or text


def _decoded(data: bytes, where: str) -> str:
    data, _ = decompressed(data, where)
    if is_wide(data):
        raise TextError(f"{where} is full of control characters: {advice(data, flag=False)}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TextError(
            f"{where}, line {line}, is not UTF-8 (byte {data[error.start]:#04x}); {advice(data, flag=False)}"
        ) from None


def _hint(lines: Sequence[str]) -> str:
    """What a file looks like in which a line has no tab."""
    tabs, commas, semicolons = (sum(mark in line for line in lines) for mark in "\t,;")
    filled = sum(map(bool, lines))
    if tabs <= 0.1 * filled and max(commas, semicolons) >= 0.9 * filled:
        mark = "commas" if commas >= semicolons else "semicolons"
        return f"; it looks like CSV with {mark}, so save it with tabs instead (TSV)"
    if any(line.startswith('"') or '\t"' in line for line in lines[:1000]):
        return "; if a quoted text goes on in the next line, put it on one line"
    return ""

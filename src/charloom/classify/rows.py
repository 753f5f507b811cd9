"""Labelled texts: rows of `label<TAB>text`, read strictly and partly held out."""

import codecs
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BufferedIOBase
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from charloom.classify.columns import clean, look_swapped
from charloom.classify.weights import Amounts, times, total
from charloom.data.compressed import decompressed
from charloom.data.file_kinds import advice, is_wide
from charloom.data.lines import line_text
from charloom.errors import FolderError, TextError, shown
from charloom.storage import strict_json

WAITING = 1 << 18
"""The most bytes of standard input that are read at a time."""

LARGEST_COPY = 1 << 36
"""The most bytes that a run's copy of its rows may have."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Texts and the label of each."""

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    notes: tuple[str, ...] = ()
    "What was changed, or looks odd, in the file that was read; one sentence each."
    weights: tuple[float, ...] | None = None
    "How many rows each counts for, above 0; without weights each counts once."

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted."""
        return tuple(sorted(set(self.labels)))

    @cached_property
    def counts(self) -> tuple[int, ...]:
        """Number of texts of each class."""
        counts = Counter(self.labels)
        return tuple(counts[name] for name in self.classes)

    @property
    def amounts(self) -> Amounts | None:
        """The weights (N,), or None."""
        return None if self.weights is None else np.array(self.weights, np.float64)

    @property
    def total(self) -> int:
        """The number of rows, by weight."""
        return len(self) if self.weights is None else total(self.weights)

    @property
    def characters(self) -> int:
        """Characters of all texts together, by weight."""
        if self.weights is None:
            return sum(map(len, self.texts))
        return round(sum(len(text) * weight for text, weight in zip(self.texts, self.weights, strict=True)))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the rows, whatever file they came from."""
        digest = hashlib.sha256()
        for label, text in zip(self.labels, self.texts, strict=True):
            for part in (label, text):
                data = part.encode("utf-8", "surrogatepass")
                digest.update(len(data).to_bytes(8, "little") + data)
        if self.amounts is not None:
            digest.update(self.amounts.astype("<f8").tobytes())
        return digest.hexdigest()

    def take(self, places: Sequence[int] | NDArray[np.int64]) -> "Rows":
        """The rows at these places, in that order."""
        weights = None if self.weights is None else tuple(self.weights[place] for place in places)
        labels, texts = (tuple(column[place] for place in places) for column in (self.labels, self.texts))
        return Rows(labels, texts, weights=weights)

    def repeated(self) -> "Rows":
        """Rows without weights, each repeated by its weight."""
        if self.amounts is None or not len(self):
            return replace(self, weights=None)
        return replace(self.take(np.repeat(np.arange(len(self)), times(self.amounts))), weights=None)


def parse_rows(data: bytes, where: str) -> Rows:
    """The rows of a UTF-8 file, without empty lines and a header. Raises `TextError`, which names the line.

    Spaces around labels, and quotes if every label has them, are removed; `Rows.notes` says so.
    """
    cells: list[tuple[str, str]] = []
    numbers: list[int] = []
    lines = [line.removesuffix("\r") for line in _decoded(data, where).split("\n")]
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        label, tab, text = line.partition("\t")
        if not tab:
            hint = _hint(lines)
            raise TextError(f"{where}, line {number}, has no tab; each line must be a label, a tab and a text{hint}")
        if not label.strip():
            raise TextError(f"{where}, line {number}, has no label before the tab; add one, or delete the line")
        cells.append((label, text))
        numbers.append(number)
    if not cells:
        raise TextError(f"{where} has no rows; each line must be a label, a tab and a text")
    cleaned, notes = clean(cells, numbers)
    labels, texts = zip(*cleaned, strict=True)
    return Rows(labels, texts, tuple(f"{where}: {note}" for note in notes))


def parse_lines(data: bytes, where: str) -> list[str]:
    """The texts of a UTF-8 file, one per line; an empty line is an empty text. Raises `TextError`."""
    lines = _decoded(data, where).split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def waiting_lines(source: BufferedIOBase, where: str) -> Iterator[list[str]]:
    """The lines of UTF-8 input as they arrive, in groups of those that are there already.

    Raises `TextError`, which names the line that is not UTF-8.
    """
    rest, number = b"", 0
    while piece := source.read1(WAITING):
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield [line_text(line, where, number + place) for place, line in enumerate(lines, 1)]
            number += len(lines)
    if rest:
        yield [line_text(rest, where, number + 1)]


def read_rows(path: Path) -> Rows:
    """The rows of a file; see `parse_rows`. Raises `TextError`."""
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise TextError(f"{shown(path)} cannot be read: {reason.lower()}; check the path") from None
    return parse_rows(data, shown(path))


def as_copy(rows: Rows) -> bytes:
    """The copy of the rows that a run keeps: a JSON list of label, text and perhaps weight on each line.

    JSON, because a text from Python may contain line breaks.
    """
    columns = [rows.labels, rows.texts] + ([rows.weights] if rows.weights is not None else [])
    return b"".join(strict_json.dump_line(row) for row in zip(*columns, strict=True))


def parse_copy(data: bytes, where: str) -> Rows:
    """The rows of a copy made by `as_copy`. Raises `FolderError`."""
    parsed = [strict_json.parse(line, where, largest=LARGEST_COPY) for line in data.splitlines()]
    weighted = bool(parsed) and isinstance(parsed[0], list) and len(parsed[0]) == 3
    if not all(isinstance(row, list) and len(row) == 2 + weighted and _is_row(*row) for row in parsed):
        raise FolderError(
            f"{where} is damaged: a line is not a label, a text and perhaps a weight above 0; restore it from a copy"
        )
    labels, texts = (tuple(row[column] for row in parsed) for column in (0, 1))
    return Rows(labels, texts, weights=tuple(float(row[2]) for row in parsed) if weighted else None)


def _is_row(label: object, text: object, weight: object = 1) -> bool:
    weighted = type(weight) in (int, float) and 0 < weight < inf  # type: ignore[operator]
    return isinstance(label, str) and isinstance(text, str) and weighted


def to_train(rows: Rows, where: str) -> Rows:
    """`rows`, if they have two classes or more and their columns do not look swapped. Raises `TextError`."""
    if not len(rows):
        raise TextError(f"{where} has no texts; a classifier needs texts of at least two classes")
    if look_swapped(rows.labels, rows.texts):
        raise TextError(
            f"{where} has {len(rows.classes):,} different labels in {len(rows):,} rows and {len(set(rows.texts)):,} "
            "different texts, so its columns look swapped; put the label first, then the text"
        )
    if len(rows.classes) < 2:
        only = shown(rows.classes[0])
        raise TextError(f"{where} has only one class, {only!r}; a classifier needs texts of at least two classes")
    return rows


def hold_out(rows: Rows, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the rows to train on and of those held out: `share` of each class, by weight, drawn with `seed`.

    Texts that differ only in case, digits, spaces and punctuation stay together. A class keeps at least one text to
    train on.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(rows.texts):
        groups[folded(text)].append(place)
    by_class: dict[str, list[list[int]]] = defaultdict(list)
    for places in groups.values():
        by_class[rows.labels[places[0]]].append(places)
    draw = np.random.Generator(np.random.PCG64(seed))
    held: list[int] = []
    amounts = np.ones(len(rows)) if rows.amounts is None else rows.amounts
    for name in rows.classes:
        mine = by_class[name]
        sizes = [float(amounts[places].sum()) for places in mine]
        wanted, taken = round(share * sum(sizes)), 0.0
        for number in draw.permutation(len(mine))[: max(0, len(mine) - 1)]:
            if taken >= wanted:
                break
            held += mine[number]
            taken += sizes[number]
    kept = np.setdiff1d(np.arange(len(rows)), held)
    return kept, np.array(sorted(held), np.int64)


def folded(text: str) -> str:
    """A text without case, digits, spaces and punctuation, to find near-duplicates; itself if nothing is left."""
    return "".join(filter(str.isalpha, text.casefold())) or text


def _decoded(data: bytes, where: str) -> str:
    data, _ = decompressed(data, where)
    if is_wide(data):
        raise TextError(f"{where} is full of control characters: {advice(data, flag=False)}")
    data = data.removeprefix(codecs.BOM_UTF8)  # not by the codec, whose errors do not count its bytes
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TextError(
            f"{where}, line {line}, is not UTF-8 (byte {data[error.start]:#04x}); {advice(data, flag=False)}"
        ) from None


def _hint(lines: Sequence[str]) -> str:
    """A guess at what is wrong with a file in which a line has no tab."""
    tabs, commas, semicolons = (sum(mark in line for line in lines) for mark in "\t,;")
    filled = sum(map(bool, lines))
    if tabs <= 0.1 * filled and max(commas, semicolons) >= 0.9 * filled:
        mark = "commas" if commas >= semicolons else "semicolons"
        return f"; it looks like CSV with {mark}, so save it with tabs instead (TSV)"
    if any(line.startswith('"') or '\t"' in line for line in lines[:1000]):
        return "; if a quoted text continues on the next line, put it on one line"
    return ""

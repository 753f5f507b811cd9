"""Texts in a named column of rows, in JSON lines and Parquet files: each row is a text of its own."""

import codecs
from collections.abc import Iterable, Iterator
from pathlib import Path

from charloom.data import blocks
from charloom.data.json_lines import json_lines
from charloom.data.parquet import MAGIC, parquet_rows
from charloom.data.row_files import RowFile
from charloom.errors import TextError, shown

_MARK = codecs.BOM_UTF8.decode()


class Rows:
    """The texts in one file's column; iterate over it once: the bytes of each, and its number of characters.

    Rows are read a few at a time. Empty ones, and those without a value, are left out. Line ends become newlines, as in
    files. Raises `TextError`, `MissingExtraError`.
    """

    def __init__(
        self, source: Path | Iterable[bytes], column: str, encoding: str, name: str, *, in_folder: bool = False
    ) -> None:
        self._source, self._file = source, RowFile(name, column, encoding, in_folder)
        self.notes: list[str] = []
        "What was changed or left out, without the name of the file; complete at the end."
        self._empty = self._without = self._marks = self._pairs = self._returns = 0

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        for place, text in self._texts():
            if text is None:
                self._without += 1
            elif cleaned := self._cleaned(text):
                try:
                    yield cleaned.encode(), len(cleaned)
                except UnicodeEncodeError:
                    raise TextError(
                        f"{shown(self._file.name)}, {place}, has half of a surrogate pair in column "
                        f"{self._file.column!r}; remove it"
                    ) from None
            else:
                self._empty += 1
        self._note()

    def _texts(self) -> Iterator[tuple[str, str | None]]:
        path = self._source if isinstance(self._source, Path) else None
        pieces = blocks.file_pieces(path) if path is not None else self._source
        assert not isinstance(pieces, Path)
        beginning, pieces = blocks.peeked(pieces, len(MAGIC))
        if beginning == MAGIC:
            return parquet_rows(path if path is not None else pieces, self._file)
        return json_lines(pieces, self._file, self.notes)

    def _cleaned(self, text: str) -> str:
        if text.startswith(_MARK):
            text = text.lstrip(_MARK)
            self._marks += 1
        if "\r" in text:
            pairs = text.count("\r\n")
            self._pairs += pairs
            self._returns += text.count("\r") - pairs
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text

    def _note(self) -> None:
        left = ((self._empty, "empty"), (self._without, "without a value"))
        if told := " and ".join(f"{count:,} {kind}" for count, kind in left if count):
            self.notes.append(f"left out the rows that have no text in column {self._file.column!r}: {told}")
        if self._marks:
            self.notes.append(f"removed the byte order mark of {self._marks:,} row{'s' * (self._marks != 1)}")
        ends = ((self._pairs, "CRLF"), (self._returns, "CR"))
        if told := " and ".join(f"{count:,} {kind}" for count, kind in ends if count):
            self.notes.append(f"read {told} line ends within rows as newlines")

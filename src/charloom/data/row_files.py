"""A file of rows of which one column is read, and what is said about it."""

from collections.abc import Iterable
from dataclasses import dataclass

from charloom.data.file_kinds import LEFT_OUT
from charloom.errors import TextError, shown

SHOWN = 20
"""Most columns that an error names."""


@dataclass(frozen=True)
class RowFile:
    """A file of rows, and the column that holds its texts."""

    name: str
    "What errors call it."
    column: str
    encoding: str
    in_folder: bool

    def error(self, said: str, *, at: str = "") -> TextError:
        """The error `said` about the file, or about the place `at` in it."""
        place = f", {at}," if at else ""
        return TextError(f"{shown(self.name)}{place} {said}{LEFT_OUT if self.in_folder else ''}")

    def missing(self, columns: Iterable[str], *, rows: str = "") -> TextError:
        """The error that there is no such column among `columns`, in the file or in some of its `rows`."""
        there = list(columns)
        told = ", ".join(map(shown, there[:SHOWN])) + (", …" if len(there) > SHOWN else "")
        return self.error(f"has no column {self.column!r}{rows}; it has: {told or 'none'}")

    def not_text(self, kind: str, *, at: str = "", others: Iterable[str] = ()) -> TextError:
        """The error that the column holds something else than texts."""
        names = ", ".join(map(shown, list(others)[:SHOWN]))
        told = f"one of texts: {names}" if names else "a column of texts"
        return self.error(f"has {kind} in column {self.column!r}, not text; name {told}", at=at)

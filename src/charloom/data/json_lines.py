"""JSON lines: an object on each line, one column of which is read."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from charloom.data.cleaning import Cleaning
from charloom.data.row_files import SHOWN, RowFile
from charloom.errors.options import option

LONGEST_LINE = 64 << 20
"""Bytes of a row."""

SEARCHED = 10_000
"""If none of this many rows at the beginning has the column, none will."""

_ABSENT = object()


def json_lines(pieces: Iterable[bytes], file: RowFile, notes: list[str]) -> Iterator[tuple[str, str | None]]:
    """Where each row is, and its text, or None if it has none. Raises `TextError`, `MissingExtraError`.

    The file may be compressed and in another encoding, which is noted. Empty lines are skipped.
    """
    cleaning = Cleaning(pieces, file.encoding, file.name, in_folder=file.in_folder)
    rows, found, names = 0, False, dict[str, None]()
    for number, line in enumerate(_lines(cleaning, file), 1):
        if not line.strip():
            continue
        place = f"line {number:,}"
        row = _row(line, place, file)
        value = _value(row, file.column)
        rows += 1
        if value is not _ABSENT:
            found = True
        elif not found:
            names.update(dict.fromkeys(islice(row, SHOWN + 1)))
            if rows == SEARCHED:
                raise file.missing(names, rows=f" in its first {SEARCHED:,} rows")
        if value is _ABSENT or value is None:
            yield place, None
        elif isinstance(value, str):
            yield place, value
        else:
            raise file.not_text(_kind(value), at=place)
    notes += [note for note in cleaning.notes if not note.endswith(_ENDS)]  # the ends of rows are not text
    if rows and not found:
        raise file.missing(names)


_ENDS = ("line ends as newlines", " newline)", " newlines)")
"""Ends of the note about line ends."""


def _lines(pieces: Iterable[bytes], file: RowFile) -> Iterator[bytes]:
    rest, number = b"", 1
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        number += len(lines)
        if len(rest) > LONGEST_LINE:
            raise file.error(
                f"is longer than {LONGEST_LINE >> 20} MiB, so it is not a row; give a file with a JSON object on each "
                f"line, or leave out {option('column')}",
                at=f"line {number:,}",
            )
    if rest:
        yield rest


def _row(line: bytes, place: str, file: RowFile) -> dict[str, Any]:
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n")[0][:100]
        raise file.error(
            f"is not JSON ({reason}); correct or remove that line, or, if the file has no rows, leave out "
            f"{option('column')}",
            at=place,
        ) from None
    if not isinstance(row, dict):
        raise file.error(f"is {_kind(row)}, not a row; each line must be a JSON object with named columns", at=place)
    return row


def _value(row: dict[str, Any], column: str) -> Any:
    """The value of a column; of a.b, if none has that name, of b in a. `_ABSENT` if there is none."""
    if column in row:
        return row[column]
    value: Any = row
    for name in column.split("."):
        if value is None:
            return None
        if not isinstance(value, dict) or name not in value:
            return _ABSENT
        value = value[name]
    return value


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else "null"

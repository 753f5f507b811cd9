"""Parquet files, of which one column is read, a batch of rows at a time (the extra `files`)."""

import io
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from charloom.data import blocks
from charloom.data.row_files import RowFile
from charloom.errors import MissingExtraError, TextError

MAGIC = b"PAR1"
"""How such a file begins."""

LARGEST_STREAM = 64 << 20
"""Bytes of a file that comes from a pipe: its list of columns is at its end, so it has to be held."""

BATCH = 1 << 22
"""Bytes of the rows that are read at a time, about."""

MOST_ROWS = 128
"""Rows that are read at a time: long ones may follow short ones at once. More would hardly be faster."""

_TEXTS = ("string", "large_string", "string_view")


def parquet_rows(source: Path | Iterable[bytes], file: RowFile) -> Iterator[tuple[str, str | None]]:
    """Where each row is, and its text, or None if it has none. Raises `TextError`, `MissingExtraError`."""
    try:
        import pyarrow as arrow
        import pyarrow.compute as compute
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("reading a Parquet file", "files") from None
    try:
        opened = parquet.ParquetFile(
            str(source) if isinstance(source, Path) else _held(source, file),
            pre_buffer=False,
            buffer_size=blocks.PIECE,
        )
        outermost, *inner = _way(opened.schema_arrow, file)
        number, rows = 0, 1
        for batch in opened.iter_batches(rows, columns=[file.column], use_threads=False):
            column = batch.column(batch.schema.names.index(outermost))  # it may have selected another's inner column
            rows = _rows_after(rows, batch.nbytes)
            opened.reader.set_batch_size(rows)
            for array in _some_at_a_time(compute.struct_field(column, inner) if inner else column):
                for text in _texts(array, number, file):
                    number += 1
                    yield f"row {number:,}", text
    except TextError:
        raise
    except (arrow.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["it cannot be read"])[0][:100]
        raise file.error(f"is a Parquet file, but damaged or truncated ({reason}); get it again") from None


def _held(pieces: Iterable[bytes], file: RowFile) -> io.BytesIO:
    held = io.BytesIO()
    for piece in pieces:
        held.write(piece)
        if held.tell() > LARGEST_STREAM:
            raise file.error(f"is Parquet of more than {LARGEST_STREAM >> 20} MiB; give its path instead of a pipe")
    held.seek(0)
    return held


def _way(schema: Any, file: RowFile) -> tuple[str, ...]:
    """The names that lead to the column, from the outermost, checked to lead to texts. Raises `TextError`."""
    columns = _columns(schema)
    if file.column not in columns:
        raise file.missing(columns)
    kind, way = columns[file.column]
    if not _holds_texts(kind):
        others = [name for name, (kind, _) in columns.items() if _holds_texts(kind)]
        raise file.not_text(str(kind).split("<")[0], others=others)
    return way


def _columns(fields: Iterable[Any], above: tuple[str, ...] = ()) -> dict[str, tuple[Any, tuple[str, ...]]]:
    """The types of the columns and the names that lead to them. Those within others are called a.b; a column of
    exactly that name takes precedence."""
    columns: dict[str, tuple[Any, tuple[str, ...]]] = {}
    for field in fields:
        way = (*above, field.name)
        if str(field.type).startswith("struct<"):
            within = [field.type.field(place) for place in range(field.type.num_fields)]
            found = _columns(within, way)
        else:
            found = {".".join(way): (field.type, way)}
        columns.update({name: each for name, each in found.items() if len(each[1]) < _depth(columns, name)})
    return columns


def _depth(columns: dict[str, tuple[Any, tuple[str, ...]]], name: str) -> float:
    return len(columns[name][1]) if name in columns else math.inf


def _holds_texts(kind: Any) -> bool:
    return str(kind.value_type if str(kind).startswith("dictionary<") else kind) in _TEXTS


def _rows_after(rows: int, size: int) -> int:
    """How many rows to read next, after so many had `size` bytes."""
    fitting = rows * BATCH // max(1, size)
    return max(1, min(MOST_ROWS, 2 * rows, fitting))


def _some_at_a_time(array: Any) -> Iterator[Any]:
    """The array, or a row at a time if its texts may be large."""
    same = str(array.type).startswith("dictionary<")  # equal texts are in memory only once
    if (len(array) * array.dictionary.nbytes if same else array.nbytes) <= BATCH:
        yield array
    else:
        yield from (array.slice(row, 1) for row in range(len(array)))


def _texts(array: Any, before: int, file: RowFile) -> list[str | None]:
    try:
        texts: list[str | None] = array.to_pylist()
    except UnicodeDecodeError as error:
        for place, data in enumerate(array.cast("binary").to_pylist(), before + 1):
            try:
                str(data or b"", "utf-8")
            except UnicodeDecodeError as found:
                at = f"row {place:,}"
                raise file.error(
                    f"is not UTF-8 in column {file.column!r} ({found.reason}); correct it", at=at
                ) from None
        raise AssertionError("no row is damaged") from error
    return texts

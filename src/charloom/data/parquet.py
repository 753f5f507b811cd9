"""Parquet files, of which one column is read, a batch of rows at a time (the extra `files`)."""

import io
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

MOST_ROWS = 1 << 14

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
        inner = _inner(opened.schema_arrow, file)
        number = 0
        rows = _rows_at_a_time(opened.metadata, file.column)
        for batch in opened.iter_batches(rows, columns=[file.column], use_threads=False):
            array = compute.struct_field(batch.column(0), inner) if inner else batch.column(0)
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


def _inner(schema: Any, file: RowFile) -> list[str]:
    """The names below the outermost column, checked to lead to texts. Raises `TextError`."""
    columns = _columns(schema)
    if file.column not in columns:
        raise file.missing(columns)
    kind = columns[file.column]
    if not _holds_texts(kind):
        others = [name for name, kind in columns.items() if _holds_texts(kind)]
        raise file.not_text(str(kind).split("<")[0], others=others)
    return [] if file.column in schema.names else file.column.split(".")[1:]


def _columns(fields: Iterable[Any], above: str = "") -> dict[str, Any]:
    """The columns and their types, those within others as a.b."""
    columns: dict[str, Any] = {}
    for field in fields:
        name = above + field.name
        if str(field.type).startswith("struct<"):
            within = [field.type.field(place) for place in range(field.type.num_fields)]
            columns.update(_columns(within, f"{name}."))
        else:
            columns[name] = field.type
    return columns


def _holds_texts(kind: Any) -> bool:
    return str(kind.value_type if str(kind).startswith("dictionary<") else kind) in _TEXTS


def _rows_at_a_time(metadata: Any, column: str) -> int:
    """How many rows to read at a time, by their average size."""
    size, rows = 0, int(metadata.num_rows)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = (group.column(place) for place in range(group.num_columns))
        size += sum(int(chunk.total_uncompressed_size) for chunk in chunks if chunk.path_in_schema == column)
    return max(1, min(MOST_ROWS, BATCH * rows // max(1, size)))


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

"""Which rows an output lacks: those that an interrupted call has written are counted there."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from charloom.errors import StorageError
from charloom.errors.options import option
from charloom.many.groups import Group
from charloom.storage.line_files import LineFile

Row = TypeVar("Row")


def remaining(
    groups: Iterable[Group[Row]],
    output: LineFile,
    *,
    lines: Callable[[Row], int] = lambda row: 1,
    seen: Callable[[Row, bytes], bool] = lambda row, line: True,
    found: Callable[[int], None] = lambda count: None,
) -> Iterator[Group[Row]]:
    """The groups that are not complete in the output.

    `lines`: how many lines a row has; `seen` gets each row that is there with its first line, and says whether they
    belong together; `found` gets how many rows are there. Raises `StorageError` for lines of
    something else.
    """
    there, source, count = output.lines(), iter(groups), 0
    for group in source:
        done = 0
        for row in group.rows:
            some = list(itertools.islice(there, lines(row)))
            if len(some) < lines(row):
                break
            if not seen(row, some[0]):
                raise _damaged(output)
            output.keep()
            done += 1
        count += done
        if done < len(group.rows):
            found(count)
            yield replace(group, done=done)
            yield from source
            return
    found(count)
    if next(there, None) is not None:
        raise _damaged(output)


def _damaged(output: LineFile) -> StorageError:
    return StorageError(
        f"{output.partial} holds lines that do not belong to its rows; remove it, or start again with {option('force')}"
    )

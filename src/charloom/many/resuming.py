"""Which rows an output has already: they are counted there, and nothing else is kept about an interrupted call.

Each row has one line in the output, or a known number of lines. What an interrupted call has written stays: complete
lines are compared with the rows as far as they show them, a torn one is cut and written again.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Generic, TypeVar

from charloom.errors import StorageError
from charloom.errors.options import option
from charloom.many.groups import Group
from charloom.storage.line_files import LineFile

Row = TypeVar("Row")


class Resumed(Generic[Row]):
    """The rows that an output lacks; iterate once."""

    def __init__(
        self,
        groups: Iterable[Group[Row]],
        output: LineFile,
        fits: Callable[[Row, bytes], bool] = lambda row, line: True,
        lines: Callable[[Row], int] = lambda row: 1,
    ) -> None:
        """`fits`: whether a line is the answer to a row, or its first; `lines`: how many lines a row has."""
        self.done = 0
        "Rows that are in the output."
        self.complete = False
        "Whether all rows turned out to be there."
        self._groups, self._output, self._fits, self._lines = groups, output, fits, lines

    def __iter__(self) -> Iterator[Group[Row]]:
        """The groups that are not complete. Raises `StorageError` if the output belongs to something else."""
        there = self._output.lines()
        source = iter(self._groups)
        for group in source:
            done = self._answered(group, there)
            self.done += done
            if done < len(group.rows):
                yield replace(group, done=done)
                yield from source
                return
        if next(there, None) is not None:
            raise StorageError(
                f"{self._output.path} has more lines than there are rows, so it is not the output of this input; "
                f"{_advice()}"
            )
        self.complete = True

    def _answered(self, group: Group[Any], there: Iterator[bytes]) -> int:
        for done, row in enumerate(group.rows):
            wanted = self._lines(row)
            lines = list(itertools.islice(there, wanted))
            if lines and not self._fits(row, lines[0]):
                raise StorageError(
                    f"{self._output.path}, row {group.first + done + 1:,}, is not the answer to that row of the input; "
                    f"{_advice()}"
                )
            if len(lines) < wanted:
                return done
            self._output.keep()
        return len(group.rows)


def _advice() -> str:
    return f"choose another {option('output')}, or overwrite it with {option('force')}"

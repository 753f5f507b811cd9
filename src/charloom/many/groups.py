"""Rows in groups: what a worker answers at once.

Where a group ends depends only on the rows, never on how many workers there are or on what is done already: rows that
are read side by side may influence the last bit of each other's figures.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from charloom.errors import CharloomError, TextError, arguments, shown
from charloom.machine.workers import in_order

Row = TypeVar("Row")
Row_co = TypeVar("Row_co", covariant=True)
Result = TypeVar("Result")

TOGETHER = 1024
"""The most rows of a group."""

LARGE = 1 << 20
"""Characters after which a group ends."""


@dataclass(frozen=True)
class Group(Generic[Row_co]):
    """Consecutive rows."""

    first: int
    "The place of its first row, from 0."
    rows: Sequence[Row_co]
    done: int = 0
    "How many of its rows were answered by an earlier call; they are answered again, but not written."
    share: float | None = None
    "How much of the input had been read after it, from 0 to 1, if that is known."


def groups(
    rows: Iterable[Row],
    *,
    together: int | None = None,
    size: Callable[[Row], int] = lambda row: 0,
    share: Callable[[], float | None] = lambda: None,
) -> Iterator[Group[Row]]:
    """The rows in groups of `together` (`TOGETHER`, unless given), fewer where their sizes add up to `LARGE`.

    If reading the rows fails, the rows before make a group, and then the error is raised.
    """
    first, some, large, most = 0, list[Row](), 0, together or TOGETHER
    failed: Exception | None = None
    source = iter(rows)
    while True:
        try:
            row: Any = next(source)
        except StopIteration:
            break
        except Exception as error:
            failed = error
            break
        some.append(row)
        large += size(row)
        if len(some) == most or large >= LARGE:
            yield Group(first, some, share=share())
            first, some, large = first + len(some), [], 0
    if some:
        yield Group(first, some, share=share())
    if failed is not None:
        raise failed


@dataclass(frozen=True)
class Incomplete:
    """The results of a group up to a row that has none, and why."""

    results: Sequence[Any]
    error: CharloomError


def called(group: Group[Any]) -> str:
    """The rows of a group in words, counted from 1; a file by its name."""
    if len(group.rows) == 1 and isinstance(group.rows[0], Path):
        return shown(group.rows[0])
    first, last = group.first + 1, group.first + len(group.rows)
    return f"row {first:,}" if first == last else f"rows {first:,} to {last:,}"


def answered(
    prepare: Callable[[], Callable[[Group[Row]], Result | Incomplete]],
    asked: Iterable[Group[Row]],
    *,
    workers: int | None,
) -> Generator[tuple[Group[Row], Result]]:
    """Each group with its result, in order; see `charloom.machine.workers.in_order`.

    The error of an `Incomplete` result is raised after the results before it.
    """
    waiting = deque[Group[Row]]()

    def noted() -> Iterator[Group[Row]]:
        for group in asked:
            waiting.append(group)
            yield group

    with closing(in_order(prepare, noted(), workers=workers, called=called)) as results:
        for result in results:
            if isinstance(result, Incomplete):
                yield waiting.popleft(), result.results  # type: ignore[misc]
                raise result.error
            yield waiting.popleft(), result


def strings(texts: Iterable[str]) -> Iterator[str]:
    """The texts, each checked when its turn comes. Raises `TextError` for a single text, and for what is no string."""
    if isinstance(texts, (str, bytes)):
        raise TextError("give several texts, such as a list of strings; put a single one in a list")
    for text in texts:
        arguments.text(text)
        yield text

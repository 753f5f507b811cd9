"""Shows how far the rows of a verb are: a bar on a terminal, now and then a line elsewhere, on standard error."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from charloom.cli.output import say
from charloom.durations import duration
from charloom.training.display import BAR_SECONDS, LINE_SECONDS


class RowsShown:
    """Counts rows, and shows the count when it is time."""

    def __init__(self, called: str, bar: Progress | None) -> None:
        self._called, self._bar = called, bar
        self._began = self._since = time.monotonic()
        self._rows, self._first_share = 0, None
        self._task = bar.add_task("", total=1.0, figures="") if bar is not None else None

    _first_share: float | None

    def add(self, rows: int, share: float | None = None) -> None:
        """Count further rows; `share`: how much of the input is done, from 0 to 1, if that is known."""
        self._rows += rows
        now = time.monotonic()
        if self._first_share is None:
            self._first_share = share
        if now - self._since < (BAR_SECONDS if self._bar is not None else LINE_SECONDS):
            return
        self._since = now
        line = self._line(now, share)
        if self._bar is None or self._task is None:
            say(line if share is None else f"{share:.0%}  {line}")
        else:
            self._bar.update(self._task, completed=share or 0.0, figures=line)

    def _line(self, now: float, share: float | None) -> str:
        seconds = now - self._began
        parts = [f"{self._rows:,} {self._called}", f"{self._rows / max(seconds, 1e-9):,.1f} a second"]
        if share is not None and self._first_share is not None and share > self._first_share:
            left = (1 - share) * seconds / (share - self._first_share)
            parts.append(f"{duration(left)} left")
        return "  ".join(parts)


@contextmanager
def rows_shown(called: str = "rows", *, to_terminal: bool) -> Iterator[RowsShown]:
    """A display for the length of the block. `to_terminal`: the results go to standard output, which may be a terminal
    where a bar would be in their way; then nothing is shown there."""
    console = Console(stderr=True)
    if console.is_terminal and not (to_terminal and sys.stdout.isatty()):
        columns = (
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[figures]}"),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            yield RowsShown(called, progress)
    else:
        yield RowsShown(called, None)

"""Shows the progress of training: a bar on a terminal, one line in a notebook, plain lines elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from charloom.durations import duration
from charloom.training.loop import Event

LINE_SECONDS, BAR_SECONDS = 10.0, 0.5
"""Seconds between two lines, and between two updates of a bar."""


class Display(Protocol):
    """Shows the events of a training."""

    def show(self, event: Event[Any]) -> None:
        """Show the figures after a step."""

    def say(self, text: str) -> None:
        """Show a message between events."""


@contextmanager
def display(steps: int, done: int, *, wanted: bool | None = True) -> Iterator[Display]:
    """A progress display for the length of the block; `done` of the `steps` steps are already done.

    It writes to standard error or into the notebook; with `wanted=None` only if that is a terminal or a notebook, with
    False not at all.
    """
    console = Console(stderr=True)
    if wanted is False:
        yield _Nothing()
    elif console.is_terminal:
        columns = (
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[figures]}"),
        )
        with Progress(*columns, console=console, transient=False) as progress:
            yield _Bar(progress, steps, done)
    elif Console().is_jupyter:
        yield _Notebook(steps, done)
    else:
        yield _Lines(steps, done) if wanted else _Nothing()


class _Nothing:
    def show(self, event: Event[Any]) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class _Pace:
    """Sums since the last update, so that the figures shown are true means and not smoothed ones."""

    def __init__(self, steps: int, done: int) -> None:
        self._steps, self._began, self._done = steps, time.monotonic(), done
        self._nats, self._symbols = 0.0, 0
        self._since, self._first = self._began, True
        self._validation = ""

    def due(self, event: Event[Any], seconds: float) -> bool:
        """Add an event; True if it should be shown: the first, the last, a validation, or one after `seconds`."""
        self._nats += event.progress.loss_nats * event.progress.symbols
        self._symbols += event.progress.symbols
        if event.validation:
            best = f"best {event.best_nats:.3f} at step {event.best_step:,}"
            if event.best_step == event.progress.step:
                best = "best so far"
            remarks = ", ".join(filter(None, (event.validation.remark, best)))
            self._validation = f"  validation {event.validation.nats:.3f} ({remarks})"

        first, self._first = self._first, False
        last = event.progress.step == event.progress.steps
        return first or last or bool(event.validation) or time.monotonic() - self._since > seconds

    def line(self, event: Event[Any]) -> str:
        """Step, epoch and figures."""
        progress = event.progress
        return f"step {progress.step:,}/{progress.steps:,}  epoch {progress.epoch:.2f}  {self.figures(event)}"

    def figures(self, event: Event[Any]) -> str:
        """Loss and speed since the last call, and the time left; resets the sums."""
        now, step = time.monotonic(), event.progress.step
        left = (now - self._began) / max(1, step - self._done) * (self._steps - step)
        loss, speed = self._nats / max(1, self._symbols), self._symbols / max(now - self._since, 1e-9)
        self._nats, self._symbols, self._since = 0.0, 0, now
        return f"loss {loss:.3f}{self._validation} nats  {speed:,.0f} chars/s  {duration(left)} left"


class _Lines:
    def __init__(self, steps: int, done: int) -> None:
        self._pace = _Pace(steps, done)

    def show(self, event: Event[Any]) -> None:
        if self._pace.due(event, LINE_SECONDS):
            self.say(self._pace.line(event))

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class _Notebook:
    """One line of output, updated in place."""

    def __init__(self, steps: int, done: int) -> None:
        from IPython.display import display as show_in_notebook

        self._pace = _Pace(steps, done)
        self._line = show_in_notebook({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def show(self, event: Event[Any]) -> None:
        if self._pace.due(event, BAR_SECONDS):
            self._line.update({"text/plain": self._pace.line(event)}, raw=True)

    def say(self, text: str) -> None:
        print(text)


class _Bar:
    def __init__(self, progress: Progress, steps: int, done: int) -> None:
        self._pace, self._progress = _Pace(steps, done), progress
        self._task = progress.add_task("", total=steps, completed=done, figures="")

    def show(self, event: Event[Any]) -> None:
        if self._pace.due(event, BAR_SECONDS):
            self._progress.update(self._task, completed=event.progress.step, figures=self._pace.figures(event))

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

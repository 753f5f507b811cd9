"""What a person sees while a run is going on: a bar on a terminal, plain lines elsewhere; always on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from charloom.cli.output import say, stopped
from charloom.durations import duration
from charloom.interruption import Interrupted, Interruption
from charloom.training.loop import Event, TrainingLoop

LINE_SECONDS = 10.0


class Display(Protocol):
    """Shows events."""

    def show(self, event: Event[Any]) -> None:
        """Show what is known after a step."""

    def say(self, text: str) -> None:
        """Show a text between the events."""


def show_training(
    session: TrainingLoop[Any], interruption: Interruption, again: str, between: Callable[[], str] = lambda: ""
) -> None:
    """Train to the end and show it, with what `between()` says after a step, unless that is nothing.

    Where it is interrupted, say how far the run is saved and that `again` is the command that goes on with it.
    """
    try:
        with display(session.trainer.total, session.trainer.step) as shown:
            for event in session.events(interruption):
                shown.show(event)
                text = between()
                if text:
                    shown.say(text)
    except Interrupted:
        say(stopped(session, again))
        raise


@contextmanager
def display(steps: int, done: int) -> Iterator[Display]:
    """A display for the time of the block."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(steps, done)
        return
    columns = (
        BarColumn(bar_width=16),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        yield _Bar(progress, steps, done)


class _Pace:
    """Sums since the last time they were shown, so that the figures are means of what happened and no smoothed guess."""

    def __init__(self, steps: int, done: int) -> None:
        self._steps, self._began, self._done = steps, time.monotonic(), done
        self._nats, self._symbols = 0.0, 0
        self._since = self._began
        self.validation = ""

    def add(self, event: Event[Any]) -> None:
        self._nats += event.progress.loss_nats * event.progress.symbols
        self._symbols += event.progress.symbols
        if event.validation:
            best = f"best {event.best_nats:.3f} at step {event.best_step:,}"
            if event.best_step == event.progress.step:
                best = "best so far"
            remarks = ", ".join(filter(None, (event.validation.remark, best)))
            self.validation = f"  validation {event.validation.nats:.3f} ({remarks})"

    def age(self) -> float:
        return time.monotonic() - self._since

    def figures(self, event: Event[Any]) -> str:
        """Loss, speed and time left since the last call; resets them."""
        now, step = time.monotonic(), event.progress.step
        left = (now - self._began) / max(1, step - self._done) * (self._steps - step)
        loss, speed = self._nats / max(1, self._symbols), self._symbols / max(now - self._since, 1e-9)
        self._nats, self._symbols, self._since = 0.0, 0, now
        return f"loss {loss:.3f}{self.validation} nats  {speed:,.0f} chars/s  {duration(left)} left"


class _Lines:
    def __init__(self, steps: int, done: int) -> None:
        self._pace = _Pace(steps, done)
        self._first = True

    def show(self, event: Event[Any]) -> None:
        self._pace.add(event)
        last = event.progress.step == event.progress.steps
        if self._first or last or event.validation or self._pace.age() > LINE_SECONDS:
            self._first = False
            step = f"step {event.progress.step:,}/{event.progress.steps:,}  epoch {event.progress.epoch:.2f}"
            say(f"{step}  {self._pace.figures(event)}")

    def say(self, text: str) -> None:
        say(text)


class _Bar:
    def __init__(self, progress: Progress, steps: int, done: int) -> None:
        self._pace, self._progress = _Pace(steps, done), progress
        self._task = progress.add_task("", total=steps, completed=done, figures="")
        self._shown = False

    def show(self, event: Event[Any]) -> None:
        self._pace.add(event)
        last = event.progress.step == event.progress.steps
        if not self._shown or last or event.validation or self._pace.age() > 0.5:
            self._shown = True
            self._progress.update(self._task, completed=event.progress.step, figures=self._pace.figures(event))

    def say(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

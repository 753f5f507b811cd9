"""Ctrl-C, SIGTERM and SIGHUP, acted on between two steps and never within one.

Inside `Interruption.hold()` a signal waits until the block is done, and then meets the handler that it would have met at
once: ours (`catch_signals`, `end_on_signals`), Python's, or the user's own. A signal that comes a second or more after the
first is from someone who will not wait: it meets its handler at once, wherever the program is, and `at_once` says that
nothing more is to be saved. One that comes sooner is the same press again: terminals, shells and programs that start
others often send two.

An exception within an import would leave a module half imported, be dropped, or abort the process (it does in torch), so
none is raised there.
"""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that end a program. Windows has no SIGHUP."""

SAME_PRESS = 1.0
"""Seconds within which a further signal is the first one again."""

_AGAIN = 0.05
"""Seconds after which a signal that came within an import comes again."""

Handler = Callable[[int, FrameType | None], object]


class Interrupted(KeyboardInterrupt):
    """The user or the system asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Interruption:
    """Whether a signal may be acted on now, and whether somebody insists."""

    def __init__(self) -> None:
        self.at_once = False
        "Whether a later signal broke off what the first one waited for."
        self._first: float | None = None
        self._held = self._raised = False
        self._imports = _imports(sys._getframe())

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let signals wait until the block is done. Outside the main thread no signal is ever acted on, so nothing changes."""
        if self._held or threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, Handler] = {}
        waiting: list[int] = []

        def wait(number: int, frame: FrameType | None) -> None:
            if not self._held:  # it came while the handlers were being exchanged
                before[number](number, frame)
            elif self._insists():
                self.at_once = True
                before[number](number, frame)
                self.at_once, self._first = False, None  # a handler that raises nothing ends nothing
            else:
                waiting.append(number)

        try:
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):  # what the system itself does, or ignores, interrupts no Python code
                    before[number] = handler
                    signal.signal(number, wait)
            self._held = True
            yield
        finally:
            self._held = False
            for number, handler in before.items():
                signal.signal(number, handler)
        for number in waiting:
            before[number](number, sys._getframe())
        if waiting:
            self._first = None

    def ending(self) -> None:
        """Say that a signal was acted on, by whatever handler; the next one is not the first."""
        self._first = self._first or time.monotonic()

    def _insists(self) -> bool:
        if self._first is None:
            self._first = time.monotonic()
            return False
        return time.monotonic() - self._first >= SAME_PRESS

    def _signal(self, number: int, frame: FrameType | None) -> None:
        if _imports(frame) > self._imports:
            _thread.start_new_thread(_send_again, (number,))
            return
        insists = self._insists()
        if insists or not self._raised:
            self._raised = True
            raise Interrupted(number)


@contextmanager
def catch_signals() -> Iterator[Interruption]:
    """Let signals raise `Interrupted` within the block; not in other threads than the main one, where Python allows no handlers."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = _install(interruption._signal)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_on_signals() -> None:
    """Let a signal end this process with exit code 128 + its number and no traceback, from now on: for a command's first line.

    It raises `Interrupted`, once; within an import, and where somebody insists, the process ends on the spot.
    """
    interruption = Interruption()

    def end(number: int, frame: FrameType | None) -> None:
        if _imports(frame) or interruption._insists():
            os._exit(128 + number)
        interruption._signal(number, frame)

    _install(end)


def ignore_signals() -> None:
    """Let no signal change how this process ends: its exit code is known, and what is left to do takes milliseconds."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _install(handler: Handler) -> "dict[int, Handler | signal.Handlers | int]":
    """Let `handler` take the signals; gives the handlers before. A SIGHUP that is ignored stays so, as `nohup` wants it.

    An ignored SIGINT is taken: a shell ignores it for what it starts in the background, where `kill -INT` is meant to save.
    """
    before: dict[int, Handler | signal.Handlers | int] = {}
    for number in SIGNALS:
        now = signal.getsignal(number)
        if now is None or (now == signal.SIG_IGN and number not in (signal.SIGINT, signal.SIGTERM)):
            continue
        before[number] = now
        signal.signal(number, handler)
    return before


def _imports(frame: FrameType | None) -> int:
    """How many imports are under way in `frame` and its callers."""
    count = 0
    while frame is not None:
        count += frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        frame = frame.f_back
    return count


def _send_again(number: int) -> None:
    """Send a signal to this process a moment later: from a thread without locks, because a handler may not wait for any."""
    time.sleep(_AGAIN)
    if hasattr(signal, "pthread_kill"):  # to the main thread, so that it wakes up
        signal.pthread_kill(threading.main_thread().ident, number)  # type: ignore[arg-type]
    else:
        signal.raise_signal(number)

"""Ctrl-C, SIGTERM and SIGHUP, acted on between two steps and never within one.

Inside `Interruption.hold()` a signal waits until the block is done, and then goes to the handler that would have
received it: ours (`catch_signals`, `end_on_signals`), Python's, or the user's own. A signal that comes a second or more
after the first is from someone who will not wait: it goes to its handler at once, wherever the program is, and
`at_once` says that nothing more should be saved. One that comes sooner counts as the same key press: terminals, shells
and programs that start others often send two.

An exception inside an import would leave a module half imported, be swallowed, or abort the process (as in torch), so
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
"""Within this many seconds, another signal counts as the first one."""

_AGAIN = 0.05
"""A signal that came during an import is sent again after this many seconds."""

Handler = Callable[[int, FrameType | None], object]

_came = threading.Event()


def signal_came() -> bool:
    """Whether this process has been asked to end, by a signal that one of the handlers here received."""
    return _came.is_set()


class Interrupted(KeyboardInterrupt):
    """The user or the system asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Interruption:
    """Whether a signal may be acted on now, and whether the user insists."""

    def __init__(self) -> None:
        self.at_once = False
        "Whether a later signal interrupted what the first one was waiting for."
        self._first: float | None = None
        self.waiting: int | None = None
        "The number of the signal that is being held back."
        self._held = self._raised = False
        self._imports = _imports(sys._getframe())

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold signals back until the block is done; does nothing outside the main thread, where none are handled."""
        if self._held or threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, Handler] = {}
        waiting: list[int] = []
        self.waiting = None

        def wait(number: int, frame: FrameType | None) -> None:
            if not self._held:  # it came while the handlers were being swapped
                before[number](number, frame)
            elif self._insists():
                self.at_once = True
                before[number](number, frame)
                self.at_once, self._first = False, None  # the handler did not raise, so nothing ended
            else:
                waiting.append(number)
                self.waiting = waiting[0]

        try:
            for number in SIGNALS:
                handler = signal.getsignal(number)
                if callable(handler):  # the system's default action, or none, runs no Python code
                    before[number] = handler
                    signal.signal(number, wait)
            self._held = True
            yield
        finally:
            self._held = False
            for number, handler in before.items():
                signal.signal(number, handler)
        self.waiting = None
        for number in waiting:
            before[number](number, sys._getframe())
        if waiting:
            self._first = None

    def ending(self) -> None:
        """Record that some handler acted on a signal; the next one is not the first."""
        self._first = self._first or time.monotonic()

    def _insists(self) -> bool:
        _came.set()
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
    """Make signals raise `Interrupted` within the block; only in the main thread, where Python allows handlers."""
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
    """From now on, make a signal end this process with exit code 128 + its number and no traceback: a command's first
    line.

    It raises `Interrupted`, once; during an import, or if the user insists, the process ends on the spot.
    """
    interruption = Interruption()

    def end(number: int, frame: FrameType | None) -> None:
        if _imports(frame) or interruption._insists():
            os._exit(128 + number)
        interruption._signal(number, frame)

    _install(end)


def ignore_signals() -> None:
    """Ignore signals: the exit code is known, and what is left to do takes milliseconds."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _install(handler: Handler) -> "dict[int, Handler | signal.Handlers | int]":
    """Install `handler` for the signals and return the previous handlers. An ignored SIGHUP stays ignored, as `nohup`
    wants.

    An ignored SIGINT is taken: a shell ignores it for background commands, where `kill -INT` is meant to save.
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
    """How many imports are in progress in `frame` and its callers."""
    count = 0
    while frame is not None:
        count += frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        frame = frame.f_back
    return count


def _send_again(number: int) -> None:
    """Send a signal to this process a moment later, from a thread without locks: a handler may not wait for one."""
    time.sleep(_AGAIN)
    if hasattr(signal, "pthread_kill"):  # to the main thread, so that it wakes up
        signal.pthread_kill(threading.main_thread().ident, number)  # type: ignore[arg-type]
    else:
        signal.raise_signal(number)

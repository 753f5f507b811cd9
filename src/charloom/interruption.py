"""Ctrl-C, SIGTERM and SIGHUP.

Inside `Interruption.deferred()` a signal only sets a flag, `asked`, which a loop looks at between two steps, so that no
step is ever half done. Elsewhere it raises `Interrupted` where the program is. A signal that comes a second or more
after the first is from someone who will not wait: it ends the work at once, and nothing more is saved. One that comes
sooner counts as the same key press: terminals, shells and programs that start others often send two.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that end a program. Windows has no SIGHUP."""

SAME_PRESS = 1.0
"""Within this many seconds, another signal counts as the first one."""


class Interrupted(KeyboardInterrupt):
    """The user or the system asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Interruption:
    """What signals do; `catch_signals` installs it."""

    def __init__(self, *, command: bool = False) -> None:
        self.asked = 0
        "The number of the first signal that came; 0 for none."
        self._first: float | None = None
        self._deferred, self._command = False, command

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the block a signal only sets `asked`."""
        before, self._deferred = self._deferred, True
        try:
            yield
        finally:
            self._deferred = before

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """Within the block a signal raises `Interrupted`, even inside `deferred()`; so does one that came before."""
        before, self._deferred = self._deferred, False
        try:
            self.heed()
            yield
        finally:
            self._deferred = before

    def heed(self) -> None:
        """Raise `Interrupted`, once, if a signal came."""
        asked, self.asked = self.asked, 0
        if asked:
            raise Interrupted(asked)

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal. A command that would not wait, or that is importing a module, ends on the spot."""
        now = time.monotonic()
        insists = self._first is not None and now - self._first >= SAME_PRESS
        if self._first is not None and not insists:
            return
        self._first = self._first or now
        if self._command and (insists or _importing(frame)):
            os._exit(128 + number)
        if insists or not self._deferred:
            self.asked = 0
            raise Interrupted(number)
        self.asked = number


@contextmanager
def catch_signals(*, command: bool = False) -> Iterator[Interruption]:
    """Handle signals within the block by the `Interruption` that it gives, or by the one that is installed already.

    `command` says that this process does nothing else. Only the main thread may handle signals; elsewhere nothing is
    installed. A signal that nobody heeded raises `Interrupted` after the block.
    """
    installed = _installed()
    if installed is not None or threading.current_thread() is not threading.main_thread():
        interruption = installed or Interruption()
        yield interruption
        interruption.heed()
        return
    interruption = Interruption(command=command)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler is not None and (handler != signal.SIG_IGN or number in (signal.SIGINT, signal.SIGTERM)):
            signal.signal(number, interruption.receive)  # an ignored SIGHUP stays ignored, as nohup wants
    try:
        yield interruption
        interruption.heed()
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def ignore_signals() -> None:
    """Ignore signals: the exit code is known, and what is left to do takes milliseconds."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _installed() -> Interruption | None:
    """The interruption whose handler is in place, if this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return None
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner if isinstance(owner, Interruption) else None


def _importing(frame: FrameType | None) -> bool:
    """Whether an import is in progress; an exception would leave its module half imported."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False

"""Ctrl-C and SIGTERM, taken between two steps and never within one.

Inside `hold()` a signal waits until the block is done; outside it raises `Interrupted` at once. A second signal while one
is waiting raises at once, for whoever does not want to wait.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """The user, or the system, wants this to end."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Interruption:
    """Whether a signal may be acted on now."""

    def __init__(self) -> None:
        self._held, self._waiting = False, 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let a signal wait until the block is done."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting:
            number, self._waiting = self._waiting, 0
            raise Interrupted(number)

    def _signal(self, number: int, frame: FrameType | None) -> None:
        if self._held and not self._waiting:
            self._waiting = number
        else:
            raise Interrupted(number)


@contextmanager
def catch_signals() -> Iterator[Interruption]:
    """Take SIGINT and SIGTERM for the time of the block. Outside the main thread Python allows no handlers: nothing changes."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interruption._signal) for number in numbers}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""Which trials are still being trained, known without a clock.

A worker writes a new mark into each of its running trials now and then. Each worker watches the marks of all trials
with its own stopwatch: if one stays the same for the grace period, its worker is dead, stopped or cut off. No time is
ever written or compared, so a clock that is wrong, in a worker or in the database, changes nothing. The stopwatch
stands still while the database does not answer: then nobody can write a mark.
"""

import threading
import time
import uuid
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from charloom.study.database import may_pass

BEAT = "beat"
"""The attribute of a trial that holds the mark."""

BEAT_SECONDS, GRACE_SECONDS = 20.0, 120.0

Key = TypeVar("Key", bound=Hashable)


class Watch:
    """Finds what has not changed for a while."""

    def __init__(self, grace: float, longest: float) -> None:
        """`longest`: how many seconds between two looks count at most."""
        self._grace, self._longest = grace, longest
        self._elapsed, self._looked = 0.0, time.monotonic()
        self._seen: Mapping[Any, tuple[object, float]] = {}

    def unchanged(self, values: Mapping[Key, object]) -> list[Key]:
        """The keys whose values have been the same for longer than the grace period."""
        now = time.monotonic()
        self._elapsed += min(now - self._looked, self._longest)
        self._looked = now
        seen = dict[Key, tuple[object, float]]()
        for key, value in values.items():
            before = self._seen.get(key)
            seen[key] = before if before is not None and before[0] == value else (value, self._elapsed)
        self._seen = seen
        return [key for key, (_, since) in seen.items() if self._elapsed - since > self._grace]


class Heartbeats:
    """Writes the marks of this process's trials, and looks after those of others, in a thread of its own."""

    def __init__(self, seconds: float, look: Callable[[], None]) -> None:
        self._seconds, self._look = seconds, look
        self._mine: dict[int, Any] = {}
        self._lost: set[int] = set()
        self._worker, self._count = uuid.uuid4().hex[:12], 0
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, trial: Any) -> None:
        """Mark a trial as being trained here. Raises what the storage raises."""
        self._beat(trial)
        self._mine[trial.number] = trial

    def end(self, trial: Any) -> None:
        """It is no longer trained here."""
        self._mine.pop(trial.number, None)

    def lost(self, number: int) -> bool:
        """Whether others took this process for dead and put the trial back."""
        return number in self._lost

    def start(self) -> None:
        """Begin to write and to look."""
        self._end.clear()
        self._thread = threading.Thread(target=self._serve, name="charloom-heartbeats", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it; what hangs in the network is not waited for."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(1)

    def _serve(self) -> None:
        while not self._end.wait(self._seconds):
            try:
                for trial in list(self._mine.values()):
                    self._beat(trial)
                self._look()
            except Exception as error:
                if not may_pass(error):  # the loop that asks for trials meets the same, and reports it
                    return

    def _beat(self, trial: Any) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        self._count += 1
        try:
            trial.set_user_attr(BEAT, f"{self._worker} {self._count}")
        except UpdateFinishedTrialError:
            self._lost.add(trial.number)

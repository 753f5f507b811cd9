"""How threads that share a computation wait for each other: spinning if the machine is theirs, asleep if it is shared.

Threads that share a matrix product wait for each other about a thousand times a second. GNU OpenMP, which torch ships
on Linux, lets them spin for milliseconds, which is fastest as long as every thread has a processor. Next to another
busy process it is a disaster: a spinning thread keeps the processor from the very thread that it waits for, and a step
takes ten or a hundred times as long. So a guard checks ten times a second how long our threads were ready to run but
did not get a processor. If that is much, the threads sleep while they wait, and the second of two follows the first to
its processor, until we have the machine to ourselves again.

Which thread computes what never changes, so the guard changes no bit of a result.
"""

import contextlib
import ctypes
import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

Given = TypeVar("Given")
Result = TypeVar("Result")

WINDOW = 0.1
"""Seconds between two checks."""

_MUCH = 0.25
"""The machine counts as shared if more threads than this wait for a processor, on average."""

_WEIGHT = 0.2
"""The weight of one check in the average: a few tens of milliseconds of other work are not worth sleeping for."""

_SHORTEST, _LONGEST = 2.0, 15.0
"""Seconds until a shared machine is tried again: at first, and after many attempts."""

_LINGER = 2.0
"""How many seconds the guard keeps checking after the last work."""


class Sharing:
    """Decides whether other work shares the machine, by how long our threads waited for a processor.

    Threads that sleep or work alone say little about the machine, so after a while it is tried as if it were ours. Each
    failed attempt doubles the time to the next.
    """

    def __init__(self) -> None:
        self.shared = False
        self._hold, self._waiting = _SHORTEST, 0.0
        self._looked: tuple[float, float] | None = None
        self._since: float | None = None

    def look(self, now: float, waited: float) -> bool:
        """Whether the machine is shared at time `now`, given that our threads have waited `waited` seconds in total."""
        before, self._looked = self._looked, (now, waited)
        if before is None or now <= before[0]:
            return self.shared
        waiting = (waited - before[1]) / (now - before[0])
        self._waiting += _WEIGHT * (max(0.0, waiting) - self._waiting)
        if not self.shared and self._waiting > _MUCH:
            failed = self._since is not None and now - self._since < _SHORTEST
            self._hold = min(2 * self._hold, _LONGEST) if failed else _SHORTEST
            self.shared, self._since = True, now
        elif self.shared and self._since is not None and now - self._since >= self._hold:
            self.shared, self._since, self._waiting = False, now, 0.0
        return self.shared

    def pause(self) -> None:
        """Forget what was seen: checks were paused."""
        self.shared, self._looked, self._waiting = False, None, 0.0


class Sleep:
    """Lets the threads of GNU OpenMP sleep while they wait for each other, in the whole process.

    libgomp lets threads spin only if there are no more of them than processors. So a Python thread starts a team of
    OpenMP threads that has nothing to do, and the team sleeps for as long as that thread lives. With another OpenMP
    there is nothing to call, or the call has no effect.
    """

    def __init__(self) -> None:
        self._parallel = _libgomp()
        self._over: threading.Event | None = None

    def __call__(self, asleep: bool) -> None:
        """Let the threads sleep while they wait, or spin again."""
        if not asleep:
            if self._over is not None:
                self._over.set()
            self._over = None
        elif self._over is None and self._parallel is not None:
            over, begun = threading.Event(), threading.Event()
            team = max(2, len(processors()) - _torch_threads() + 2)

            def keep() -> None:
                self._parallel(team)  # type: ignore[misc]
                begun.set()
                over.wait()

            with contextlib.suppress(RuntimeError):  # the system allows no more threads: they keep spinning
                threading.Thread(target=keep, name="charloom-sleep", daemon=True).start()
                begun.wait(1.0)
                self._over = over


class Follow:
    """Lets a team's second thread run on the processor of the first while other work occupies the other one.

    Two threads that sleep while they wait then take turns on one processor, which is nearly as fast as one thread.
    Otherwise each would wait for its share of the other's processor at every product. Only the second thread is bound,
    so a process started by the first inherits nothing. Does nothing for larger teams, or where threads cannot be bound
    (macOS, Windows).
    """

    def __init__(self) -> None:
        self._bound: dict[int, set[int]] = {}

    def __call__(self, leader: int | None) -> None:
        """Bind the other non-Python threads to the processor of thread `leader`; with None, unbind them."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            if leader is None:
                for thread, allowed in self._bound.items():
                    with contextlib.suppress(OSError):  # it has ended
                        os.sched_setaffinity(thread, allowed)
                self._bound.clear()
                return
            processor = int((_TASKS / str(leader) / "stat").read_text().rsplit(")", 1)[1].split()[36])
            python = {thread.native_id for thread in threading.enumerate()}
            for thread in (int(task.name) for task in _TASKS.iterdir()):
                if thread not in python:
                    with contextlib.suppress(OSError):
                        self._bound.setdefault(thread, os.sched_getaffinity(thread))
                        os.sched_setaffinity(thread, {processor})


class Guard:
    """A thread that checks while there is work, and calls `act` when the machine starts or stops being shared."""

    def __init__(
        self,
        waited: Callable[[], float | None],
        act: Callable[[bool], None],
        follow: Callable[[int | None], None] = lambda leader: None,
    ) -> None:
        self._waited, self._act, self._follow = waited, act, follow
        self._leader = 0
        self._sharing, self._working, self._last = Sharing(), 0, 0.0
        self._change = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def shared(self) -> bool:
        """Whether other work was seen to share the machine."""
        return self._sharing.shared

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """Keep checking during the block, and for a little longer."""
        with self._change:
            self._working += 1
            self._leader = threading.get_native_id()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="charloom-guard", daemon=True)
                self._thread.start()
            self._change.notify()
        try:
            yield
        finally:
            with self._change:
                self._working -= 1
                self._last = time.monotonic()

    def _look(self) -> None:
        while True:
            with self._change:
                if not self._working and time.monotonic() - self._last > _LINGER:
                    if self._sharing.shared:
                        self._sharing.pause()
                        self._tell(False)
                    self._sharing.pause()
                    self._change.wait()
            waited = self._waited()
            if waited is None:
                return  # the system does not report it
            before = self._sharing.shared
            if self._sharing.look(time.monotonic(), waited) != before:
                self._tell(not before)
            elif before:
                self._follow(self._leader)
            time.sleep(WINDOW)

    def _tell(self, shared: bool) -> None:
        self._act(shared)
        self._follow(self._leader if shared else None)


def working() -> contextlib.AbstractContextManager[None]:
    """Watch the machine during the block, which does multi-threaded work: one step or one batch."""
    if len(processors()) < 2:
        return contextlib.nullcontext()
    return _guard().work()


def watch_threads() -> None:
    """Watch the machine from now on: for a program that computes with torch in loops of its own.

    charloom does so by itself whenever it computes.
    """
    if not _WATCHING:
        watch = working()
        watch.__enter__()
        _WATCHING.append(watch)  # a context that nobody holds would end


def shared() -> bool:
    """Whether other work has been seen to share the machine."""
    return _GUARD is not None and _GUARD.shared


def alone(compute: Callable[[Given], Result], given: Given) -> Result:
    """The result of `compute`, with numpy's matrix products on one thread if other work shares the machine. For single
    rows.

    OpenBLAS's threads cannot be told to sleep. For single rows, one thread gives the same bits as several.
    """
    pools = _pools()
    counts = [pool.num_threads for pool in pools]
    for pool in pools:
        pool.set_num_threads(1)
    try:
        return compute(given)
    finally:
        for pool, count in zip(pools, counts, strict=True):
            pool.set_num_threads(count)


@functools.cache
def _pools() -> tuple[Any, ...]:
    """The loaded BLAS libraries."""
    import threadpoolctl

    return tuple(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


def processors() -> set[int]:
    """The processors available to this process."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


_TASKS = Path("/proc/self/task")


def waited() -> float | None:
    """Seconds that this process's threads were ready to run but had no processor; None if the system does not report
    it.

    The calling thread is left out: it competes with the very threads that it watches.
    """
    own, total = threading.get_native_id(), 0
    try:
        for task in _TASKS.iterdir():
            if task.name != str(own):
                with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # it has just ended
                    total += int((task / "schedstat").read_text().split()[1])
        if not (_TASKS / str(own) / "schedstat").exists():
            return None
    except (OSError, ValueError, IndexError):
        return None
    return total / 1e9


_GUARD: Guard | None = None
_WATCHING: list[contextlib.AbstractContextManager[None]] = []
_SLEEP: Sleep | None = None


def _guard() -> Guard:
    global _GUARD
    if _GUARD is None:
        _GUARD = Guard(waited, _sleep, _follow)
    return _GUARD


def _torch_threads() -> int:
    """Threads that share torch's products; 0 if torch is not imported, or is just being imported by another thread."""
    count = getattr(sys.modules.get("torch"), "get_num_threads", None)
    return int(count()) if count is not None else 0


def _sleep(asleep: bool) -> None:
    """OpenMP threads exist only once torch has been imported."""
    global _SLEEP
    if _torch_threads() < 2:
        return
    _SLEEP = _SLEEP or Sleep()
    _SLEEP(asleep)


_FOLLOW = Follow()


def _follow(leader: int | None) -> None:
    """Only for two threads on two processors: with more processors, one may be free."""
    two = _torch_threads() == len(processors()) == 2
    if leader is None or (two and _SLEEP is not None):
        _FOLLOW(leader)


def _libgomp() -> Callable[[int], None] | None:
    """A function that starts and ends an idle team of n OpenMP threads; None without libgomp."""
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.CDLL(None)  # torch loads its OpenMP with global visibility
        parallel, nothing = library.GOMP_parallel, ctypes.cast(library.free, ctypes.c_void_p)
    except (AttributeError, OSError):
        return None
    parallel.argtypes, parallel.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return lambda team: parallel(nothing, None, team, 0)  # each thread calls free(NULL)


def _forget() -> None:
    """A forked process has none of its parent's threads."""
    global _GUARD, _SLEEP, _FOLLOW
    _GUARD = _SLEEP = None
    _WATCHING.clear()
    _FOLLOW = Follow()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

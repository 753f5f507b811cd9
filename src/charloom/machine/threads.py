"""How a computation's threads wait for each other: spinning on a machine of their own, asleep on one they share.

Threads that share a product wait for each other some thousand times a second. GNU's OpenMP, which torch brings on Linux, lets
them spin for milliseconds meanwhile: that is fastest while each thread has a processor. Beside another busy process it is a
disaster, because a thread that spins keeps the processor from the very thread that it waits for: a step takes ten times as
long, or a hundred times. So a guard looks ten times a second at how long our threads were ready to run and did not get a
processor. Where that is much, the threads sleep while they wait, and of two the second follows the first to its processor,
until the machine is ours again.

Who computes what stays as it is, so not a bit of a result depends on the guard.
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
"""Seconds between two looks."""

_MUCH = 0.25
"""Threads that wait for a processor, on average, above which the machine is shared."""

_WEIGHT = 0.2
"""What a look counts for in the average: other work of some tens of milliseconds now and then is not worth sleeping for."""

_SHORTEST, _LONGEST = 2.0, 15.0
"""Seconds after which a shared machine is tried again, at first and after many tries."""

_LINGER = 2.0
"""Seconds after the last work in which the guard goes on looking."""


class Sharing:
    """Whether other work shares the machine, judged by how long our threads waited for a processor.

    Threads that sleep or work alone say little about the machine, so after a while it is taken for ours again, as a try. Each
    try that fails doubles the time to the next.
    """

    def __init__(self) -> None:
        self.shared = False
        self._hold, self._waiting = _SHORTEST, 0.0
        self._looked: tuple[float, float] | None = None
        self._since: float | None = None

    def look(self, now: float, waited: float) -> bool:
        """Whether the machine is shared at `now`, where our threads have waited for `waited` seconds in all so far."""
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
        """Nothing is looked at until the next look, and nothing is known then."""
        self.shared, self._looked, self._waiting = False, None, 0.0


class Sleep:
    """Lets the threads of GNU's OpenMP sleep while they wait for each other, in this whole process.

    libgomp lets threads spin only where there are no more of them than processors. So a thread of Python's begins a team of
    OpenMP threads that has nothing to do, and the team sleeps for as long as that thread lives. With another OpenMP there is
    nothing to call, or the call changes nothing.
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

            with contextlib.suppress(RuntimeError):  # the system allows no more threads: they spin on
                threading.Thread(target=keep, name="charloom-sleep", daemon=True).start()
                begun.wait(1.0)
                self._over = over


class Follow:
    """Lets a team's second thread run on the processor of its first while other work has the other one.

    Two threads that sleep while they wait then take turns on one processor: nearly as fast as one thread. Else each would wait
    for its share of the other's processor at every product. Only the second is bound, so a process that the first one starts
    inherits nothing. Does nothing for larger teams, or where a thread cannot be bound (macOS, Windows).
    """

    def __init__(self) -> None:
        self._bound: dict[int, set[int]] = {}

    def __call__(self, leader: int | None) -> None:
        """Bind the other threads that are not Python's to the processor of thread `leader`, or, with None, none."""
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
    """A thread that looks while there is work, and tells `act` when the machine begins or ceases to be shared."""

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
        """Whether other work shares the machine, as far as was seen."""
        return self._sharing.shared

    @contextlib.contextmanager
    def work(self) -> Iterator[None]:
        """Look while this lasts, and a little longer."""
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
                return  # this system does not say
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
    """Watch the machine while this lasts. What several threads share is done within, a step or a batch at a time."""
    if len(processors()) < 2:
        return contextlib.nullcontext()
    return _guard().work()


def shared() -> bool:
    """Whether other work was seen to share the machine."""
    return _GUARD is not None and _GUARD.shared


def alone(compute: Callable[[Given], Result], given: Given) -> Result:
    """What `compute` gives, its matrix products in numpy by one thread: for single rows, while other work shares the machine.

    The threads of OpenBLAS cannot be told to sleep. For single rows it gives the same bits with one thread as with several.
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
    """The libraries of matrix products that have been loaded."""
    import threadpoolctl

    return tuple(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


def processors() -> set[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


_TASKS = Path("/proc/self/task")


def waited() -> float | None:
    """Seconds for which this process's threads were ready to run and had no processor; None where the system does not say.

    The thread that asks is left out: it competes with the very threads that it watches.
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
_SLEEP: Sleep | None = None


def _guard() -> Guard:
    global _GUARD
    if _GUARD is None:
        _GUARD = Guard(waited, _sleep, _follow)
    return _GUARD


def _torch_threads() -> int:
    """Threads that share torch's products; 0 where torch is not imported, or another thread is importing it just now."""
    count = getattr(sys.modules.get("torch"), "get_num_threads", None)
    return int(count()) if count is not None else 0


def _sleep(asleep: bool) -> None:
    """Only where torch has been imported are there threads of OpenMP."""
    global _SLEEP
    if _torch_threads() < 2:
        return
    _SLEEP = _SLEEP or Sleep()
    _SLEEP(asleep)


_FOLLOW = Follow()


def _follow(leader: int | None) -> None:
    """Only where two threads have two processors between them: with more there may be a free one."""
    two = _torch_threads() == len(processors()) == 2
    if leader is None or (two and _SLEEP is not None):
        _FOLLOW(leader)


def _libgomp() -> Callable[[int], None] | None:
    """Begins, and ends, a team of so many OpenMP threads with nothing to do; None where there is no libgomp."""
    if sys.platform != "linux":
        return None
    try:
        library = ctypes.CDLL(None)  # torch loads its OpenMP for all to see
        parallel, nothing = library.GOMP_parallel, ctypes.cast(library.free, ctypes.c_void_p)
    except (AttributeError, OSError):
        return None
    parallel.argtypes, parallel.restype = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint], None
    return lambda team: parallel(nothing, None, team, 0)  # each thread calls free(NULL)


def _forget() -> None:
    """A process that was forked has none of its parent's threads."""
    global _GUARD, _SLEEP, _FOLLOW
    _GUARD = _SLEEP = None
    _FOLLOW = Follow()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

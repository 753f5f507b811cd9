"""Rows answered by several processes, in order: a function is prepared once in each, and memory holds a few rows.

Each worker is a Python process that imports what it needs and nothing of the program that started it: it is not a copy
(`fork`), and it does not run the main script again, as the workers of `multiprocessing` do. So a script needs no
`if __name__ == "__main__"`, a notebook works, and a thread or a GPU of this process is no hazard. A thread here asks
each worker over its standard input and gets its answers through a pipe of their own, so a worker that dies is noticed
at once, as the end of a file; and the other way round, a worker ends when its input does, for whatever reason its
parent is gone.

Every worker computes with one thread. So do rows that are answered in this process with `workers=1`: N workers give
exactly the bits of one.
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from charloom.errors import CharloomError, SettingsError, arguments
from charloom.errors.options import as_flags, option
from charloom.machine.threads import processors
from charloom.machine.worker import receive, send

Row = TypeVar("Row")
Result = TypeVar("Result")

AHEAD = 4
"""Rows for each worker that have been read but whose results have not been taken."""

MOST = 4
"""The most workers for each processor."""

_LOOK = 0.5
"""Seconds after which a wait is interrupted, because Windows does not interrupt one for Ctrl-C."""

_END = 10.0
"""Seconds to wait for a killed process."""

_NEW_GROUP = 0x200
"""What Windows calls CREATE_NEW_PROCESS_GROUP."""

_START = "import sys; sys.path[:] = sys.argv[2:]; from charloom.machine.worker import serve; serve(int(sys.argv[1]))"

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerError(CharloomError):
    """A worker process ended before its work was done."""


def in_order(
    prepare: Callable[[], Callable[[Row], Result]],
    rows: Iterable[Row],
    *,
    workers: int | None = None,
    called: Callable[[Row], str] = lambda row: "a row",
) -> Generator[Result]:
    """The results of `prepare()` applied to each row, in the order of the rows.

    With `workers` of 2 or more that many processes share the rows; each calls `prepare` once. `prepare`, rows and
    results are pickled, so `prepare` must be importable: a function or a class of a module, perhaps with arguments by
    `functools.partial`. With 1 the rows are answered in this process by one thread, with None by all threads.

    Rows are read as they are needed, a few for each worker ahead of the results. An error in a row, or in reading the
    rows, is raised after the results of all rows before it. `called` names a row in the message about a worker that
    died. Close the iterator to end the workers early.

    Raises `SettingsError` for a number of workers that makes no sense, `WorkerError` if a worker dies.
    """
    if workers is None:
        return _here(prepare, rows, contextlib.nullcontext)
    check(workers)
    if workers == 1:
        return _here(prepare, rows, one_thread)
    module = getattr(getattr(prepare, "func", prepare), "__module__", None)
    if module == "__main__":
        raise SettingsError(
            "a worker cannot import a function of the script or notebook itself; put it into a module of its own, or "
            f"use {option('workers', 1)}"
        )
    return _in_processes(prepare, rows, workers, called)


def check(workers: int | None) -> None:
    """Raise `SettingsError` for a number of workers that makes no sense on this machine."""
    if workers is None:
        return
    arguments.whole("workers", workers)
    most = MOST * len(processors())
    if workers < 1:
        raise SettingsError(f"workers is {workers}; it must be at least 1")
    if workers > most:
        count = len(processors())
        raise SettingsError(
            f"workers is {workers:,}, but there {'are' if count > 1 else 'is'} {count:,} processor{'s' * (count > 1)} "
            f"here; give at most {most:,}"
        )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Within this, numpy and torch compute with one thread, as a worker does."""
    import threadpoolctl

    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 0
    with threadpoolctl.threadpool_limits(1):
        if torch is not None:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)


def _here(
    prepare: Callable[[], Callable[[Row], Result]],
    rows: Iterable[Row],
    threads: Callable[[], contextlib.AbstractContextManager[None]],
) -> Generator[Result]:
    answer: Callable[[Row], Result] | None = None
    for row in rows:
        if answer is None:
            with threads():
                answer = prepare()
        with threads():  # a library that was loaded meanwhile has threads too
            result = answer(row)
        yield result


def _in_processes(
    prepare: Callable[[], Callable[[Row], Result]], rows: Iterable[Row], workers: int, called: Callable[[Row], str]
) -> Generator[Result]:
    tasks: queue.SimpleQueue[tuple[Future[Result], Row] | None] = queue.SimpleQueue()
    pool, waiting = list[_Worker[Row, Result]](), deque[Future[Result]]()
    failed: CharloomError | None = None
    source = iter(rows)
    try:
        while failed is None:
            try:
                row = next(source)
            except StopIteration:
                break
            except CharloomError as error:
                failed = error
                break
            waiting.append(Future())
            tasks.put((waiting[-1], row))
            if len(pool) < workers:
                pool.append(_Worker(prepare, tasks, called))
            while len(waiting) >= AHEAD * workers or waiting[0].done():
                yield _result(waiting.popleft())
                if not waiting:
                    break
        while waiting:
            yield _result(waiting.popleft())
        if failed is not None:
            raise failed
    finally:
        for worker in pool:
            worker.end()
        for _ in pool:
            tasks.put(None)
        for worker in pool:
            worker.join()


def _result(future: "Future[Result]") -> Result:
    while not future.done():
        wait((future,), _LOOK)
    return future.result()


class _Worker(Generic[Row, Result]):
    """A process, and the thread here that gives it rows and takes its answers."""

    def __init__(
        self,
        prepare: Callable[[], Callable[[Row], Result]],
        tasks: "queue.SimpleQueue[tuple[Future[Result], Row] | None]",
        called: Callable[[Row], str],
    ) -> None:
        self._prepare, self._tasks, self._called, self._flags = prepare, tasks, called, as_flags()
        self._lock, self._ended, self._prepared = threading.Lock(), False, False
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None
        self._thread = threading.Thread(target=self._work, name="charloom-worker", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Kill the process; it has nothing to save."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def join(self) -> None:
        self._thread.join(_END)

    def _work(self) -> None:
        try:
            while (task := self._tasks.get()) is not None:
                future, row = task
                try:
                    future.set_result(self._answer(row))
                except BaseException as error:
                    future.set_exception(error)
                    if not self._prepared or self._process is None or self._process.poll() is not None:
                        return
        finally:
            self._close()

    def _answer(self, row: Row) -> Result:
        process = self._process or self._started(row)
        result: Result = self._asked(process, row, row)
        return result

    def _started(self, row: Row) -> "subprocess.Popen[bytes]":
        alone: dict[str, Any] = (
            {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x200}
        )  # Ctrl-C is for us
        with self._lock:
            if self._ended:
                raise WorkerError("the work was stopped")
            try:
                self._answers, process = _begun(alone)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise WorkerError(f"a worker process cannot be started: {reason}; use fewer workers") from None
            self._process = process
        self._asked(process, (self._prepare, self._flags), row)
        self._prepared = True
        return process

    def _asked(self, process: "subprocess.Popen[bytes]", question: object, row: Row) -> Any:
        assert process.stdin is not None
        assert self._answers is not None
        data = pickle.dumps(question, pickle.HIGHEST_PROTOCOL)
        try:
            send(process.stdin, data)
            fine, value = pickle.loads(receive(self._answers))
        except (OSError, EOFError):
            raise WorkerError(self._how_it_ended(process, row)) from None
        if not fine:
            raise value
        return value

    def _how_it_ended(self, process: "subprocess.Popen[bytes]", row: Row) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END)
        code = process.returncode
        name = f"with exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                name = f"by {signal.Signals(-code).name}"
        memory = " (the system does this when memory runs out)" if name == "by SIGKILL" else ""
        return (
            f"a worker process was ended {name}{memory} while it worked on {self._called(row)}; "
            f"what comes before is done, so start again, perhaps with fewer workers"
        )

    def _close(self) -> None:
        process = self._process
        if process is None:
            return
        for stream in (process.stdin, self._answers):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _begun(more: dict[str, Any]) -> "tuple[IO[bytes], subprocess.Popen[bytes]]":
    """The process of a worker, and the pipe that its answers come through. Raises `OSError`.

    Where a process can inherit a pipe, they have one of their own; elsewhere it is its standard output, where something
    may be printed before its first answer.
    """
    command = [sys.executable, "-P", "-c", _START]
    more |= {"stdin": subprocess.PIPE, "env": {**os.environ, **dict.fromkeys(_THREADS, "1")}}
    if os.name != "posix":
        process = subprocess.Popen([*command, "1", *_path()], stdout=subprocess.PIPE, **more)
        assert process.stdout is not None
        return process.stdout, process
    ours, theirs = os.pipe()
    try:
        process = subprocess.Popen(
            [*command, str(theirs), *_path()], stdout=subprocess.DEVNULL, pass_fds=(theirs,), **more
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    return os.fdopen(ours, "rb"), process


def _path() -> list[str]:
    """Where modules lie: first those of Python and of its packages, then those of the current folder."""
    entries = [entry for entry in sys.path if isinstance(entry, str)]
    return sorted(entries, key=_is_here)


def _is_here(entry: str) -> bool:
    if entry in ("", os.curdir):
        return True
    with contextlib.suppress(OSError):
        return Path(entry).samefile(os.curdir)
    return False

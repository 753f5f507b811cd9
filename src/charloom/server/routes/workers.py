"""A few threads for work that is not done side by side, with a bounded queue in front of them."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from charloom.server.batching.jobs import ServerBusy

Result = TypeVar("Result")

THREADS, QUEUE = 2, 16
"""How many pieces of work are done at a time, and how many may wait."""


class Workers:
    """Threads that end with the process, whatever they are doing then."""

    def __init__(self, threads: int = THREADS, waiting: int = QUEUE) -> None:
        self._most, self._here = threads + waiting, 0
        self._change = threading.Lock()
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._serve, name=f"charloom-worker-{number}", daemon=True).start()

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, which a thread does; work that is cancelled before it begins is never done.

        Raises `ServerBusy` at once if too much is waiting, and whatever `work` raises.
        """
        with self._change:
            if self._here >= self._most:
                raise ServerBusy(f"{self._here} requests of this kind are being answered; try again in a moment")
            self._here += 1
        context = contextvars.copy_context()  # messages are for the one who asked
        future: Future[Result] = Future()
        future.add_done_callback(self._done)
        self._work.put((future, lambda: context.run(work)))
        return await asyncio.wrap_future(future)

    def _done(self, future: Future[Any]) -> None:
        with self._change:
            self._here -= 1

    def _serve(self) -> None:
        while True:
            future, work = self._work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
            del future, work

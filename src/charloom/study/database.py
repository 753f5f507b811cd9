"""A PostgreSQL that restarts, a network that stalls, a worker that is paused: whatever was asked is asked again.

Repeating is safe. What is written is either the same the second time, or leaves a trial that nobody trains, which is
put back like that of a dead worker (`charloom.study.heartbeats`), or a second copy of a queued trial, of which only one
counts (`charloom.study.search_loop`).
"""

import re
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from charloom.study.addresses import Address

PATIENCE_SECONDS = 600.0
"""For how long a database that does not answer is asked again."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds between two attempts: each time twice as long, up to the second."""

CLIENT = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""A connection over which nothing arrives is given up within 40 seconds, instead of hours (libpq's parameters)."""

SERVER = {
    "idle_in_transaction_session_timeout": 60_000,
    "lock_timeout": 30_000,
    "tcp_keepalives_idle": 20,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 4,
}
"""The server gives up the locks of a worker that was paused or cut off, instead of making all others wait for it."""


_RESTARTING = re.compile(
    "starting up|shutting down|not yet accepting|recovery mode|closed the connection|terminating connection"
)


def engine_settings(url: str) -> dict[str, Any]:
    """How connections are opened; what the address sets itself is left alone."""
    given = {key for key, _ in parse_qsl(url.partition("?")[2], keep_blank_values=True)}
    options = {"options": " ".join(f"-c {name}={value}" for name, value in SERVER.items())}
    return {
        "pool_pre_ping": True,
        "connect_args": {name: value for name, value in (CLIENT | options).items() if name not in given},
    }


def reason(error: BaseException, where: Address) -> str:
    """What the driver reports, in one line without the address's secrets."""
    cause = error.__cause__
    reported = getattr(error, "orig", None) or getattr(cause, "orig", None) or cause or error
    return (where.hide(str(reported)).strip() or type(error).__name__).splitlines()[0]


def may_pass(error: BaseException) -> bool:
    """Whether an error is one of the connection or of a busy server, rather than of what was asked."""
    from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError, TimeoutError

    for each in (error, error.__cause__):
        if isinstance(each, (InterfaceError, OperationalError, PendingRollbackError, TimeoutError)):
            return True
        if isinstance(each, DBAPIError) and each.connection_invalidated:
            return True
    return False


def is_restarting(error: BaseException) -> bool:
    """Whether a server that was reached says that it ends or begins; a wrong address says something else."""
    return _RESTARTING.search(str(getattr(error, "orig", None) or error)) is not None


class Insistence:
    """Repeats what fails for a reason that may pass, until it succeeds, time is up, or the user stops the search."""

    def __init__(self, where: Address, stop: threading.Event, say: Callable[[str], None]) -> None:
        self._where, self._stop, self._say = where, stop, say
        self._told = threading.Lock()

    def __call__(self, ask: Callable[[], Any]) -> Any:
        """The answer to `ask`. Raises what it raises."""
        began, wait, telling = time.monotonic(), FIRST_WAIT, False
        try:
            while True:
                try:
                    return ask()
                except Exception as error:
                    if not may_pass(error) or time.monotonic() - began > PATIENCE_SECONDS:
                        raise
                    if not telling and (telling := self._told.acquire(blocking=False)):
                        self._say(f"the storage does not answer ({reason(error, self._where)}); trying again")
                    if self._stop.wait(wait):
                        raise
                    wait = min(2 * wait, LONGEST_WAIT)
        finally:
            if telling:
                self._told.release()


def patient(storage: Any, insist: Insistence) -> Any:
    """An optuna storage that answers as `storage` does, later if necessary."""
    from optuna.storages import BaseStorage

    def asked(name: str) -> Any:
        method = getattr(storage, name)
        return staticmethod(lambda *given, **named: insist(lambda: method(*given, **named)))

    public = [name for name, member in vars(BaseStorage).items() if callable(member) and not name.startswith("_")]
    return type("PatientStorage", (BaseStorage,), {name: asked(name) for name in public})()

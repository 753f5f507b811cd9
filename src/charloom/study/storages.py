"""Where the trials of a search are kept: in the study's journal file, or in a PostgreSQL shared by several machines.

In a database, a running trial is known by its heartbeat. A trial whose heartbeat stops is failed, and the next worker
that notices tries it again (optuna's own mechanism). A trial that was taken but never sent a heartbeat is failed here.
"""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from charloom.errors import MissingExtraError, SettingsError, StorageError
from charloom.storage.atomic_files import storage_errors
from charloom.study.addresses import SCHEME, Address, parse_address

HEARTBEAT_SECONDS, GRACE_SECONDS = 20, 120
CHANCES, CHANCE_SECONDS = 6, 0.5


def require_optuna() -> Any:
    """The module optuna, silenced. Raises `MissingExtraError`."""
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("a search", "tune") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_storage(
    address: str | None, journal: Path, *, heartbeat: int = HEARTBEAT_SECONDS, grace: int = GRACE_SECONDS
) -> Any:
    """The storage at an address, or a journal file without one. Raises `CharloomError`."""
    optuna = require_optuna()
    if address is None:
        return optuna.storages.JournalStorage(_journal(journal))
    where = parse_address(address)
    try:
        import psycopg  # noqa: F401
        import sqlalchemy
    except ImportError:
        raise MissingExtraError("a storage in PostgreSQL", "tune") from None
    for chance in reversed(range(CHANCES)):
        try:
            with experimental():
                return optuna.storages.RDBStorage(
                    where.url.replace(SCHEME, "postgresql+psycopg://", 1),
                    engine_kwargs={"pool_pre_ping": True},
                    heartbeat_interval=heartbeat,
                    grace_period=grace,
                    heartbeat_stale_trial_callback=retry(),
                )
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError) as error:
            if not chance:
                raise _unusable(where, error) from None
            time.sleep(CHANCE_SECONDS)  # two workers created the tables at the same moment
        except Exception as error:  # any error: a traceback might show the address
            raise _unusable(where, error) from None
    raise AssertionError("the last chance returns or raises")


def _journal(path: Path) -> Any:
    """A journal file, for the process that holds the study's lock.

    optuna's lock files survive a killed process and block the next one for half a minute; the study's lock is released
    when its process ends. An incomplete last line is cut off: nobody acted on it.
    """
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    class Held(JournalFileOpenLock):
        def acquire(self) -> bool:
            return True

        def release(self) -> None:
            pass

    with storage_errors(path), path.open("ab+") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
    return JournalFileBackend(str(path), Held(str(path)))


def _unusable(where: Address, error: Exception) -> SettingsError:
    reason = where.hide(str(getattr(error, "orig", None) or error)).strip() or type(error).__name__
    return SettingsError(f"the storage {where.shown} cannot be used: {reason.splitlines()[0]}; check the address")


@contextmanager
def storage_failures(address: str | None) -> Iterator[None]:
    """Turn the errors of a database that no longer answers into a `StorageError`."""
    if address is None:
        yield
        return
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    where = parse_address(address)
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        reported = getattr(error, "orig", None) or getattr(error.__cause__, "orig", None) or error
        reason = where.hide(str(reported)).strip() or type(error).__name__
        raise StorageError(
            f"the storage {where.shown} failed: {reason.splitlines()[0]}; what has ended is kept; continue when it "
            "answers"
        ) from None


def retry() -> Any:
    """Puts back a trial whose worker died or was stopped, however often: that says nothing about its settings."""
    with experimental():
        return require_optuna().storages.RetryHeartbeatStaleTrialCallback()


@contextmanager
def experimental() -> Iterator[None]:
    """Silence optuna's warnings about experimental features."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


class Watch:
    """Finds trials that a worker took but never started: they have no heartbeat that could stop."""

    def __init__(self, grace: float, begun: str) -> None:
        self._grace, self._begun = grace, begun
        self._seen: dict[int, float] = {}

    def never_begun(self, running: list[Any]) -> list[Any]:
        """Running trials that have not been marked as started for longer than the grace period."""
        now = time.monotonic()
        waiting = {
            trial.number: trial  # a retried trial keeps the marks of its first attempt
            for trial in running
            if trial.user_attrs.get(self._begun) != trial.number
        }
        self._seen = {number: self._seen.get(number, now) for number in waiting}
        return [waiting[number] for number, since in self._seen.items() if now - since > self._grace]

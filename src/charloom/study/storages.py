"""Where the trials of a search are kept: in the study's journal file, or in a PostgreSQL shared by several machines."""

import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from charloom.errors import MissingExtraError, SettingsError, StorageError
from charloom.storage.atomic_files import storage_errors
from charloom.study.addresses import SCHEME, Address, parse_address
from charloom.study.database import Insistence, engine_settings, is_restarting, patient, reason

CHANCES, CHANCE_SECONDS = 6, 0.5
"""How often a new database is tried while others create its tables, and the seconds in between."""

RESTART_SECONDS = 60.0
"""For how long a database that restarts is waited for at the beginning."""


def require_optuna() -> Any:
    """The module optuna, silenced. Raises `MissingExtraError`."""
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("a search", "tune") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_storage(address: str | None, journal: Path, *, stop: threading.Event, say: Callable[[str], None]) -> Any:
    """The storage at an address, or a journal file without one. Raises `CharloomError`.

    A database that does not answer later on is waited for until `stop` is set.
    """
    optuna = require_optuna()
    if address is None:
        return optuna.storages.JournalStorage(_journal(journal))
    where = parse_address(address)
    return patient(_database(where), Insistence(where, stop, say))


def _database(where: Address) -> Any:
    optuna = require_optuna()
    try:
        import psycopg  # noqa: F401
        import sqlalchemy
    except ImportError:
        raise MissingExtraError("a storage in PostgreSQL", "tune") from None
    restarting, chances, until = False, CHANCES, time.monotonic() + RESTART_SECONDS
    while True:
        try:
            url = where.url.replace(SCHEME, "postgresql+psycopg://", 1)
            storage = optuna.storages.RDBStorage(url, engine_kwargs=engine_settings(where.url))
            weakref.finalize(storage, storage.engine.dispose)  # connections are closed, not just forgotten
            return optuna.storages.get_storage(storage)
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError) as error:
            chances -= 1
            if not chances:
                raise _unusable(where, error) from None
            time.sleep(CHANCE_SECONDS)  # two workers created the tables at the same moment
        except Exception as error:  # any error: a traceback might show the address
            restarting = restarting or is_restarting(error)
            if not restarting or time.monotonic() > until:
                raise _unusable(where, error) from None
            time.sleep(CHANCE_SECONDS)


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
    return SettingsError(f"the storage {where.shown} cannot be used: {reason(error, where)}; check the address")


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
        raise StorageError(
            f"the storage {where.shown} failed: {reason(error, where)}; what has ended is kept; continue when it "
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

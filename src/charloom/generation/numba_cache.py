"""Where numba keeps what it has compiled: in a folder of its own for every state of these sources.

numba decides by the file of a function whether its cache is fresh, and does not see that a function or a type of
another file has changed: it would run the old code, or fail to read its index. A folder whose name depends on all of
them is never stale.
"""

import functools
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import njit

from charloom.version import __version__

_HERE = Path(__file__).parent

_SETTINGS: Any = numba.config


def compiled(**options: Any) -> Callable[[Any], Any]:
    """`numba.njit` with a cache. Raises numba's `RuntimeError` if there is no folder for it."""

    def decorate(function: Any) -> Any:
        before = _SETTINGS.CACHE_DIR
        _SETTINGS.CACHE_DIR = folder() or before  # read while a function is decorated, and not later
        try:
            return njit(cache=True, **options)(function)
        finally:
            _SETTINGS.CACHE_DIR = before

    return decorate


@functools.cache
def folder() -> str | None:
    """The folder: in the one that numba was given, next to the sources, or among the user's; None without any."""
    import platformdirs

    given = [_SETTINGS.CACHE_DIR] if _SETTINGS.CACHE_DIR else []
    for place in (*given, _HERE / "__pycache__", platformdirs.user_cache_path("charloom")):
        made = Path(place) / f"numba-{stamp(_HERE)}"
        try:
            made.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=made).close()
        except OSError:
            continue
        return str(made)
    return None


def stamp(sources: Path) -> str:
    """A name for the state of the compiled sources in a folder."""
    state = hashlib.sha256(__version__.encode())
    for path in sorted(sources.glob("numba_*.py")):
        state.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return state.hexdigest()[:16]

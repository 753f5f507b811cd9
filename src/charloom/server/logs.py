"""The log on standard error: one line for a record, whatever a client sent, and never the key."""

import logging
import sys
import time
import traceback

from starlette.types import Scope

LOG = logging.getLogger("charloom.server")
"""The server's own messages."""

ACCESS = logging.getLogger("charloom.server.access")
"""One line for each request."""

_LONGEST_PATH = 200


class OneLine(logging.Formatter):
    """Escapes whatever could end a line or change a terminal; the lines of a traceback are indented."""

    def __init__(self, key: bytes | None = None) -> None:
        super().__init__()
        self._key = key.decode() if key else None

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        lines = [f"{when} {record.levelname.lower()}: {record.getMessage()}"]
        if record.exc_info and record.exc_info[0] is not None:
            for part in traceback.format_exception(*record.exc_info):
                lines += [f"    {line}" for line in part.rstrip("\n").split("\n")]
        text = "\n".join(map(escaped, lines))
        return text.replace(self._key, "[key]") if self._key else text


def escaped(text: str) -> str:
    """The text in printable ASCII, everything else escaped."""
    return "".join(
        character if " " <= character <= "~" else character.encode("unicode_escape").decode() for character in text
    )


def set_up(key: bytes | None, *, access: bool = True) -> None:
    """Let the server's messages, and uvicorn's errors, go to standard error. `access`: also a line for each request."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(key))
    for name, level in (("charloom.server", logging.INFO), ("uvicorn", logging.ERROR), ("asyncio", logging.ERROR)):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(level)
    ACCESS.setLevel(logging.INFO if access else logging.CRITICAL)


def log_request(scope: Scope, status: int, seconds: float) -> None:
    """Write the line of a request that was answered: who, what, the status, and how long it took."""
    client = scope.get("client") or ("?", 0)
    path = scope["path"][:_LONGEST_PATH]
    ACCESS.info('%s "%s %s" %s in %.3f s', client[0], scope["method"][:20], path, status or "left", seconds)

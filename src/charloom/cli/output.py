"""Results on standard output, one JSON value per line; everything else on standard error."""

import json
import re
import sys
from typing import Any, TextIO

_SURROGATE = re.compile("[\ud800-\udfff]")


def print_json(value: Any, *, file: TextIO | None = None) -> None:
    """Print one JSON value on standard output, or into `file`."""
    print(dumped(value), file=file, flush=True)


def dumped(value: Any) -> str:
    """A JSON value on one line; what UTF-8 cannot hold, such as bytes of a file's name, is escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(message: str) -> None:
    """Print a line on standard error."""
    print(message, file=sys.stderr, flush=True)


def stopped(session: Any, again: str) -> str:
    """The message of an interrupted training: up to which step it is saved, and how to resume."""
    step, saved = session.trainer.step, session.saved_step
    how_far = "all saved" if saved == step else f"saved up to step {saved:,}; the steps after that will be repeated"
    return f"stopped at step {step:,} of {session.trainer.total:,}, {how_far}; resume with: {again}"

"""Results on standard output, one JSON value a line; what is said beside them on standard error."""

import json
import sys
from typing import Any, TextIO


def print_json(value: Any, *, file: TextIO | None = None) -> None:
    """One JSON value on standard output, or in `file`."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False), file=file, flush=True)


def say(message: str) -> None:
    """A line on standard error."""
    print(message, file=sys.stderr, flush=True)

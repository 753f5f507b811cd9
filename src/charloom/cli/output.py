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


def stopped(session: Any, again: str) -> str:
    """What a training that was interrupted says: up to which step it is saved, and how to go on."""
    step, saved = session.trainer.step, session.saved_step
    how_far = "all saved" if saved == step else f"saved up to step {saved:,}; the steps after it will be done again"
    return f"stopped at step {step:,} of {session.trainer.total:,}, {how_far}; go on with: {again}"

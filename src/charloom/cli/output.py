"""Results on standard output, one JSON value per line; everything else on standard error."""

import json
import sys
from typing import Any, TextIO


def print_json(value: Any, *, file: TextIO | None = None) -> None:
    """Print one JSON value on standard output, or into `file`."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False), file=file, flush=True)


def say(message: str) -> None:
    """Print a line on standard error."""
    print(message, file=sys.stderr, flush=True)


def stopped(session: Any, again: str) -> str:
    """The message of an interrupted training: up to which step it is saved, and how to resume."""
    step, saved = session.trainer.step, session.saved_step
    how_far = "all saved" if saved == step else f"saved up to step {saved:,}; the steps after that will be repeated"
    return f"stopped at step {step:,} of {session.trainer.total:,}, {how_far}; resume with: {again}"

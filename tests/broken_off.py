"""An exception at any line of our code: what a signal, or memory that runs out, can do at any moment."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

SOURCE = Path(__file__).resolve().parents[1] / "src" / "charloom"


@contextmanager
def raising_at(line: int, error: Callable[[], BaseException], *files: str) -> Iterator[list[str]]:
    """Raise `error()` before the n-th executed line (from 1; 0 for never) in these files of ours.

    Yields the lines so far, as file:number. Lines of a `finally` and of a context manager's exit count like any other.
    """
    wanted = {str(SOURCE / name) for name in files}
    seen: list[str] = []

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in wanted:
            return None
        if event == "line":
            seen.append(f"{Path(frame.f_code.co_filename).relative_to(SOURCE).as_posix()}:{frame.f_lineno}")
            if len(seen) == line:
                raise error()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield seen
    finally:
        sys.settrace(before)
        torch.set_grad_enabled(True)  # if interrupted at its very end, a `no_grad` would persist

"""A process from which commands are forked; a child has its own streams, folder and environment, and an exit code."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

IMPORTED = (
    *("torch._dynamo", "matplotlib.pyplot", "charloom.training.start", "charloom.classify.experiment"),
    *("charloom.correct.corrector", "charloom.complete.completer", "charloom.models.language_model"),
)
"""What commands import while they work."""


def import_everything() -> None:
    """Import what commands need, so that no child has to."""
    from charloom.cli.main import VERBS

    for module in (*(f"charloom.cli.{verb}" for verb in VERBS), *IMPORTED):
        importlib.import_module(module)


def become(
    work: Callable[[], int | None], *, streams: Iterable[int], folder: str, environment: Mapping[str, str]
) -> NoReturn:
    """Do `work` and exit with its code, 0 for None, or with that of `SystemExit`; 70 after any other exception.

    `streams`: descriptors for standard input, output and error.
    """
    code = 70
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        code = work() or 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

"""Runs commands whose standard output or standard error cannot be written. Prints how each ended.

Usage: python tests/doors.py FOLDER <cases.json, a list of [door, arguments]

A separate process, because it forks: each command starts with everything imported, and has its own descriptors.
"""

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from charloom.cli.main import main
from forked import import_everything

FULL = "/dev/full"


def redirect(door: str, folder: Path) -> None:
    """Give this process the standard streams of a case, as Python finds them when it starts."""
    out = os.open(folder / "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    err = os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    if door == "output full":
        out = os.open(FULL, os.O_WRONLY)
    elif door == "errors full":
        err = os.open(FULL, os.O_WRONLY)
    elif door == "nobody reads":
        reading, out = os.pipe()
        os.close(reading)
    elif door == "nobody reads errors":
        reading, err = os.pipe()
        os.close(reading)
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout = sys.__stdout__ = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)))  # type: ignore[misc]
    sys.stderr = io.TextIOWrapper(io.BufferedWriter(io.FileIO(2, "w", closefd=False)), line_buffering=True)
    if door == "output closed":
        os.close(1)
        sys.stdout = None  # type: ignore[assignment]
    elif door == "errors closed":
        os.close(2)
        sys.stderr = None  # type: ignore[assignment]


def command(door: str, arguments: list[str], folder: Path) -> None:
    """Run one command and exit as Python does, with 120 if the output cannot be flushed at the end."""
    redirect(door, folder)
    code: Any = 1
    try:
        main(arguments)
    except SystemExit as leaving:
        code = leaving.code
    except BaseException as error:
        print(f"Traceback of {error!r}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            code = 120
    os._exit(code)


def tried(door: str, arguments: list[str], folder: Path) -> dict[str, Any]:
    child = os.fork()
    if child == 0:
        try:
            command(door, arguments, folder)
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": (folder / "stdout").read_text(errors="replace"),
        "err": (folder / "stderr").read_text(errors="replace"),
    }


if __name__ == "__main__":
    import_everything()
    cases = json.load(sys.stdin)
    here = Path(sys.argv[1])
    os.chdir(here)
    print(json.dumps([tried(door, arguments, here) for door, arguments in cases]))

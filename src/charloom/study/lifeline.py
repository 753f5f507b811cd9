"""How a trial learns that the study which began it is gone, however it went: the two share a pipe.

The study holds the only writing end of its trial's standard input and writes nothing. The system closes that end when the
study's process ends for whatever reason, SIGKILL included; the trial, which reads, sees the end of its input, saves and
ends. A study that wants a trial to stop closes the pipe itself. This works wherever there are pipes, needs no process
group, and leaves no moment uncovered: a study that dies before its trial looks is noticed at the first look.
"""

import os
import signal
import sys
import threading
import time

PATIENCE_SECONDS = 30.0
"""A trial that has not ended so long after it was told to is stuck, and is ended without saving."""


def follow() -> None:
    """Let SIGTERM be raised in this process when its standard input ends; the process is a trial's."""
    threading.Thread(target=_follow, args=(sys.stdin.fileno(),), daemon=True).start()


def _follow(file: int) -> None:
    while os.read(file, 4096):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os._exit(128 + signal.SIGTERM)

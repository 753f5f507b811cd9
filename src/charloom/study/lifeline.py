"""How a trial learns that its study is gone, for whatever reason: the two share a pipe.

The study holds the only writing end of its trial's standard input and writes nothing. The system closes that end when
the study's process ends for any reason, SIGKILL included. The trial, which reads, then sees the end of its input, saves
and exits. To stop a trial, the study closes the pipe itself. This works wherever there are pipes, needs no process
group, and leaves no gap: if a study dies before its trial starts reading, the trial notices at its first read.
"""

import os
import signal
import sys
import threading
import time

PATIENCE_SECONDS = 30.0
"""A trial that has not ended after this many seconds is stuck, and is killed without saving."""


def follow() -> None:
    """Raise SIGTERM in this process, a trial's, when its standard input ends."""
    threading.Thread(target=_follow, args=(sys.stdin.fileno(),), daemon=True).start()


def _follow(file: int) -> None:
    while os.read(file, 4096):
        pass
    signal.raise_signal(signal.SIGTERM)
    time.sleep(PATIENCE_SECONDS)
    os._exit(128 + signal.SIGTERM)

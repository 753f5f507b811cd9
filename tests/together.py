"""Processes that train together, each forked from one that has imported torch but never computes.

torchrun would start a new Python for each of them, which takes seconds; here it takes a hundredth of that.
"""

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forked import become

PATIENCE = 120.0
"""Seconds after which a process counts as hanging."""


@dataclass
class Ended:
    """How one of the processes ended."""

    code: int
    "Its exit code, or minus the number of the signal that killed it."
    out: str
    err: str


class Team:
    """The processes of one training, all started with the same arguments."""

    def __init__(self, forge: "Forge", pids: list[int], outputs: list[Path]) -> None:
        self._forge, self.pids, self._outputs = forge, pids, outputs

    def send(self, number: int, *ranks: int) -> None:
        """Send a signal to some of the processes, or to all."""
        for rank in ranks or range(len(self.pids)):
            os.kill(self.pids[rank], number)

    def said(self, rank: int) -> str:
        """What a process has written to its standard error so far."""
        return Path(f"{self._outputs[rank]}.err").read_text()

    def wait(self) -> list[Ended]:
        """Wait until all have ended. Raises `TimeoutError`, and leaves none behind."""
        statuses = self._forge.ask({"wait": self.pids})
        if None in statuses:
            raise TimeoutError(f"processes hang: {statuses}")
        return [
            Ended(status, Path(f"{output}.out").read_text(), Path(f"{output}.err").read_text())
            for status, output in zip(statuses, self._outputs, strict=True)
        ]


class Forge:
    """A process from which others are forked."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TORCH_CPP_LOG_LEVEL": "ERROR"},
        )

    def start(self, count: int, folder: Path, *arguments: object, **environment: str) -> Team:
        """Start `count` processes with these arguments for charloom, in a folder; a count of 1 trains alone.

        In the environment, `rank1_NAME=…` is for process 1 alone; `rank1_FOLDER` is where it starts.
        """
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        outputs = [folder / f"output-{port}-{rank}" for rank in range(count)]
        pids = []
        for rank in range(count):
            together = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
            words = [str(argument) for argument in arguments]
            mark = f"rank{rank}_"
            own = {name.removeprefix(mark): value for name, value in environment.items() if name.startswith(mark)}
            everyone = {name: value for name, value in environment.items() if not name.startswith("rank")}
            start = {"arguments": words, "folder": own.get("FOLDER", str(folder)), "output": str(outputs[rank])}
            pids.append(self.ask(start | {"environment": (together if count > 1 else {}) | everyone | own}))
        return Team(self, pids, outputs)

    def run(self, count: int, folder: Path, *arguments: object, **environment: str) -> list[Ended]:
        """Start processes and wait until all have ended."""
        return self.start(count, folder, *arguments, **environment).wait()

    def ask(self, question: dict[str, Any]) -> Any:
        assert self._server.stdin is not None and self._server.stdout is not None
        print(json.dumps(question), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())

    def kill(self) -> None:
        """End without a word to the processes that were started."""
        self._server.kill()
        self._server.wait()
        self.close()

    def close(self) -> None:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()


def _serve() -> None:
    import torch
    import torch._dynamo  # otherwise the first step imports it, in every process again

    import charloom.cli.train
    import charloom.training.train  # noqa: F401

    torch.set_num_threads(1)
    for line in sys.stdin:
        question = json.loads(line)
        answer = _wait(question["wait"]) if "wait" in question else _fork(question)
        print(json.dumps(answer), flush=True)


def _fork(start: dict[str, Any]) -> int:
    pid = os.fork()
    if pid == 0:
        files = (os.devnull, start["output"] + ".out", start["output"] + ".err")
        become(
            lambda: _work(start["arguments"]),
            streams=(os.open(name, os.O_RDWR | os.O_CREAT, 0o644) for name in files),
            folder=start["folder"],
            environment=os.environ | start["environment"],
        )
    return pid


def _work(arguments: list[str]) -> int:
    from charloom.cli.main import run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    _hurry()
    if "SCRIPT" not in os.environ:
        return run(arguments)
    runpy.run_path(arguments[0])
    return 0


def _hurry() -> None:
    """Wait less for others, and write without flushing."""
    from charloom.storage.atomic_files import Disk

    Disk.force = Disk.force_folder = lambda self, place: None  # type: ignore[assignment,method-assign]


def _wait(pids: list[int]) -> list[int | None]:
    end, codes = time.monotonic() + PATIENCE, dict.fromkeys(pids)
    while None in codes.values() and time.monotonic() < end:
        for pid in [pid for pid, code in codes.items() if code is None]:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[pid] = os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    for pid in [pid for pid, code in codes.items() if code is None]:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [codes[pid] for pid in pids]


if __name__ == "__main__":
    _serve()

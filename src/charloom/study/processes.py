"""A trial as a separate process: `charloom train`, with every setting on its command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields

from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.study.folders import StudyFolder
from charloom.study.trials import Request, Study, Trial

POLL_SECONDS = 0.05

COMPLAINT, MENDABLE, LONGEST = "charloom: ", 2, 500
"""How the command line starts an error message, its exit code then, and how much of a message is kept."""

_OUTSIDE = [
    getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGKILL", "SIGTERM") if hasattr(signal, name)
]
INTERRUPTED = {code for number in _OUTSIDE for code in (-number, 128 + number)}
"""Exit codes of a process that was ended from outside."""


def command(study: Study, trial: Trial, folder: StudyFolder) -> list[str]:
    """The command that trains a trial, or continues it."""
    run = folder.run(trial.name).resolve()
    start = [sys.executable, "-m", "charloom.cli.trial", "train"]
    if (run / "config.json").exists():
        return [*start, "--resume", "--run", str(run), "--json"]
    request = study.request
    text = str(folder.path.resolve() / "text.txt") if study.source == "copy" else study.source.removeprefix("corpus ")
    return [
        *(*start, text, "--run", str(run), *length(request, trial)),
        *flags("", request.corpus),
        *flags("network.", trial.network),
        *flags("training.", trial.training),
        *("--device", request.device, "--precision", request.precision, "--json"),
    ]


def length(request: Request, trial: Trial) -> list[str]:
    """The flag that sets the length of a trial's training."""
    if request.budget_seconds is not None:
        return ["--time-budget", f"{request.budget_seconds:.3f}s"]
    return ["--steps", str(steps(request, trial))]


def steps(request: Request, trial: Trial) -> int:
    """Number of steps that see a given number of characters."""
    return max(1, round((request.characters or 0) / (trial.training.batch_size * trial.training.sequence_length)))


def flags(prefix: str, config: CorpusConfig | NetworkConfig | TrainingConfig) -> list[str]:
    """Every field of a configuration as a flag that is read back as the same value."""
    made: list[str] = []
    for field in fields(config):
        value, name = getattr(config, field.name), f"--{prefix}{field.name.replace('_', '-')}"
        if isinstance(value, bool):
            made += [name] if value else []
        elif isinstance(value, tuple):
            made += [name, ",".join(repr(part) for part in value)]
        else:
            made += [name, str(value)]
    return made


class Process:
    """A training that runs next to this process, and ends when this one does (`charloom.study.lifeline`)."""

    def __init__(self, arguments: list[str], folder: StudyFolder, name: str, threads: int | None) -> None:
        environment: Mapping[str, str] = os.environ
        if threads is not None:
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.name, self.began = name, time.monotonic()
        self._log = folder.log(name, "txt")
        with self._log.open("ab") as errors, folder.log(name, "json").open("wb") as results:
            self._begins = errors.tell()
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=results,
                stderr=errors,
                env=environment,
                start_new_session=os.name == "posix",  # Ctrl-C reaches it through us, once
            )

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended."""
        code = self._process.poll()
        if code is not None:
            self.let_go()
        return code

    @property
    def seconds(self) -> float:
        """Seconds since it started."""
        return time.monotonic() - self.began

    @property
    def interrupted(self) -> bool:
        """Whether it was ended from outside; what it trained is then fine."""
        return self.code in INTERRUPTED

    def error(self) -> str:
        """Why it failed, in one line: its error message, its exception, or the signal that ended it."""
        code = self.code or 0
        if code < 0 or self.interrupted:
            return f"it was ended by {_signal(code)}"
        with self._log.open("rb") as log:
            log.seek(self._begins)
            lines = log.read().decode("utf-8", errors="replace").splitlines()
        sentences = [line.removeprefix(COMPLAINT) for line in lines if line.startswith(COMPLAINT)]
        if code == MENDABLE and sentences:
            return sentences[-1][:LONGEST]
        tracebacks = [number for number, line in enumerate(lines) if line.startswith("Traceback ")]
        if tracebacks:
            for line in lines[tracebacks[-1] + 1 :]:
                if line and not line.startswith(" "):
                    return line[:LONGEST]
        return f"its process ended with exit code {code}; its output is in {self._log}"

    def let_go(self) -> None:
        """Tell it to save and exit."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> None:
        """Return when it has ended."""
        self._process.wait()
        self.let_go()

    def kill(self) -> None:
        """Kill it as it is; it can resume from its last checkpoint."""
        self._process.kill()


def stop(processes: Sequence[Process]) -> None:
    """Tell processes to save and exit, and wait for all; if interrupted meanwhile, kill them without saving."""
    try:
        for process in processes:
            process.let_go()
        for process in processes:
            process.wait()
    except KeyboardInterrupt:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        raise


def _signal(code: int) -> str:
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"

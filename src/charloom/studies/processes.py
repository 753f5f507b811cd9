"""A trial as a process of its own: `charloom train`, with every setting on its command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import fields

from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.studies.folders import StudyFolder
from charloom.studies.trials import Request, Study, Trial

POLL_SECONDS = 0.05


def command(study: Study, trial: Trial, folder: StudyFolder) -> list[str]:
    """The command that trains a trial, or that goes on with it."""
    run = folder.run(trial.name).resolve()
    start = [sys.executable, "-m", "charloom", "train"]
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
    """The flag that says how long a trial is trained."""
    if request.budget_seconds is not None:
        return ["--time-budget", f"{request.budget_seconds:.3f}s"]
    return ["--steps", str(steps(request, trial))]


def steps(request: Request, trial: Trial) -> int:
    """Steps that see so many characters."""
    return max(1, round((request.characters or 0) / (trial.training.batch_size * trial.training.sequence_length)))


def flags(prefix: str, config: CorpusConfig | NetworkConfig | TrainingConfig) -> list[str]:
    """Every field of a configuration as a flag; what it says is read back as the same value."""
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
    """A training that goes on beside this process."""

    def __init__(self, arguments: list[str], folder: StudyFolder, name: str, threads: int | None) -> None:
        environment: Mapping[str, str] = os.environ
        if threads is not None:
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.name, self.began = name, time.monotonic()
        self._log = folder.log(name, "txt")
        with self._log.open("wb") as errors, folder.log(name, "json").open("wb") as results:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=results,
                stderr=errors,
                env=environment,
                start_new_session=os.name == "posix",  # Ctrl-C reaches it through us, once
            )

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def last_words(self) -> str:
        """The last line that it said."""
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1].removeprefix("charloom: ")[:500] if lines else "it said nothing"

    def stop(self) -> None:
        """Let it save and end, and wait until it has."""
        if self._process.poll() is None:
            if os.name == "posix":
                self._process.send_signal(signal.SIGINT)
            else:
                self._process.terminate()
        try:
            self._process.wait()
        except KeyboardInterrupt:
            self._process.kill()
            self._process.wait()
            raise

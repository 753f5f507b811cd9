"""Runs so small that hundreds of them can be broken, a definition of equal runs, and a watched disk."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from charloom.data.corpus import Corpus
from charloom.data.datasets import dataset
from charloom.data.text_sources import string_corpus
from charloom.settings import Cell, CorpusConfig, DocumentKind, NetworkConfig, TrainingConfig
from charloom.storage.atomic_files import Disk
from charloom.training import start
from charloom.training.loop import SaveEvery
from charloom.training.request import Length, RunRequest
from charloom.training.session import Session

NOT_COMPARED = {"clock.jsonl", "lock"}
"""Files of a run that depend on the clock, or on who trains; they must exist, but not be equal."""


@dataclass(frozen=True)
class TinyRun:
    """The training. Its text is read a bit more than once, so that an epoch ends within the run."""

    cell: Cell = "lstm"
    documents: DocumentKind = "none"
    characters: int = 2000
    hidden_size: int = 10
    steps: int = 12
    validations: int = 3
    save_every: int = 3
    extended_to: int | None = None
    "Steps that are requested when the run is resumed."

    def begin(self, path: Path | None, disk: Disk | None = None, corpus: Corpus | None = None) -> Session:
        config = CorpusConfig(documents=self.documents)
        request = RunRequest(
            config,
            NetworkConfig(cell=self.cell, hidden_size=self.hidden_size, embedding_size=4, dropout=0.3),
            TrainingConfig(batch_size=8, sequence_length=24, validations=self.validations, learning_rate=0.02),
            length=Length(steps=self.steps),
            device="cpu",
            precision="float32",
        )
        return start.begin(
            corpus or string_corpus(sample_text(self.characters), config),
            request,
            run=path,
            save_every=SaveEvery(steps=self.save_every),
            disk=disk or WatchedDisk(),
        )

    def go_on(self, path: Path, disk: Disk | None = None) -> Session:
        """Do what a user does with a broken run: resume it, or start it if it never started."""
        if not (path / "config.json").exists():
            return self.begin(path, disk)
        save_every = SaveEvery(steps=self.save_every)
        length = Length(steps=self.extended_to)
        return start.resume(path, length, save_every=save_every, disk=disk or WatchedDisk())


def finish(session: Session) -> None:
    """Train to the end."""
    for _ in session.events():
        pass


@cache
def sample_text(characters: int) -> str:
    """A text of n characters, the same each time."""
    whole = "".join(data.decode() for _, data in dataset("python-docs").read())
    return whole[20_000 : 20_000 + characters]


class Difference(NamedTuple):
    """A difference between a run and an uninterrupted one."""

    kind: str
    "differing, missing or stray, of a file; lost or doubled, of a line."
    what: str


def differences(run: Path, unbroken: Path) -> list[Difference]:
    """How `run` differs from an uninterrupted run: in any byte of any file, and in the lines of its logs."""
    mine, theirs = ({str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in (run, unbroken))
    found = [Difference("stray", name) for name in sorted(mine - theirs)]
    found += [Difference("missing", name) for name in sorted(theirs - mine)]
    for name in sorted((mine & theirs) - NOT_COMPARED):
        if (unbroken / name).is_file() and _bytes(run / name) != _bytes(unbroken / name):
            found.append(Difference("differing", name))
    for lines in (_metrics_lines, _clock_lines):
        here, there = lines(run), lines(unbroken)
        found += [Difference("doubled", line) for line in (here - there).elements()]
        found += [Difference("lost", line) for line in (there - here).elements()]
    return found


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _metrics_lines(run: Path) -> Counter[str]:
    data = _bytes(run / "metrics.jsonl") or b""
    return Counter(data.decode(errors="replace").splitlines())


def _clock_lines(run: Path) -> Counter[str]:
    """The steps at which the clock was read; the times differ in each run."""
    data = _bytes(run / "clock.jsonl") or b""
    return Counter(f"clock of step {_step(line)}" for line in data.splitlines())


def _step(line: bytes) -> Any:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return line


def remove(path: Path) -> None:
    """Remove a run, if it is there."""
    if path.exists():
        shutil.rmtree(path)


class WatchedDisk(Disk):
    """A disk of which every operation passes through `operation`.

    It flushes nothing: neither a kill nor an error loses what the system has in memory, and flushing takes most of the
    time.
    """

    def __init__(self) -> None:
        self.operations: list[str] = []
        "Names of the operations so far."

    def operation(self, name: str, perform: Callable[..., Any], *arguments: Any) -> Any:
        self.operations.append(name)
        return perform(*arguments)

    def open(self, path: Path, flags: int) -> int:
        return self.operation("open", super().open, path, flags)

    def write(self, file: int, data: memoryview) -> int:
        return self.operation("write", super().write, file, data)

    def force(self, file: int) -> None:
        self.operation("force", lambda file: None, file)

    def truncate(self, file: int, size: int) -> None:
        self.operation("truncate", super().truncate, file, size)

    def close(self, file: int) -> None:
        self.operation("close", super().close, file)

    def rename(self, source: Path, target: Path) -> None:
        self.operation("rename", super().rename, source, target)

    def remove(self, path: Path) -> None:
        self.operation("remove", super().remove, path)

    def make_folder(self, path: Path) -> None:
        self.operation("make_folder", super().make_folder, path)

    def remove_folder(self, path: Path) -> None:
        self.operation("remove_folder", super().remove_folder, path)

    def force_folder(self, path: Path) -> None:
        self.operation("force_folder", lambda path: None, path)


EVERY_OPERATION = {"open", "write", "force", "truncate", "close", "rename", "make_folder", "force_folder"}
"""The disk operations of a training that nothing interrupts."""

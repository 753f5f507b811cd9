"""What the leader of several processes has them train: a trainer like its own, and the state from which it starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.machine.hardware import choose_precision
from charloom.models.language_model import as_tensors, pack
from charloom.models.model_folder import VocabularyRecord
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.storage import strict_json
from charloom.storage.tensor_files import unpack
from charloom.training.checkpoints import GROUPS
from charloom.training.processes import STATE, TASK, Processes
from charloom.training.trainer import Trainer, TrainerState

LARGEST_TASK = 64 << 20
"""Bytes of a task; most of it is the vocabulary."""


@dataclass(frozen=True)
class SharedText:
    """The text that every process reads for itself."""

    source: str
    "A path, 'corpus NAME', or 'copy' for the run's copy of a text without a file."
    copy: str
    "Where the run has that copy; empty before there is a run."
    name: str
    sha256: str
    vocabulary: VocabularyRecord


@dataclass(frozen=True)
class Task:
    """Everything that a trainer depends on, except its state."""

    corpus: CorpusConfig
    network: NetworkConfig
    training: TrainingConfig
    steps: int
    device: str
    precision: Literal["float32", "bfloat16"]
    text: SharedText | None
    "None for a text of random symbols, on which speed is measured."
    random_characters: int = 0
    "Length of that text."


def assign(processes: Processes | None, task: Task) -> None:
    """Have the other processes build this trainer, while the leader builds its own. Raises `ProcessesError`."""
    if processes is not None:
        with processes.ordered(TASK, strict_json.dump(task)):
            processes.roll(lambda: None)


def read_task(data: bytes) -> Task:
    """The task that the leader sent."""
    where = "what process 0 sent"
    return strict_json.load(Task, strict_json.parse(data, where, largest=LARGEST_TASK), where)


def send_state(processes: Processes | None, trainer: Trainer, run: Path) -> None:
    """Have the trainers of the other processes go on from the state of the leader's, which writes `run`.

    Raises `ProcessesError`.
    """
    if processes is None:
        return
    state = trainer.state()
    where = {"step": state.step, "characters_seen": state.characters_seen, "run": str(run.resolve())}
    with processes.ordered(STATE, strict_json.dump(where)):
        for group in GROUPS:
            processes.tell(pack(getattr(state, group)))


def receive_state(processes: Processes, trainer: Trainer, content: bytes) -> Path:
    """Let `trainer` go on from the state that the leader sends; returns the run."""
    where = "what process 0 sent"
    counts = strict_json.parse(content, where)
    expected = trainer.expected_tensors(counts["step"])
    groups = {group: as_tensors(unpack(processes.tell(), expected[group], where)) for group in GROUPS}
    trainer.restore(TrainerState(counts["step"], counts["characters_seen"], **groups))
    return Path(counts["run"])


def demand_rows(processes: Processes | None, streams: int) -> None:
    """Raise `SettingsError` unless each process has at least one row of its own."""
    if processes is not None and processes.count > streams:
        raise SettingsError(
            f"{processes.count} processes share {streams} parallel streams, so some would have none; start at most "
            f"{streams}, or raise {option('training.batch_size')} if the text is long enough"
        )


def demand_device(processes: Processes | None, device: str) -> None:
    """Raise `SettingsError` if several processes cannot train on such a device, or this one has none of its own."""
    if processes is None or device == "cpu":
        return
    if device != "cuda":
        raise SettingsError(f"several processes cannot train together on {device}; use {option('device', 'cpu')}")
    gpus = torch.cuda.device_count()
    if processes.launch.local_rank >= gpus:
        raise SettingsError(
            f"this machine has {gpus} GPUs, too few for one for each process; start at most that many on a machine, or "
            f"use {option('device', 'cpu')}"
        )


def demand_precision(task: Task) -> None:
    """Raise `SettingsError` if this process does not have the number format that the leader trains in."""
    if task.precision == "float32":
        return
    here = choose_precision("auto", task.device, task.network.cell, task.network.hidden_size)
    if here.name != task.precision:
        raise SettingsError(
            f"{here.reason}, but process 0 trains in {task.precision}; use {option('precision', 'float32')}, or, to "
            "resume a run, let this machine have process 0"
        )

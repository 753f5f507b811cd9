"""A run: one directory that holds everything about a training.

config.json        what is trained, how, on which text; written before the first step, when all else is there
text.txt           a copy of the text, only if it came from standard input or from a string
metrics.jsonl      a line for each interval of steps and for each validation; depends on the step alone
clock.jsonl        how long it took; the only file here that depends on the clock
model/             the best model so far, a folder of its own (charloom.models.language_model)
checkpoint.safetensors, and the one before it    everything needed to go on (charloom.training.checkpoints)
lock               held while a process trains into this run
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import filelock

from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError, StorageError, arguments, shown
from charloom.errors.options import option
from charloom.machine.notebook import table
from charloom.models.model_folder import ModelPlace, is_classifier, model_folder, of_language_model, read_model_file
from charloom.places.located import lasting_name, located
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints
from charloom.training.kept import kept
from charloom.training.recipes import Recipe

if TYPE_CHECKING:
    from charloom.models.language_model import LanguageModel

LARGEST_METRICS = 1 << 30
_BEGUN = {"lock", "text.txt", "launch.txt", "model", checkpoints.FILE}
"""What a run has before its configuration is written, and counts as begun."""


@dataclass(frozen=True)
class CorpusRecord:
    """The text that a run is trained on."""

    name: str
    source: str
    "Where to read it again: a path, 'corpus NAME', or 'copy' for the run's text.txt."
    sha256: str
    characters: int
    bytes: int
    texts: int
    distinct_symbols: int
    unseen_in_training: int
    "Symbols of the vocabulary that are missing from the training part."
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What was decided before the first step, so that everything after it depends on the step alone."""

    steps: int
    steps_per_epoch: int
    streams: int
    log_every: int
    validate_every: int
    validation_characters: int
    "How much of the validation text is read during the run, folded, in pieces spread over it; 0 if there is none."
    final_validation: Literal["carried", "folded", "none"]
    device: str
    precision: Literal["float32", "bfloat16"]
    precision_reason: str
    budget_seconds: float | None
    recipe: Recipe | None
    "What was chosen for the user, and why."
    parameters: int

    def __post_init__(self) -> None:
        counts = ("steps", "steps_per_epoch", "streams", "log_every", "validate_every")
        strict_json.require_at_least(self, 1, *counts, prefix="plan.")
        strict_json.require_at_least(self, 0, "validation_characters", prefix="plan.")


@dataclass(frozen=True)
class Origin:
    """The model that fine-tuning started from."""

    path: str
    sha256: str
    "Of its file of weights."
    new_symbols: int
    "Symbols of the text that it did not know."

    @classmethod
    def of(
        cls, path: str | PathLike[str] | None, parent: "LanguageModel | None", vocabulary: Vocabulary
    ) -> "Origin | None":
        """The record of a parent loaded from `path`, for a model with this vocabulary; None without a parent."""
        if path is None or parent is None:
            return None
        new = set(vocabulary.characters) - set(parent.vocabulary.characters)
        with (model_folder(path) / "model.safetensors").open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(lasting_name(path), sha256, len(new))


@dataclass(frozen=True)
class RunConfig:
    """The content of a run's `config.json`."""

    text: CorpusRecord
    corpus: CorpusConfig
    "How the text is read, split and encoded."
    network: NetworkConfig
    training: TrainingConfig
    plan: Plan
    origin: Origin | None
    "Where the first weights came from; None for fresh ones."
    charloom: str
    "Version that started the run."
    format: Literal["charloom-run-1"] = "charloom-run-1"


@dataclass(frozen=True)
class Run:
    """A run directory."""

    path: Path

    @property
    def model(self) -> Path:
        """The model folder."""
        return self.path / "model"

    def config(self) -> RunConfig:
        """The configuration. Raises `FolderError` if this is not a run directory."""
        demand_directory(self.path, "charloom train TEXT")
        where = str(self.path / "config.json")
        parsed = strict_json.parse(read_model_file(self.path, "config.json", strict_json.LARGEST_JSON), where)
        if isinstance(parsed, dict) and parsed.get("format") == "charloom-model-1":
            raise FolderError(f"{self.path} is a model folder, which has no record of its training; name its run")
        return strict_json.load(RunConfig, of_language_model(parsed, self.path), where)

    def metrics(self) -> list[dict[str, Any]]:
        """The complete lines of metrics.jsonl. Raises `FolderError`."""
        return read_lines(self.path / "metrics.jsonl", _has_figures)

    def clock(self) -> list[dict[str, Any]]:
        """The complete lines of clock.jsonl. Raises `FolderError`."""
        return read_lines(self.path / "clock.jsonl", lambda line: _is_number(line.get("seconds")))

    def seconds(self) -> float:
        """How long the run was trained, over all its sessions."""
        lines = self.clock()
        return float(lines[-1]["seconds"]) if lines else 0.0

    def processes(self) -> int:
        """How many processes trained it last."""
        lines = self.clock()
        return int(lines[-1].get("processes", 1)) if lines else 1

    def step(self) -> int:
        """The step of the current checkpoint; without a readable one, the last step in metrics.jsonl."""
        try:
            return checkpoints.saved_step(self.path)
        except FolderError:
            return max((line["step"] for line in self.metrics()), default=0)

    def _repr_markdown_(self) -> str:
        config, metrics = self.config(), self.metrics()
        last = next((line for line in reversed(metrics) if "loss_nats" in line), None)
        network, best = config.network, kept(metrics)
        figures = {
            "text": f"{config.text.name}, {config.text.characters:,} characters",
            "network": f"{network.layers} x {network.hidden_size} {network.cell}, "
            f"{config.plan.parameters:,} parameters",
            "steps": f"{self.step():,} of {config.plan.steps:,}",
        }
        if last is not None:
            figures["training loss"] = f"{last['loss_nats']:.4f} nats per character"
        if best is not None:
            figures["best validation"] = f"{best.nats_per_character:.4f} nats per character, at step {best.step:,}"
        return table(str(self.path), figures)


def demand_directory(path: Path, command: str) -> None:
    """Raise `FolderError` unless this is a run directory; `command` trains one."""
    if (path / "config.json").is_file():
        return
    if path.is_file():
        raise FolderError(f"{path} is a file, not a run directory; if it is a packed run, unpack it first")
    why = "there is no such folder" if not path.exists() else "it has no config.json"
    raise FolderError(f"{path} is not a run directory: {why}; train one with: {command} --run {path}")


def as_run(run: "Run | str | PathLike[str]") -> Run:
    """The run itself, or the one at a path. Raises `FolderError` for anything else."""
    if isinstance(run, Run):
        return run
    arguments.path(run)
    return Run(located(run))


def load(path: ModelPlace) -> "LanguageModel":
    """The model of a run directory or a model folder. Raises `FolderError`."""
    from charloom.models.language_model import load_folder  # reading only the files of runs needs no torch

    return load_folder(model_folder(path))


def read_lines(path: Path, complete: Callable[[dict[str, Any]], bool] = lambda line: True) -> list[dict[str, Any]]:
    """The complete lines of a JSON Lines file, each with a step and accepted by `complete`. Raises `FolderError`."""
    if not path.exists():
        return []
    *lines, _ = read_model_file(path.parent, path.name, LARGEST_METRICS).split(b"\n")
    try:
        parsed = [strict_json.parse(line, str(path)) for line in lines]
    except FolderError:
        raise FolderError(f"{path} is damaged: a line is not JSON; delete it if you can do without the curve") from None
    if not all(isinstance(line, dict) and type(line.get("step")) is int and complete(line) for line in parsed):
        raise FolderError(
            f"{path} is damaged: a line lacks its step or its figures; delete it if you can do without the curve"
        )
    return parsed


def _has_figures(line: dict[str, Any]) -> bool:
    """Whether a line of metrics.jsonl has the figures of a step, a validation or the end."""
    figures = [line[key] for key in ("validation", "final") if key in line]
    figures = [score.get("nats_per_character") if isinstance(score, dict) else None for score in figures]
    if "loss_nats" in line:
        figures += [line["loss_nats"], line.get("characters_seen")]
    return bool(figures) and all(map(_is_number, figures))


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def new_directory(disk: Disk, wanted: Path | None, name: str) -> tuple[Path, filelock.BaseFileLock]:
    """Create and lock a run directory: `wanted`, or `runs/name`, then `runs/name-2`, …

    An empty directory, or one that a crash left before its configuration was written, is used again. Raises
    `FolderError` if `wanted` exists, `StorageError`.
    """
    candidates = [wanted] if wanted else [Path("runs") / (f"{name}-{n}" if n > 1 else name) for n in range(1, 10_000)]
    for path in candidates:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_files.make_folder(disk, path)
        except FileExistsError:
            if not path.exists():  # a folder above it is a file
                raise StorageError(
                    f"{path} cannot be created: a folder above it is a file; choose another {option('run')}"
                ) from None
            if not _never_begun(path):
                continue
        except StorageError:
            raise
        except ValueError:  # a NUL in the name
            raise StorageError(f"{shown(path)} is not a valid folder name; choose another {option('run')}") from None
        except OSError as error:
            raise StorageError(
                f"{path} cannot be created: {(error.strerror or str(error)).lower()}; choose another {option('run')}"
            ) from None
        try:
            held = lock(path)
        except FolderError:  # another process is starting a run there right now
            if wanted:
                raise
            continue
        if _never_begun(path):  # no other process started a run before we had the lock
            for left in path.iterdir():
                if left.name != "lock":
                    atomic_files.discard(disk, left)
            return path, held
        held.release()
    raise _taken(candidates[-1])


def demand_free(wanted: Path | None) -> None:
    """Raise `FolderError` if `wanted` is taken, before any work is done that could not be saved."""
    taken = False
    with suppress(OSError, ValueError):  # `new_directory` says what is wrong
        taken = wanted is not None and wanted.exists() and not _never_begun(wanted)
    if wanted is not None and taken:
        raise _taken(wanted)


def _taken(path: Path) -> FolderError:
    if not (path / "config.json").is_file():
        return FolderError(f"{path} exists and is not a run; choose another {option('run')}")
    verb = "classify train" if is_classifier(path) else "train"
    return FolderError(
        f"{path} exists; choose another {option('run')}, or resume it with: charloom {verb} --resume --run {path}"
    )


@contextmanager
def locked(path: Path) -> Iterator[filelock.BaseFileLock]:
    """Lock a run for the block that opens it and the training after it; unlock it if the block fails.

    Raises `FolderError`.
    """
    held = lock(path)
    try:
        yield held
    except BaseException:
        held.release()
        raise


def discard_run(disk: Disk, path: Path) -> None:
    """Remove a run whose start failed; what is left after a crash counts as never begun."""
    for entry in sorted(path.iterdir(), key=lambda entry: (entry.name != "config.json", entry.name == "lock")):
        atomic_files.discard(disk, entry)
    atomic_files.discard(disk, path)


def _never_begun(path: Path) -> bool:
    """Whether `path` is an empty folder, or has only what a crash leaves of a run without a configuration."""
    names = {entry.name.removesuffix(atomic_files.TEMPORARY) for entry in path.iterdir()} if path.is_dir() else {""}
    return not names or ("lock" in names and names <= {*_BEGUN, "config.json"} and not (path / "config.json").exists())


def lock(path: Path) -> filelock.BaseFileLock:
    """Take the run's lock, which ends with the process.

    Raises `FolderError` if another process is training the run, or if training would write through a link.
    """
    for name in ("lock", "model", "metrics.jsonl", "clock.jsonl"):
        if (path / name).is_symlink():
            raise FolderError(
                f"{path / name} is a link, and training would write where it leads; replace it with a copy"
            )
    return take_lock(path, f"{path} is being trained by another process; wait for it, or stop it first")


def take_lock(path: Path, busy: str) -> filelock.BaseFileLock:
    """Take a folder's lock, which ends with the process. Raises `FolderError`: `busy`, or `StorageError`."""
    held = filelock.FileLock(path / "lock", timeout=0)
    try:
        held.acquire()
    except filelock.Timeout:
        raise FolderError(busy) from None
    except OSError as error:
        raise StorageError(
            f"{path / 'lock'} cannot be written: {(error.strerror or str(error)).lower()}; fix that, then try again"
        ) from None
    return held


def is_locked(path: Path) -> bool:
    """Whether a running process holds the lock of a folder."""
    if not (path / "lock").exists():
        return False
    held = filelock.FileLock(path / "lock", timeout=0)
    try:
        held.acquire()
    except filelock.Timeout:
        return True
    except OSError:
        return False  # taking it reports what is wrong with it
    held.release()
    return False

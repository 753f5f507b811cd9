"""A classifier's run: the same files as a language model's, with its own configuration.

config.json        what is trained, how, on which rows; written before the first step
text.txt           a copy of the rows, only if they came from standard input or from Python
metrics.jsonl, clock.jsonl, model/, checkpoint.safetensors, lock: as in `charloom.training.runs`
"""

from dataclasses import dataclass
from typing import Any, Literal

from charloom.classify.deleted_options import without_deleted_options
from charloom.errors import FolderError, shown
from charloom.machine.notebook import table
from charloom.models.model_folder import read_model_file
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig
from charloom.storage import strict_json
from charloom.training.runs import Origin, Run, demand_directory, read_lines


@dataclass(frozen=True)
class RowsRecord:
    """The rows that a classifier is trained on."""

    name: str
    source: str
    "An absolute path, or 'copy' for the run's text.txt."
    sha256: str
    rows: int
    characters: int
    classes: int
    held: int
    "Held-out rows."
    known: int
    "Characters of the vocabulary."


@dataclass(frozen=True)
class ClassifierPlan:
    """What was decided before the first step, so that everything after it depends on the step alone."""

    steps: int
    steps_per_epoch: int
    validate_every: int
    device: str
    precision: Literal["float32", "bfloat16"]
    precision_reason: str
    parameters: int

    def __post_init__(self) -> None:
        strict_json.require_at_least(self, 1, "steps", "steps_per_epoch", "validate_every", prefix="plan.")


@dataclass(frozen=True)
class ClassifierRunConfig:
    """The content of `config.json` in a classifier's run."""

    rows: RowsRecord
    classification: ClassificationConfig
    network: ClassifierNetworkConfig
    training: ClassifierTrainingConfig
    plan: ClassifierPlan
    origin: Origin | None
    charloom: str
    "Version that started the run."
    format: Literal["charloom-classifier-run-1"] = "charloom-classifier-run-1"


@dataclass(frozen=True)
class ClassifierRun(Run):
    """A classifier's run directory."""

    def classifier_config(self) -> ClassifierRunConfig:
        """The configuration. Raises `FolderError`."""
        demand_directory(self.path, "charloom classify train ROWS")
        where = str(self.path / "config.json")
        parsed = strict_json.parse(read_model_file(self.path, "config.json", strict_json.LARGEST_JSON), where)
        if isinstance(parsed, dict) and parsed.get("format") == "charloom-run-1":
            raise FolderError(
                f"{shown(self.path)} is a run of a language model; resume it with: "
                f"charloom train --resume --run {self.path}"
            )
        return strict_json.load(ClassifierRunConfig, without_deleted_options(parsed, where), where)

    def metrics(self) -> list[dict[str, Any]]:
        """The complete lines of metrics.jsonl: of steps, and of validations. Raises `FolderError`."""
        return read_lines(self.path / "metrics.jsonl", _has_figures)

    def _repr_markdown_(self) -> str:
        config, metrics = self.classifier_config(), self.metrics()
        best = best_held(metrics)
        figures = {
            "texts": f"{config.rows.rows:,} of {config.rows.classes:,} classes in {config.rows.name}",
            "network": f"{config.plan.parameters:,} parameters",
            "steps": f"{self.step():,} of {config.plan.steps:,}",
        }
        if best is not None:
            held = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in best["held"].items())
            figures["best on held-out texts"] = f"{held}, at step {best['step']:,}"
        return table(str(self.path), figures)


def best_held(metrics: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The line of the validation with the smallest loss; None before the first."""
    held = [line for line in metrics if "held" in line]
    return min(held, key=lambda line: line["held"].get("nats_per_text", float("inf")), default=None)


def _has_figures(line: dict[str, Any]) -> bool:
    figures = line["held"] if "held" in line else {"loss_nats": line.get("loss_nats")}
    return isinstance(figures, dict) and all(type(value) in (int, float) for value in figures.values())

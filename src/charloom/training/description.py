"""The facts about a run or a model folder that `charloom info` prints."""

from os import PathLike
from typing import Any

from charloom.models.model_folder import is_run
from charloom.storage import strict_json
from charloom.training.kept import kept
from charloom.training.runs import as_run, load


def describe(path: str | PathLike[str]) -> dict[str, Any]:
    """The facts about a run directory or a model folder, as plain values. Raises `FolderError`."""
    model = load(path)
    facts: dict[str, Any] = {
        "path": str(path),
        "kind": "run" if is_run(path) else "model",
        "network": strict_json.plain(model.config.network),
        "parameters": model.network.parameter_count(),
        "vocabulary": model.vocabulary.kind,
        "symbols": model.vocabulary.boundary,
        "documents": model.config.documents,
        "ends_texts": model.config.predicts_end,
    }
    if not is_run(path):
        return facts
    run = as_run(path)
    config, metrics = run.config(), run.metrics()
    last = next((line for line in reversed(metrics) if "loss_nats" in line), None)
    final = next((line for line in reversed(metrics) if "final" in line), None)
    validations = [line for line in metrics if "validation" in line]
    return facts | {
        "text": strict_json.plain(config.text),
        "split": list(config.corpus.split),
        "training": strict_json.plain(config.training),
        "plan": strict_json.plain(config.plan),
        "step": run.step(),
        "characters_seen": last["characters_seen"] if last else 0,
        "seconds": run.seconds(),
        "processes": run.processes(),
        "kept": strict_json.plain(kept(metrics)),
        "training_loss_nats": last["loss_nats"] if last else None,
        "validation": final["final"] if final else validations[-1]["validation"] if validations else None,
    }

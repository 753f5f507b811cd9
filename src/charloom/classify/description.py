"""The facts about a classifier that `charloom info` prints."""

from os import PathLike
from typing import Any

from charloom.classify.model import load_classifier
from charloom.classify.runs import ClassifierRun, best_held
from charloom.models.model_folder import is_run
from charloom.places.located import located
from charloom.storage import strict_json


def describe_classifier(path: str | PathLike[str]) -> dict[str, Any]:
    """The facts about a classifier's run directory or model folder, as plain values. Raises `FolderError`."""
    model = load_classifier(path)
    facts: dict[str, Any] = {
        "path": str(path),
        "kind": "classifier run" if is_run(path) else "classifier",
        "classes": list(model.classes),
        "classification": strict_json.plain(model.config.classification),
        "network": strict_json.plain(model.config.network),
        "parameters": model.network.parameter_count() if model.config.network else 0,
        "known_characters": model.vocabulary.boundary,
        "sequences_counted": sum(size.sequences for size in model.config.n_grams),
        "temperature": model.temperature,
        "count_weight": model.count_weight if model.config.n_grams else None,
    }
    if not is_run(path):
        return facts
    run = ClassifierRun(located(path))
    config, metrics = run.classifier_config(), run.metrics()
    best = best_held(metrics)
    return facts | {
        "rows": strict_json.plain(config.rows),
        "training": strict_json.plain(config.training),
        "plan": strict_json.plain(config.plan),
        "step": run.step(),
        "seconds": run.seconds(),
        "best_step": best["step"] if best else None,
        "held": best["held"] if best else None,
    }

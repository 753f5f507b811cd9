"""charloom info"""

import sys
from typing import Any


def info(run: str, /, *, json: bool = False) -> None:
    """Show what a run or model is: training text, progress, quality.

    Parameters
    ----------
    run
        A run directory or a model folder.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json

    facts = _facts(run)
    if json:
        print_json(facts)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in _flat(facts):
        table.add_row(key, value)
    Console(file=sys.stdout, highlight=False).print(table)


def _facts(run: str) -> dict[str, Any]:
    from charloom.classify.description import describe_classifier
    from charloom.models.model_folder import is_classifier
    from charloom.training.description import describe

    return describe_classifier(run) if is_classifier(run) else describe(run)


def _flat(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in facts.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            rows += _flat(value, f"{name}: ")
        elif isinstance(value, float):
            rows.append((name, f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:,.0f}"))
        elif isinstance(value, bool) or not isinstance(value, int):
            rows.append((name, "none" if value is None else str(value)))
        else:
            rows.append((name, f"{value:,}"))
    return rows

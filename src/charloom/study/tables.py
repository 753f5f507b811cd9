"""The figures of a study, as table rows and as plain values."""

from collections.abc import Sequence
from typing import Any

from charloom.storage import strict_json
from charloom.study.curves import Curve, Outcomes, Point
from charloom.study.outcomes import Outcome
from charloom.study.trials import Study, Trial

COLUMNS = (
    *(
        "setting",
        "seeds",
        "held-out nats",
        "spread",
        "characters seen",
        "seconds",
        "chars/s",
        "parameters",
        "memory (MB)",
    ),
    *("gradient", "clipped", "known words"),
)


def row(point: Point) -> list[str]:
    """A setting as a table row."""

    def figure(name: str, form: str, scale: float = 1) -> str:
        value = point.figure(name)
        return "" if value is None else format(value / scale, form)

    looks = [outcome.look for outcome in point.outcomes if outcome.look is not None and outcome.state == "finished"]
    known = sum(look.known_words for look in looks) / len(looks) if looks else None
    states = [outcome.state for outcome in point.outcomes if outcome.state != "finished"]
    lost = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return [
        str(point.value),
        str(len(point.nats)),
        " ".join(filter(None, (f"{point.mean:.4f}" if point.nats else "", lost))),
        f"{max(point.nats) - min(point.nats):.4f}" if len(point.nats) > 1 else "",
        figure("characters_seen", ",.0f"),
        figure("seconds", ".1f"),
        figure("characters_per_second", ",.0f"),
        figure("parameters", ",.0f"),
        figure("peak_memory_bytes", ",.0f", 2**20),
        figure("gradient_norm", ".2f"),
        figure("clipped", ".1%"),
        "" if known is None else f"{known:.0%}",
    ]


def plain_figures(
    study: Study,
    outcomes: Outcomes,
    lines: Sequence[Curve],
    findings: Sequence[str],
    best: Point | None,
    settings: Sequence[Point],
    spread: float | None,
) -> dict[str, Any]:
    """All figures of a study as plain values."""
    return {
        "centre": {
            "network": strict_json.plain(study.network),
            "training": strict_json.plain(study.training),
            "reason": study.reason,
        },
        "budget_seconds": study.request.budget_seconds,
        "characters": study.request.characters,
        "seeds": study.request.seeds,
        "settings": len(settings),
        "spread_nats": spread,
        "findings": list(findings),
        "factors": {
            curve.factor.name: {
                "finding": sentence,
                "values": [
                    {"value": point.value, "nats_per_character": point.nats, "diverged": point.diverged}
                    for point in curve.points
                ],
            }
            for curve, sentence in zip(lines, findings, strict=False)  # a search has a finding and no curves
        },
        "trials": [_trial(trial, outcome) for trial, outcome in outcomes.items()],
        "best": None
        if best is None
        else {
            "name": best.value,
            "nats_per_character": best.mean,
            "network": strict_json.plain(best.trials[0].network),
            "training": strict_json.plain(best.trials[0].training),
        },
    }


def _trial(trial: Trial, outcome: Outcome) -> dict[str, Any]:
    figures, look = outcome.figures, outcome.look
    made: dict[str, Any] = {"name": trial.name, "state": outcome.state, "wall_seconds": round(outcome.wall_seconds, 3)}
    if outcome.message:
        made["message"] = outcome.message
    if figures is not None:
        made |= {**strict_json.plain(figures), "characters_per_second": figures.characters_per_second}
    if look is not None:
        made |= {"nats_per_character": look.nats, "known_words": look.known_words}
    return made

"""Loss curves from what a run recorded; no training here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charloom.errors import FolderError, SettingsError
from charloom.plotting import style
from charloom.plotting.style import COLOURS, MARKERS, Picture, rendered, vector
from charloom.storage import atomic_files
from charloom.storage.atomic_files import Disk
from charloom.training.kept import Kept, kept
from charloom.training.runs import Run, as_run

Points = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Characters seen, and nats per character."""


@dataclass(frozen=True)
class Curves:
    """What a run recorded."""

    name: str
    training: Points
    validation: Points
    "Validations during the run, perhaps on a part of the text."
    final: Points
    "The final validation of the kept model, at its step; empty until the run has finished."
    kept: Points = (np.zeros(0), np.zeros(0))
    "The validation whose model is kept; empty if there was none."


def draw_loss(*runs: Run | str | Path) -> Picture:
    """Loss against characters seen, a colour for each run: training as a line, validation as points.

    The title states the result. Raises `FolderError` for a run without metrics.
    """
    return rendered(_figure([as_run(run) for run in runs]), dpi=150)


def plot_loss(runs: Sequence[Run], output: Path) -> None:
    """What `draw_loss` draws, in the file `output`, a PNG or an SVG. Raises `SettingsError` for another ending."""
    kind = output.suffix.lower()
    if kind not in (".png", ".svg"):
        raise SettingsError(f"{output} does not end in .png or .svg, the formats of a plot; rename it")
    atomic_files.replace(Disk(), output, vector(_figure(runs)) if kind == ".svg" else draw_loss(*runs))


def _figure(runs: Sequence[Run]) -> Any:
    names = [run.path.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.path) for run in runs]
    curves = [read_curves(run, name) for run, name in zip(runs, names, strict=True)]
    figure = style.figure(8, 5.2)
    draw(figure, curves)
    return figure


def read_curves(run: Run, name: str) -> Curves:
    """The curves of a run. Raises `FolderError` if it has no metrics yet."""
    lines = run.metrics()
    logged = [line for line in lines if "loss_nats" in line]
    if not logged:
        raise FolderError(f"{run.path} has no metrics yet; train it for some steps first")
    steps, seen = ([line[key] for line in logged] for key in ("step", "characters_seen"))

    def points(validations: Sequence[tuple[int, float]]) -> Points:
        places = np.interp([step for step, _ in validations], steps, seen)
        return places, np.array([nats for _, nats in validations])

    def kept_by(step: int) -> Kept | None:
        return kept([line for line in lines if line["step"] <= step])

    training = np.array(seen, np.float64), np.array([line["loss_nats"] for line in logged])
    validation = [(line["step"], line["validation"]["nats_per_character"]) for line in lines if "validation" in line]
    final = [(line["step"], line["final"]["nats_per_character"]) for line in lines if "final" in line]
    best = kept(lines)
    return Curves(
        name,
        training,
        points(validation),
        points([(best_by_then.step if (best_by_then := kept_by(step)) else step, nats) for step, nats in final]),
        points([(best.step, best.nats_per_character)] if best else []),
    )


def finding(curves: Sequence[Curves]) -> str:
    """The title: the result, in one sentence. It compares final figures, or else the lowest so far."""
    finished = all(len(one.final[1]) for one in curves)
    validated = [one for one in curves if finished or len(one.validation[1])]
    figures = [one.final[1][-1] if finished else one.validation[1].min() for one in validated]
    if not figures:
        lowest, one = min((one.training[1].min(), one.name) for one in curves)
        return f"{_short(one)} reaches a training loss of {_per_character(lowest)}\n(there is no validation)"
    (best, name), *others = sorted((figure, _short(one.name)) for figure, one in zip(figures, validated, strict=True))
    if not others:
        return f"{name} reaches a validation loss of\n{_per_character(best)}"
    behind, second = others[0]
    if f"{behind:.3f}" == f"{best:.3f}":
        return f"{name} and {second} reach the same validation loss,\n{_per_character(best)}"
    return f"{name} has the lowest validation loss, {_per_character(best)},\n{behind - best:.3f} nats below {second}"


def limits(curves: Sequence[Curves]) -> tuple[float, float]:
    """The range of losses shown: everything except the poor start of a network that has long been better."""
    kinds = [points[1] for one in curves for points in (one.training, one.validation, one.final) if len(points[1])]
    low = float(min(losses.min() for losses in kinds))
    high = min(float(max(losses.max() for losses in kinds)), max(low + 2.5, *(float(losses[-1]) for losses in kinds)))
    margin = 0.04 * (high - low) or 0.1
    return low - margin, high + margin


def draw(figure: Any, curves: Sequence[Curves]) -> None:
    """The picture, drawn on an empty matplotlib figure, its legend below the data."""
    from matplotlib.lines import Line2D

    most = max(one.training[0][-1] for one in curves)
    unit, scale = ("millions", 1e6) if most >= 1e6 else ("thousands", 1e3)
    axes = figure.add_subplot()
    styles: dict[str, dict[str, Any]] = {
        "training": {"alpha": 0.45, "linewidth": 1},
        "validation, during the run": {"linewidth": 1.5, "markersize": 4},
        "validation, at the end": {"linewidth": 0, "markersize": 8, "markeredgecolor": "white", "zorder": 4},
        "model that is kept": {
            "linewidth": 0,
            "markersize": 13,
            "fillstyle": "none",
            "markeredgewidth": 1.5,
            "zorder": 5,
        },
    }

    def points(one: Curves) -> dict[str, Points]:
        return dict(zip(styles, (one.training, one.validation, one.final, one.kept), strict=True))

    handles = []
    for number, one in enumerate(curves):
        look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)]}
        marker = MARKERS[number % len(MARKERS)]
        alone = "." if len(one.training[0]) == 1 else ""
        for name, line in styles.items():
            x, y = points(one)[name]
            axes.plot(x / scale, y, marker=alone if name == "training" else marker, **line, **look)
        handles.append((one.name, Line2D([], [], marker=marker, markersize=6, linewidth=1.5, **look)))
    for name, line in styles.items():
        if name == "training" or any(len(points(one)[name][0]) for one in curves):
            marker = "" if name == "training" else "o"
            handles.append((name, Line2D([], [], marker=marker, color="0.35", **line)))
    axes.set_xlabel(f"characters seen ({unit})")
    axes.set_ylabel("loss (nats per character)")
    axes.set_xlim(left=0)
    axes.set_ylim(*limits(curves))
    bits = axes.secondary_yaxis("right", functions=(lambda nats: nats / math.log(2), lambda bits: bits * math.log(2)))
    bits.set_ylabel("bits per character")
    axes.set_title(finding(curves), parse_math=False, fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    legend = figure.legend(
        [handle for _, handle in handles],
        ["name"] * len(handles),  # filled in below, because matplotlib interprets $ and a leading _
        loc="outside lower center",
        ncols=min(3, len(handles)),
        frameon=False,
    )
    for text, (name, _) in zip(legend.get_texts(), handles, strict=True):
        text.set_parse_math(False)
        text.set_text(_short(name))


def _per_character(nats: float) -> str:
    return f"{nats:.3f} nats ({nats / math.log(2):.3f} bits) per character"


def _short(name: str) -> str:
    return name if len(name) <= 26 else f"{name[:25]}…"

"""Pictures of what a run recorded; no training here."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from charloom import disk as disks
from charloom.disk import Disk
from charloom.errors import FolderError, SettingsError
from charloom.runs import Run

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind people can tell apart."""


def plot_loss(runs: Sequence[Run], output: Path) -> None:
    """Loss against characters seen, one colour for each run: training as a line, validation as points, in `output`.

    The title says what came out. Raises `FolderError` for a run without metrics, `SettingsError` for an unknown ending.
    """
    if output.suffix not in (".png", ".svg"):
        raise SettingsError(f"{output} does not end in .png or .svg, which are the formats of a plot; rename it")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    finals = []
    for number, run in enumerate(runs):
        lines = run.metrics()
        steps = [line for line in lines if "loss_nats" in line]
        if not steps:
            raise FolderError(f"{run.path} has no metrics yet; train it for some steps first")
        colour = COLOURS[number % len(COLOURS)]
        x = [line["characters_seen"] / 1e6 for line in steps]
        axes.plot(
            x,
            [line["loss_nats"] for line in steps],
            color=colour,
            alpha=0.45,
            linewidth=1,
            label=f"{run.path.name}: training",
        )
        position = {line["step"]: line["characters_seen"] / 1e6 for line in steps}
        seen = [
            (_near(position, line["step"]), line["validation"]["nats_per_character"])
            for line in lines
            if "validation" in line
        ]
        if seen:
            axes.plot(
                *zip(*seen, strict=True),
                color=colour,
                marker="o",
                markersize=4,
                linewidth=1.5,
                label=f"{run.path.name}: validation",
            )
            finals.append((min(value for _, value in seen), run.path.name))
    axes.set_xlabel("characters seen (millions)")
    axes.set_ylabel("loss (nats per character)")
    highest = max(
        line["loss_nats"] for run in runs for line in run.metrics()[3:] or run.metrics() if "loss_nats" in line
    )
    lowest = min(line["loss_nats"] for run in runs for line in run.metrics() if "loss_nats" in line)
    axes.set_ylim(max(0.0, min([lowest, *(value for value, _ in finals)]) - 0.1), min(highest, lowest + 2.5) + 0.05)
    axes.set_title(_finding(finals))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format=output.suffix[1:], dpi=150, facecolor="white")
    disks.replace(Disk(), output, buffer.getvalue())


def _near(position: dict[int, Any], step: int) -> float:
    return float(position[min(position, key=lambda known: abs(known - step))])


def _finding(finals: list[tuple[float, str]]) -> str:
    if not finals:
        return "Training loss (nothing was held out to validate on)"
    best = min(finals)
    if len(finals) == 1:
        return f"Validation loss fell to {best[0]:.3f} nats per character"
    return f"{best[1]} has the lowest validation loss: {best[0]:.3f} nats per character"

"""The commonest mistakes: which character the model predicted in place of which."""

from dataclasses import dataclass

import numpy as np

from charloom.plotting import style
from charloom.report.predictions import Integers, Predictions

SHOWN = 24
"""Number of symbols in the picture: those with the most mistakes."""


@dataclass(frozen=True, eq=False)
class Mistakes:
    """How often each symbol was predicted in place of each other one."""

    symbols: int
    "Predictions, right and wrong."
    wrong: int
    pairs: tuple[tuple[int, int, int], ...]
    "(true id, predicted id, times), the commonest first."
    counts: Integers
    "Counts (V, V), by true and predicted symbol; correct ones on the diagonal."


def mistakes(predictions: Predictions, symbols: int) -> Mistakes:
    """The mistakes in the predictions of a model with `symbols` symbols."""
    counts = np.bincount(predictions.targets * symbols + predictions.predicted, minlength=symbols**2).reshape(
        symbols, symbols
    )
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:50]
    pairs = [(*map(int, divmod(place, symbols)), int(wrong.flat[place])) for place in order.tolist()]
    kept = tuple((true, predicted, times) for true, predicted, times in pairs if times)
    return Mistakes(len(predictions.targets), int(wrong.sum()), kept, counts)


def finding(counted: Mistakes, names: list[str]) -> str:
    """The finding, in one sentence."""
    if not counted.pairs:
        return "The most probable character was always right"
    true, predicted, times = counted.pairs[0]
    return (
        f"{counted.wrong / counted.symbols:.0%} of the predicted characters were wrong; the commonest mistake is "
        f"{names[predicted]!r} for {names[true]!r}, {times / counted.wrong:.1%} of all"
    )


def draw(counted: Mistakes, names: list[str]) -> bytes:
    """A PNG: for the symbols with the most mistakes, what was predicted in their place."""
    wrong = counted.counts - np.diag(np.diag(counted.counts))
    chosen = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:SHOWN]
    chosen = chosen[(counted.counts[chosen].sum(1) + counted.counts[:, chosen].sum(0)) > 0]
    totals = np.maximum(counted.counts.sum(1), 1)
    shares = counted.counts[np.ix_(chosen, chosen)] / totals[chosen][:, None]
    picture = style.figure(7.6, 7)
    axes = style.axes(picture, finding(counted, names), "predicted character", "true character")
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    labels = [names[symbol] for symbol in chosen.tolist()]
    for ticks in (axes.set_xticks, axes.set_yticks):
        ticks(range(len(labels)), labels, family="DejaVu Sans Mono", parse_math=False)
    for row, line in enumerate(shares):
        for column, share in enumerate(line):
            if share >= 0.02:
                ink = "white" if share > 0.5 else "black"
                axes.text(column, row, f"{share:.0%}"[:-1], ha="center", va="center", size=7, color=ink)
    axes.grid(visible=False)
    picture.colorbar(image, label="share of the true character's occurrences (in the cells: per cent)", shrink=0.8)
    return style.rendered(picture)

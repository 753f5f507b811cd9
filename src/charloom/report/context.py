"""How much the context helps: the loss of characters predicted from only the last 1, 2, 4, ..., 1,024 characters.

Windows that start all over the text are read from a zero state, and each prediction is compared with the one that the
model makes after reading everything before. The difference varies far less from place to place than the loss itself, so
a few hundred windows are enough.
"""

from dataclasses import dataclass

import numpy as np
import torch

from charloom.data.batches import IGNORED
from charloom.data.vocabulary import Ids
from charloom.evaluation.score import side_by_side
from charloom.models.language_model import LanguageModel
from charloom.models.network import State, reading
from charloom.plotting import style
from charloom.report.predictions import Floats, Integers, Predictions

TIERS = ((16, 4096), (128, 512), (1024, 128))
"""Symbols per window, and how many such windows are read."""


@dataclass(frozen=True)
class Step:
    """Predictions with more than half of `context`, and at most `context`, symbols of context."""

    context: int
    nats_per_symbol: float
    "The carried loss of the whole text, plus the cost of having so little context."
    error: float
    "Standard error, over windows."


@dataclass(frozen=True)
class Context:
    """The loss as a function of context length."""

    carried: float
    "Nats per symbol with all the preceding text."
    steps: tuple[Step, ...]

    def enough(self, within: float = 0.01) -> int | None:
        """The shortest context whose loss is at most `within` nats above the carried loss."""
        return next((step.context for step in self.steps if step.nats_per_symbol <= self.carried + within), None)

    def finding(self) -> str:
        """The finding, in one sentence."""
        enough = self.enough()
        if enough is None:
            last = self.steps[-1]
            return f"{last.context:,} symbols of context still cost {last.nats_per_symbol - self.carried:.3f} nats more"
        return f"With {enough:,} symbols of context the loss is within 0.01 nats of full context"


def loss_by_context(
    model: LanguageModel, ids: Ids, carried: Predictions, tiers: tuple[tuple[int, int], ...] = TIERS
) -> Context:
    """The loss by context length, for a text that is one document; `carried` are its predictions.

    `tiers`: symbols per window, and how many such windows are read.
    """
    overall = float(carried.nats.mean())
    excess: dict[int, tuple[Floats, Integers]] = {}
    for size, windows in tiers:
        if len(ids) > size:
            starts = np.unique(np.linspace(1, len(ids) - size, windows).astype(np.int64))
            lengths = np.full(len(starts), size)
            seen = _nats(model, ids, starts, lengths) - carried.nats[starts[:, None] + np.arange(size)]
            for context in _doublings(size):
                part = seen[:, context // 2 : context]
                sums, counts = excess.get(context, (np.zeros(0), np.zeros(0, np.int64)))
                excess[context] = np.append(sums, part.sum(1)), np.append(counts, np.full(len(part), part.shape[1]))
    steps = []
    for context, (sums, counts) in sorted(excess.items()):
        mean = sums.sum() / counts.sum()
        spread = np.sqrt(((sums - mean * counts) ** 2).sum()) / counts.sum()
        steps.append(Step(context, overall + float(mean), float(spread)))
    return Context(overall, tuple(steps))


def draw(context: Context) -> bytes:
    """A PNG: loss against context length."""
    picture = style.figure(7.5, 4)
    axes = style.axes(picture, context.finding(), "symbols of context", "nats per symbol")
    lengths = [step.context for step in context.steps]
    losses = [step.nats_per_symbol for step in context.steps]
    axes.errorbar(
        lengths, losses, [2 * step.error for step in context.steps], color=style.COLOURS[0], marker="o", capsize=3
    )
    axes.axhline(context.carried, color=style.COLOURS[1], linestyle="--", linewidth=1)
    axes.annotate(
        f"full context: {context.carried:.3f}",
        (1, context.carried),
        xycoords=("axes fraction", "data"),
        xytext=(-4, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        color=style.COLOURS[1],
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(lengths, [f"{length:,}" for length in lengths])
    for length, loss in zip(lengths, losses, strict=True):
        axes.annotate(f"{loss:.2f}", (length, loss), (4, 5), textcoords="offset points", fontsize=8)
    axes.margins(y=0.15)
    return style.rendered(picture)


def _nats(model: LanguageModel, ids: Ids, starts: Integers, lengths: Integers) -> Floats:
    """Nats (windows, T) of each target in windows of equal length, each read from a zero state and the previous symbol."""
    parts: list[list[torch.Tensor]] = []
    state: State | None = None
    with reading(model.network):
        for batch in side_by_side(ids, starts, lengths, 256, model.vocabulary.boundary):
            logits, state = model.network(batch.inputs.to(model.network.device), None if batch.begins else state)
            losses = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1).float().cpu(), batch.targets.flatten(), ignore_index=IGNORED, reduction="none"
            )
            if batch.begins:
                parts.append([])
            parts[-1].append(losses.view(batch.targets.shape))
    nats: Floats = torch.cat([torch.cat(part) for part in parts], 1).T.double().numpy()
    return nats


def _doublings(size: int) -> list[int]:
    return [1 << power for power in range(size.bit_length()) if 1 << power <= size]

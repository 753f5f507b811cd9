"""Prints a classifier's training, predictions, mistakes and explanations."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from charloom.classify.evaluation import Evaluation
from charloom.classify.explanation import Explanation
from charloom.classify.model import Classifier
from charloom.cli.output import print_json, say
from charloom.durations import duration
from charloom.errors import shown
from charloom.many.predictions import prediction_line

if TYPE_CHECKING:
    from charloom.classify.session import ClassifierSession

FOR, AGAINST = ("#d6e9f8", "#8cc0e8", "#2f7fc1"), ("#fde3cf", "#f7b27a", "#d9701f")
STRONG = 2.0
"""Bits at which a colour is strongest."""


def introduce(session: "ClassifierSession") -> None:
    """Say what is about to be trained."""
    config, path = session.config, session.run.path
    rows, plan, network, kind = config.rows, config.plan, config.network, config.classification
    for note in session.notices:
        say(note)
    if session.resumed_from:
        say(f"{path}: resuming from step {session.resumed_from:,} of {plan.steps:,}")
        return
    held = f"{rows.held:,} of them held out" if rows.held else "none held out, so nothing is calibrated"
    say(f"{rows.name}: {rows.rows:,} texts of {rows.classes} classes, {rows.characters:,} characters; {held}")
    if config.origin is not None:
        say(f"starting from {config.origin.path}")
    ways = "2 x " if kind.kind == "discriminative" and kind.bidirectional else ""
    say(
        f"{path}: {kind.kind}, {network.cell} {ways}{network.layers}x{network.hidden_size}, "
        f"{plan.parameters:,} parameters, "
        f"{f'n-grams of up to {kind.n_grams} characters, ' if kind.n_grams else ''}"
        f"{plan.steps:,} step{'s' * (plan.steps != 1)} ({plan.steps / plan.steps_per_epoch:.1f} epochs), "
        f"{plan.precision} on {plan.device}: {plan.precision_reason}"
    )


def conclude(session: "ClassifierSession") -> None:
    """Say what was trained."""
    if session.stopped_early:
        say(f"stopped at step {session.trainer.step:,}: validation has not improved since step {session.best_step:,}")
    best = session.best()
    if best is None:
        say(f"{session.run.path}: trained to step {session.trainer.step:,}; nothing was held out, so no score")
        return
    say(
        f"{session.run.path}: kept the model of step {session.best_step:,}: {best['accuracy']:.1%} of the held-out "
        f"texts right, macro F1 {best['macro_f1']:.3f}, {best['nats_per_text']:.3f} nats; {duration(session.seconds)}"
    )


def result(session: "ClassifierSession") -> dict[str, Any]:
    """The result of a training, as a JSON value."""
    return {
        "run": str(session.run.path),
        "steps": session.trainer.step,
        "best_step": session.best_step,
        "resumed_from": session.resumed_from,
        "characters_seen": session.trainer.characters_seen,
        "seconds": session.seconds,
        "parameters": session.config.plan.parameters,
        "classes": list(session.classifier.classes),
        "held": session.best(),
    }


def print_predictions(
    classifier: Classifier, texts: Sequence[str], threshold: float, *, every: bool, json: bool
) -> None:
    """Print a line for each text, in order, and flush."""
    for text, row in zip(texts, classifier.probabilities(texts), strict=True):
        print(prediction_line(classifier, text, row, threshold, every=every, json=json))
    sys.stdout.flush()


def print_evaluation(found: Evaluation, title: str, mistakes: int, *, json: bool) -> None:
    """Print the figures, the classes, the confusions and the most confident mistakes."""
    measures = found.measures
    if json:
        print_json(
            {
                "texts": measures.texts,
                **measures.summary(),
                "classes": {
                    name: {"texts": int(count), "precision": _or_none(p), "recall": _or_none(r), "f1": _or_none(f)}
                    for name, count, p, r, f in _by_class(found)
                },
                "confusion": measures.confusion.tolist(),
                "calibration": [vars(each) for each in found.calibration],
                "mistakes": [vars(each) for each in found.mistakes[:mistakes]],
            }
        )
        return
    console = Console(file=sys.stdout, highlight=False)

    def line(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    line(f"{title}: {measures.texts:,} texts")
    line(
        f"accuracy {measures.accuracy:.2%}   macro F1 {measures.macro_f1:.4f}   balanced accuracy "
        f"{measures.balanced_accuracy:.2%}   {measures.nats / measures.texts:.3f} nats a text   calibration error "
        f"{measures.calibration_error:.2%}"
    )
    table = Table("class", "texts", "precision", "recall", "F1", box=None, pad_edge=False)
    for name, count, *figures in _by_class(found):
        table.add_row(
            Text(shown(name)), f"{count:,}", *("-" if value != value else f"{value:.3f}" for value in figures)
        )
    console.print(table)
    confusion = _confusion(found)
    if Measurement.get(console, console.options.update(max_width=1 << 16), confusion).maximum <= console.width:
        console.print(confusion)
    elif found.mistakes:
        line("most frequent confusions:")
        for label, taken, count in found.confusions()[:15]:
            line(f"  {count:>5,}  {shown(label)} taken for {shown(taken)}")
    if found.mistakes and mistakes:
        line("most confident mistakes:")
        for each in found.mistakes[:mistakes]:
            line(
                f"  {shown(each.label)} taken for {shown(each.predicted)} ({each.probability:.2f}): {_line(each.text)}"
            )


def print_explanation(found: Explanation, *, json: bool) -> None:
    """Print the text coloured by the share of each character; without colours, with marks below it."""
    if json:
        print_json(vars(found) | {"shares": list(found.shares)})
        return
    console = Console(file=sys.stdout, highlight=False)
    coloured = console.color_system is not None and not console.no_color
    console.print(f"{shown(found.label)} {found.probability:.3f}", markup=False)
    width = max(20, console.width - 1)
    for first in range(0, len(found.text), width):
        cells, marks = Text(), ""
        for character, share in zip(
            found.text[first : first + width], found.shares[first : first + width], strict=True
        ):
            step = min(3, round(abs(share) / STRONG * 3))
            colour = (FOR if share > 0 else AGAINST)[step - 1] if step else ""
            character = character if character.isprintable() else "\ufffd"
            ink = "#ffffff" if step == 3 else "#000000"
            cells.append(character, f"{ink} on {colour}" if coloured and colour else "")
            marks += _mark(share, step) * Text(character).cell_len
        console.print(cells, soft_wrap=True)
        if not coloured:
            console.print(marks.rstrip(), markup=False, soft_wrap=True)
    console.print(
        "blue speaks for it, orange against it"
        if coloured
        else "+ and P speak for it (P strongly), - and M against it",
        markup=False,
    )


def _mark(share: float, step: int) -> str:
    """The mark below a character that speaks for the class or against it, with a strength from 0 to 3."""
    weak, strong = "+P" if share > 0 else "-M"
    return (" ", weak, strong, strong)[step]


def _by_class(found: Evaluation) -> list[tuple[str, int, float, float, float]]:
    measures = found.measures
    columns = (measures.confusion.sum(1), measures.precisions, measures.recalls, measures.f1)
    return [
        (name, int(n), float(p), float(r), float(f)) for name, n, p, r, f in zip(found.classes, *columns, strict=True)
    ]


def _confusion(found: Evaluation) -> Table:
    names = [Text(shown(name)[:10]) for name in found.classes]
    table = Table("is, taken for", *(str(name) for name in names), box=None, pad_edge=False)
    for name, row in zip(names, found.measures.confusion, strict=True):
        table.add_row(name, *(f"{count:,}" if count else "." for count in row))
    return table


def _or_none(value: float) -> float | None:
    return None if value != value else value


def _line(text: str) -> str:
    line = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return line if len(line) <= 160 else f"{line[:157]}..."

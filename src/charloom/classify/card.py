"""The card of a classifier's folder."""

from collections.abc import Mapping

from charloom.classify.runs import ClassifierRunConfig
from charloom.errors import shown
from charloom.training.card import base_model, card
from charloom.training.card_metadata import Metadata

SHOWN = 100
"""The most classes that are named."""

_READS = {
    "discriminative": "reads a text and tells its class",
    "generative": "writes like each class, and Bayes' rule",
}


def classifier_card(
    config: ClassifierRunConfig, classes: tuple[str, ...], step: int, figures: Mapping[str, float]
) -> str:
    """README.md for the classifier of `step`, with its figures on the held-out rows, if there are any."""
    network, rows, plan, kind = config.network, config.rows, config.plan, config.classification
    named = ", ".join(f"`{shown(name)}`" for name in classes[:SHOWN]) + (", …" if len(classes) > SHOWN else "")
    counted = f", and n-grams of up to {kind.n_grams} characters counted in each class" if kind.n_grams else ""
    both = " in each direction" if kind.bidirectional and kind.kind == "discriminative" else ""
    return card(
        metadata=Metadata(
            "text-classification", rows.name, "held-out rows", figures, base_model=base_model(config.origin)
        ),
        title=f"A classifier of {rows.name}",
        what=f"A recurrent network over characters ({network.cell}, {network.layers} x {network.hidden_size} units"
        f"{both}, {plan.parameters:,} parameters) that {_READS[kind.kind]}{counted}.",
        facts=[
            f"Classes ({len(classes)}): {named}",
            f"Rows: {rows.name}, {rows.rows:,} of them, {rows.held:,} held out, SHA-256 `{rows.sha256}`",
            f"Training: {step:,} of {plan.steps:,} steps of {config.training.batch_size} texts, seed "
            f"{config.training.seed}, {plan.precision} ({plan.precision_reason})",
        ],
        measured="On the rows held out, by which the model was chosen and calibrated:"
        if figures
        else "It was not measured on rows held out.",
        usage="```sh\ncharloom classify predict this-folder texts.txt\n```",
    )

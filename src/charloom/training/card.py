"""The card of a model folder: what the model is, what it was trained on and how good it is.

It names no date and no path, so that it depends on the run alone.
"""

from collections.abc import Sequence

from charloom.data.datasets import Dataset, named_source
from charloom.evaluation.score import Score
from charloom.places.addresses import address
from charloom.places.ready_made import READY_MADE
from charloom.training.card_metadata import Metadata
from charloom.training.kept import Kept
from charloom.training.runs import Origin, RunConfig


def card(*, metadata: Metadata, title: str, what: str, facts: Sequence[str], measured: str, usage: str) -> str:
    """README.md of a model folder, in Markdown with the metadata block that model hubs read.

    `measured` introduces the figures of the metadata, or says why there are none.
    """
    table = ["", "| Figure | Value |", "|---|---|"] if metadata.figures else []
    table += [f"| {name.replace('_', ' ')} | {value:.4f} |" for name, value in metadata.figures.items()]
    return "\n".join(
        [
            *metadata.block(title),
            f"# {title}",
            "",
            what,
            "",
            *(f"- {fact}" for fact in facts),
            "",
            measured,
            *table,
            "",
            "Use it with charloom:",
            "",
            usage,
            "",
        ]
    )


def model_card(config: RunConfig, step: int, score: Score | None, how: str, kept: Kept | None = None) -> str:
    """The card of a language model.

    `step` is the model's step; `how` says how the score was measured; `kept`, for a finished run, adds how the last
    validation compares.
    """
    network, text, plan = config.network, config.text, config.plan
    symbol = "byte" if config.corpus.vocabulary == "bytes" else "character"
    named = named_source(text.source)
    licence = f", licence: {named.licence}" if named else ""
    facts = [
        f"Text: {text.name}, {text.characters:,} characters, SHA-256 `{text.sha256}`{licence}",
        f"Split (train, validation, test): {', '.join(f'{share:g}' for share in config.corpus.split)}, by position",
        f"Training: {step:,} of {plan.steps:,} steps of {_size(config)}, seed {config.training.seed}, {plan.precision} "
        f"({plan.precision_reason})",
    ]
    if config.origin is not None:
        known = config.origin.path in READY_MADE or address(config.origin.path) is not None
        name = config.origin.path if known else "another model"
        facts.append(f"Started from: {name}, whose file of weights has the SHA-256 `{config.origin.sha256}`")
    if kept is not None:
        sentence = kept.sentence(plan.steps)
        facts.append(f"Model: {sentence}. The validation text chose it, so its figure flatters it a little.")
    return card(
        metadata=_metadata(config, score, named),
        title=f"A character model of {text.name}",
        what=f"A recurrent network ({network.cell}, {network.layers} x {network.hidden_size} units, "
        f"{plan.parameters:,} parameters) that predicts the next {symbol}.",
        facts=facts,
        measured=f"On text that it was not trained on ({how}):"
        if score
        else "It was not measured on text that it was not trained on.",
        usage=_USAGE,
    )


def base_model(origin: Origin | None) -> str | None:
    """The hub's name of the model that training started from; None if it did not come from a hub."""
    parent = address(origin.path) if origin else None
    return parent.repository if parent else None


def _metadata(config: RunConfig, score: Score | None, named: Dataset | None) -> Metadata:
    return Metadata(
        "text-generation",
        config.text.name,
        "validation",
        score.summary() if score else {},
        language=named.language if named else None,
        datasets=(named.hub,) if named and named.hub else (),
        base_model=base_model(config.origin),
    )


_USAGE = """\
```python
import charloom

model = charloom.load("this-folder")
print("".join(charloom.generate(model, "", length=300, seed=1)))
```"""


def _size(config: RunConfig) -> str:
    """How much a step reads."""
    if config.corpus.documents == "lines":
        return f"about {config.plan.streams} lines of usual length side by side"
    return f"{config.plan.streams} x {config.training.sequence_length} symbols"

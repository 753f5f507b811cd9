"""The card of a model folder: what the model is, what it was trained on and how good it is.

It names no date and no path, so that it depends on the run alone.
"""

from collections.abc import Mapping, Sequence

from charloom.evaluation.score import Score
from charloom.places.ready_made import READY_MADE
from charloom.training.kept import Kept
from charloom.training.runs import RunConfig


def card(
    *, task: str, title: str, what: str, facts: Sequence[str], measured: str, figures: Mapping[str, float], usage: str
) -> str:
    """README.md of a model folder, in Markdown with the metadata block that model hubs read.

    `task` is the hubs' name for what the model does. `measured` introduces the figures, or says why there are none.
    """
    table = ["", "| Figure | Value |", "|---|---|"] if figures else []
    table += [f"| {name.replace('_', ' ')} | {value:.4f} |" for name, value in figures.items()]
    return "\n".join(
        [
            "---",
            "library_name: charloom",
            f"pipeline_tag: {task}",
            "tags: [character-level, recurrent-neural-network]",
            "---",
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
    facts = [
        f"Text: {text.name}, {text.characters:,} characters, SHA-256 `{text.sha256}`",
        f"Split (train, validation, test): {', '.join(f'{share:g}' for share in config.corpus.split)}, by position",
        f"Training: {step:,} of {plan.steps:,} steps of {_size(config)}, seed {config.training.seed}, {plan.precision}",
    ]
    if config.origin is not None:
        name = config.origin.path if config.origin.path in READY_MADE else "another model"
        facts.append(f"Started from: {name}, weights with the SHA-256 `{config.origin.sha256}`")
    if kept is not None:
        sentence = kept.sentence(plan.steps)
        facts.append(f"Model: {sentence}. The validation text chose it, so its figure flatters it a little.")
    return card(
        task="text-generation",
        title=f"A character model of {text.name}",
        what=f"A recurrent network ({network.cell}, {network.layers} x {network.hidden_size} units, "
        f"{plan.parameters:,} parameters) that predicts the next {symbol}.",
        facts=facts,
        measured=f"On text that it was not trained on ({how}):"
        if score
        else "It was not measured on text that it was not trained on.",
        figures=score.summary() if score else {},
        usage=_USAGE,
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

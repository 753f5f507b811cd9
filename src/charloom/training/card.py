"""The card of a model folder: what it is, what it was trained on, how good it is. No date and no path: a function of the run."""

from charloom.evaluation.score import Score
from charloom.training.kept import Kept
from charloom.training.runs import RunConfig


def model_card(config: RunConfig, step: int, score: Score | None, how: str, kept: Kept | None = None) -> str:
    """README.md of a model folder, in Markdown with the metadata block that model hubs read.

    `step` is the model's; `how` says how the score was measured; `kept`, of a finished run, says what became of the
    validation loss after it.
    """
    network, text, plan = config.network, config.text, config.plan
    chosen = []
    if kept is not None:
        sentence = kept.sentence(plan.steps)
        chosen = [f"- Model: {sentence}. The validation text chose it, so its figure flatters it a little."]
    quality = [
        "| Figure | Value |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {value:.4f} |" for name, value in (score.summary() if score else {}).items()),
    ]
    return "\n".join(
        [
            "---",
            "library_name: charloom",
            "pipeline_tag: text-generation",
            "tags: [character-level, recurrent-neural-network]",
            "---",
            f"# A character model of {text.name}",
            "",
            f"A recurrent network ({network.cell}, {network.layers} x {network.hidden_size} units, {plan.parameters:,} parameters) "
            f"that predicts the next {'byte' if config.corpus.vocabulary == 'bytes' else 'character'}.",
            "",
            f"- Text: {text.name}, {text.characters:,} characters, SHA-256 `{text.sha256}`",
            f"- Split (train, validation, test): {', '.join(f'{share:g}' for share in config.corpus.split)}, by position",
            f"- Training: {step:,} of {plan.steps:,} steps of {_size(config)}, "
            f"seed {config.training.seed}, {plan.precision}",
            *chosen,
            "",
            *(
                [
                    f"On text that it was not trained on ({how}):",
                    "",
                    *quality,
                ]
                if score
                else ["It was not measured on text that it was not trained on."]
            ),
            "",
            "Use it with charloom:",
            "",
            "```python",
            "import charloom",
            "",
            'model = charloom.load("this-folder")',
            'print("".join(charloom.generate(model, "", length=300, seed=1)))',
            "```",
            "",
        ]
    )


def _size(config: RunConfig) -> str:
    """How much a step reads."""
    if config.corpus.documents == "lines":
        return f"about {config.plan.streams} lines of usual length side by side"
    return f"{config.plan.streams} x {config.training.sequence_length} symbols"

"""Studies with made-up figures, for tests of what is computed from them."""

from dataclasses import replace
from typing import Any

from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.study.outcomes import ContextLoss, Figures, Look, Outcome
from charloom.study.trials import Request, Study, Trial, planned


def study(**changes: Any) -> Study:
    """A study of two hidden sizes, with any field of its request changed."""
    request = Request(
        text_sha256="0" * 64,
        corpus=CorpusConfig(),
        learning_rates=(),
        hidden_sizes=(64, 256),
        layers=(),
        sequence_lengths=(),
        cells=(),
        grid=False,
        search=0,
        space="",
        shared=False,
        seeds=2,
        budget_seconds=20.0,
        characters=None,
        network=NetworkConfig(),
        training=TrainingConfig(),
        chosen=(),
        device="cpu",
        precision="float32",
        prompt="",
    )
    return Study(
        request=replace(request, **changes),
        name="hamlet",
        source="/texts/hamlet.txt",
        training_characters=1_000_000,
        symbols=65,
        network=NetworkConfig(hidden_size=128, embedding_size=32),
        training=TrainingConfig(learning_rate=0.01, sequence_length=128),
        reason="it is made up",
        space="",
    )


def outcome(nats: float | None, *, speed: float = 1000.0, context: tuple[tuple[int, float], ...] = ()) -> Outcome:
    """A finished outcome, or a diverged one without a loss."""
    figures = Figures(100, 100, int(20 * speed), 20.0, 1000, 400 << 20, nats or 9.0, 0.5, 0.1, "float32")
    if nats is None:
        return Outcome("diverged", "the loss stopped being finite", 3.0, figures, None)
    look = Look(nats, 10_000, "to be | or not", 0.8, tuple(ContextLoss(*pair) for pair in context))
    return Outcome("finished", "", 20.5, figures, look)


def outcomes(made: Study, losses: dict[Any, tuple[float | None, ...]]) -> dict[Trial, Outcome]:
    """An outcome for each trial whose value of the first factor, or 'centre', has losses (one per seed)."""
    found = {}
    for trial in planned(made):
        name = trial.name.partition("-seed-")[0]
        value = name.removeprefix("hidden-size-").removeprefix("learning-rate-").removeprefix("cell-")
        value = value.removeprefix("sequence-length-").removeprefix("layers-")
        if value in losses:
            found[trial] = outcome(losses[value][trial.training.seed - 1])
    return found

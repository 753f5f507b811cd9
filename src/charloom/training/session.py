"""Training a language model: validation, which model is kept, and the final score."""

from dataclasses import dataclass

from charloom.data.text import Text
from charloom.evaluation.score import Score, evaluate
from charloom.models.language_model import LanguageModel, load_folder
from charloom.storage import strict_json
from charloom.training.card import model_card
from charloom.training.estimates import evaluate_estimate
from charloom.training.kept import Kept, kept
from charloom.training.loop import Line, Rhythm, SaveEvery, TrainingLoop
from charloom.training.opening import Opened
from charloom.training.runs import Run, RunConfig
from charloom.training.trainer import Trainer


@dataclass(frozen=True)
class Validation:
    """A score of the validation text, and how it was measured."""

    score: Score
    protocol: str
    "carried, or folded (in rows, perhaps on part of the text)."
    of_characters: int
    "Characters of the whole validation text; the score may cover only part of it."
    standard_error: float | None = None
    "In nats per character, if the score covers only part of the text; otherwise None."

    @property
    def nats(self) -> float:
        """Nats per character."""
        return self.score.nats_per_character

    @property
    def remark(self) -> str:
        """Empty: the nats say it all."""
        return ""

    def summary(self) -> Line:
        """The figures, and how they were measured."""
        return {
            **self.score.summary(),
            "protocol": self.protocol,
            "characters": self.score.characters,
            "of_characters": self.of_characters,
            "standard_error_nats": self.standard_error,
        }


def how_measured(summary: Line) -> str:
    """How a score was measured, in words: on which characters, with which state, with which standard error."""
    read, whole = summary["characters"], summary.get("of_characters")
    if whole is None or read == whole:
        return f"{read:,} validation characters, state {summary['protocol']}"
    error = summary["standard_error_nats"]
    known = "" if error is None else f", standard error {error:.4f} nats"
    return f"{read:,} of {whole:,} validation characters, spread over them, state {summary['protocol']}{known}"


class Session(TrainingLoop[Validation]):
    """Trains a language model in its run."""

    KEY = "validation"

    def __init__(
        self,
        opened: Opened,
        config: RunConfig,
        trainer: Trainer,
        model: LanguageModel,
        validation: Text,
        save_every: SaveEvery,
        deadline: float | None = None,
    ) -> None:
        plan = config.plan
        every = plan.validate_every if plan.validation_characters else None
        rhythm = Rhythm(plan.log_every, every, config.training.patience, save_every)
        super().__init__(Run(opened.path), opened, trainer, rhythm, deadline)
        self.config, self.model, self._validation = config, model.with_network(trainer.average), validation

    def final_validation(self) -> Line | None:
        """The final score of the run, even if an earlier process measured it."""
        if self.final is not None:
            return self.final.summary()
        lines = [line["final"] for line in self.run.metrics() if "final" in line and line["step"] == self.trainer.step]
        return lines[-1] if lines else None

    def kept(self) -> Kept | None:
        """Which model is kept, and how the last validation compares; None before the first."""
        unsaved = (strict_json.parse(line, "a line of metrics") for line in self._metrics.splitlines())
        return kept([*self.run.metrics(), *unsaved])

    def _measure(self) -> Validation:
        return self._estimate(self.model)

    def _measure_final(self) -> Validation | None:
        """Score the model that was kept."""
        protocol = self.config.plan.final_validation
        if protocol == "none":
            return None
        model = load_folder(self.run.model)
        if protocol == "folded":
            return self._estimate(model)
        return Validation(evaluate(model, self._validation), "carried", self._validation.characters)

    def _estimate(self, model: LanguageModel) -> Validation:
        """Estimate the score from the part of the validation text that is read during the run."""
        estimate = evaluate_estimate(model, self._validation, self.config.plan.validation_characters)
        return Validation(estimate.score, "folded", self._validation.characters, estimate.standard_error)

    def _weights(self, found: Validation | None) -> bytes:
        return self.model.weights()

    def _card(self, step: int, found: Validation | None, *, final: bool) -> str:
        score, how = (found.score, how_measured(found.summary())) if found else (None, "")
        return model_card(self.config, step, score, how, self.kept() if final else None)

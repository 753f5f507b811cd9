"""Training a language model's run: how it is validated, which model is kept, and its final figure."""

from dataclasses import dataclass

from charloom.data.corpus import Text
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
    """A score of the validation text, and how it was taken."""

    score: Score
    protocol: str
    "carried, or folded (in rows, perhaps on a part of the text)."
    of_characters: int
    "Characters of the whole validation text; the score may be of a part."
    standard_error: float | None = None
    "Nats per character by which a part's figure differs from the whole text's, about; None where the whole was read."

    @property
    def nats(self) -> float:
        """Nats per character."""
        return self.score.nats_per_character

    @property
    def remark(self) -> str:
        """The nats say it all."""
        return ""

    def summary(self) -> Line:
        """The figures, and how they were taken."""
        return {
            **self.score.summary(),
            "protocol": self.protocol,
            "characters": self.score.characters,
            "of_characters": self.of_characters,
            "standard_error_nats": self.standard_error,
        }


def how_measured(summary: Line) -> str:
    """How a validation's figure was taken, in words: on what, in which way, and how large its error is."""
    read, whole = summary["characters"], summary.get("of_characters")
    if whole is None or read == whole:
        return f"{read:,} validation characters, state {summary['protocol']}"
    error = summary["standard_error_nats"]
    known = "" if error is None else f", standard error {error:.4f} nats"
    return f"{read:,} of {whole:,} validation characters, spread over them, state {summary['protocol']}{known}"


class Session(TrainingLoop[Validation]):
    """The training of a language model in its run."""

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
        """The figure of the finished run, also if an earlier process finished it."""
        if self.final is not None:
            return self.final.summary()
        lines = [line["final"] for line in self.run.metrics() if "final" in line and line["step"] == self.trainer.step]
        return lines[-1] if lines else None

    def kept(self) -> Kept | None:
        """Which model is kept, and how the last validation was; None before the first."""
        unsaved = (strict_json.parse(line, "a line of metrics") for line in self._books.metrics.splitlines())
        return kept([*self.run.metrics(), *unsaved])

    def _measure(self) -> Validation:
        return self._estimate(self.model)

    def _measure_final(self) -> Validation | None:
        """The model that was kept, read once more."""
        protocol = self.config.plan.final_validation
        if protocol == "none":
            return None
        model = load_folder(self.run.model)
        if protocol == "folded":
            return self._estimate(model)
        return Validation(evaluate(model, self._validation), "carried", self._validation.characters)

    def _estimate(self, model: LanguageModel) -> Validation:
        """The figure of what is read of the validation text during the run."""
        found = evaluate_estimate(model, self._validation, self.config.plan.validation_characters)
        return Validation(found.score, "folded", self._validation.characters, found.standard_error)

    def _weights(self, found: Validation | None) -> bytes:
        return self.model.weights()

    def _card(self, step: int, found: Validation | None, *, final: bool) -> str:
        score, how = (found.score, how_measured(found.summary())) if found else (None, "")
        return model_card(self.config, step, score, how, self.kept() if final else None)

"""Training a language model's run: how it is validated, which model is kept, and its final figure."""

import time
from dataclasses import dataclass, replace

import filelock

from charloom.data.corpus import Text
from charloom.errors import NotFiniteError
from charloom.evaluation.score import Score, evaluate
from charloom.interruption import Interruption
from charloom.models.language_model import LanguageModel, load_folder
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.training.card import model_card
from charloom.training.checkpoints import Position
from charloom.training.estimates import evaluate_estimate
from charloom.training.kept import Kept, kept
from charloom.training.loop import Line, Rhythm, SaveEvery, Sitting
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

    def summary(self) -> Line:
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


class Session(Sitting[Validation]):
    """A trainer that writes into a run."""

    def __init__(
        self,
        run: Run,
        config: RunConfig,
        trainer: Trainer,
        model: LanguageModel,
        validation: Text,
        *,
        disk: Disk,
        position: Position,
        save_every: SaveEvery,
        lock: filelock.BaseFileLock,
        clock_bytes: int = 0,
        deadline: float | None = None,
        notices: tuple[str, ...] = (),
    ) -> None:
        rhythm = Rhythm(config.plan.log_every, config.plan.validate_every, save_every)
        super().__init__(
            run, trainer, rhythm, disk=disk, position=position, lock=lock, clock_bytes=clock_bytes, notices=notices
        )
        self.config, self.model = config, model
        self.final: Validation | None = None
        self._validation, self._deadline = validation, deadline

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

    @property
    def stopped_early(self) -> bool:
        """Whether training stops before its last step because validation has not improved for so long: a function of steps."""
        patience = self.config.training.patience * self.config.plan.validate_every
        position = self._position
        return (
            0 < patience <= position.evaluated - position.best_step
            and position.best_nats is not None
            and position.step < self.config.plan.steps
        )

    @property
    def out_of_time(self) -> bool:
        """Whether the time budget ended training before its last step."""
        return self.trainer.step < self.trainer.total and not self.stopped_early

    @property
    def _validates(self) -> bool:
        return self.config.plan.validation_characters > 0

    def _over(self) -> bool:
        return self.stopped_early or (self._deadline is not None and time.monotonic() > self._deadline)

    def _before_saving(self) -> None:
        if self._position.best_nats is None:
            self._keep(None)

    def _validate(self, interruption: Interruption) -> Validation:
        """Save, score the validation text, and keep the model if it is the best so far."""
        with interruption.hold():
            self.save()
        try:
            validation = self._estimate(self.model)
        except NotFiniteError:
            raise self.trainer.diverged("validation loss", self.trainer.step) from None
        with interruption.hold():
            score = validation.score
            line = {"validation": validation.summary()}
            self._judged(score.nats_per_character, line, lambda: self._keep(validation))
        return validation

    def _finish(self, interruption: Interruption) -> None:
        """Score the model that was kept, once, write its card, and commit."""
        step = self.trainer.step
        if self._position.finished:  # by an earlier session
            return
        if self._validates and self._position.evaluated != step:  # the time budget ended between two validations
            self._validate(interruption)
        if self.config.plan.final_validation == "carried":
            score = evaluate(load_folder(self.run.model), self._validation)
            self.final = Validation(score, "carried", self._validation.characters)
        elif self.config.plan.final_validation == "folded":
            self.final = self._estimate(load_folder(self.run.model))
        with interruption.hold():
            lines: list[Line] = []
            if self.final is not None:
                self._write_card(self.final, self._position.best_step, self.kept())
                lines.append({"step": step, "final": self.final.summary()})
            self._note(replace(self._position, evaluated=step, finished=True), *lines)
            self.save()

    def _estimate(self, model: LanguageModel) -> Validation:
        """The figure of what is read of the validation text during the run."""
        found = evaluate_estimate(model, self._validation, self.config.plan.validation_characters)
        return Validation(found.score, "folded", self._validation.characters, found.standard_error)

    def _keep(self, validation: Validation | None) -> None:
        """Make the present weights the run's model."""
        atomic_files.replace(self._disk, self.run.model / "model.safetensors", self.model.weights())
        self._write_card(validation, self.trainer.step)

    def _write_card(self, validation: Validation | None, step: int, kept: Kept | None = None) -> None:
        score, how = (validation.score, how_measured(validation.summary())) if validation else (None, "")
        card = model_card(self.config, step, score, how, kept)
        atomic_files.replace(self._disk, self.run.model / "README.md", card.encode())

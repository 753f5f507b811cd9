"""One sitting of a language model's run: how it is validated, which model is kept, and the figure at its end."""

import time
from dataclasses import dataclass, replace

import filelock

from charloom import disk as disks
from charloom import records
from charloom.checkpoints import Position
from charloom.corpus import Text
from charloom.disk import Disk
from charloom.errors import NotFiniteError
from charloom.evaluation import Score, evaluate, evaluate_folded
from charloom.interruption import Interruption
from charloom.kept import Kept, kept
from charloom.language_model import LanguageModel, load_folder
from charloom.model_card import model_card
from charloom.runs import Run, RunConfig
from charloom.sitting import Line, Rhythm, SaveEvery, Sitting
from charloom.training import Trainer


@dataclass(frozen=True)
class Validation:
    """A score of the validation text, and how it was taken."""

    score: Score
    protocol: str
    "carried, or folded (in rows, perhaps on a part of the text)."

    def summary(self) -> Line:
        return {**self.score.summary(), "protocol": self.protocol, "characters": self.score.characters}


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
        """The figure of the finished run, also where an earlier session finished it."""
        if self.final is not None:
            return self.final.summary()
        lines = [line["final"] for line in self.run.metrics() if "final" in line and line["step"] == self.trainer.step]
        return lines[-1] if lines else None

    def kept(self) -> Kept | None:
        """Which model is kept, and how the last validation was; None before the first."""
        unsaved = (records.parse(line, "a line of metrics") for line in self._metrics)
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
            self._keep(None, "")

    def _validate(self, interruption: Interruption) -> Validation:
        """Save, score the validation text, and keep the model if it is the best so far."""
        with interruption.hold():
            self.save()
        try:
            validation = Validation(evaluate_folded(self.model, self._part()), "folded")
        except NotFiniteError:
            raise self.trainer.diverged("validation loss", self.trainer.step) from None
        with interruption.hold():
            score = validation.score
            line = {"validation": validation.summary()}
            self._judged(score.nats_per_character, line, lambda: self._keep(score, "folded"))
        return validation

    def _finish(self, interruption: Interruption) -> None:
        """Score the model that was kept, once, write its card, and commit."""
        step = self.trainer.step
        if self._position.finished:  # by an earlier session
            return
        if self._validates and self._position.evaluated != step:  # the time budget ended between two validations
            self._validate(interruption)
        if self.config.plan.final_validation == "carried":
            self.final = Validation(evaluate(load_folder(self.run.model), self._validation), "carried")
        elif self.config.plan.final_validation == "folded":
            self.final = Validation(evaluate_folded(load_folder(self.run.model), self._part()), "folded")
        with interruption.hold():
            if self.final is not None:
                self._write_card(self.final.score, self.final.protocol, self._position.best_step, self.kept())
                self._metrics.append(records.dump_line({"step": step, "final": self.final.summary()}))
            self._position = replace(self._position, evaluated=step, finished=True)
            self.save()

    def _part(self) -> Text:
        """What of the validation text is looked at during the run."""
        return self._validation.slice(0, min(self.config.plan.validation_characters, self._validation.characters))

    def _keep(self, score: Score | None, protocol: str) -> None:
        """Make the present weights the run's model."""
        disks.replace(self._disk, self.run.model / "model.safetensors", self.model.weights())
        self._write_card(score, protocol, self.trainer.step)

    def _write_card(self, score: Score | None, protocol: str, step: int, kept: Kept | None = None) -> None:
        card = model_card(self.config, step, score, protocol, kept)
        disks.replace(self._disk, self.run.model / "README.md", card.encode())

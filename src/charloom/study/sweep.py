"""The loop of a study: unfinished trials are trained, a few at a time, and each is measured when it is done."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from charloom.errors import CharloomError, DivergedError, shown
from charloom.interruption import Interruption
from charloom.study.folders import StudyFolder
from charloom.study.outcomes import Figures, Look, Outcome, diverged, finished, keep_outcome, measure
from charloom.study.processes import POLL_SECONDS, Process, command, stop
from charloom.study.trials import Study, Trial
from charloom.training.runs import Run, is_locked

ATTEMPTS = 3
"""How often a trial is started in one session if it is ended from outside each time (for lack of memory, perhaps)."""


@dataclass(frozen=True)
class Workshop:
    """What is needed to train the trials of a study."""

    folder: StudyFolder
    study: Study
    look: Callable[[Path, bool], Look | None]
    "Measures a run, with or without its use of context."
    threads: int | None
    "Threads of a trial's process; None lets it choose."

    say: Callable[[str], None]

    def conclude(self, trial: Trial, process: Process | None) -> Outcome:
        """The outcome of a trial whose process has ended, or that had ended before; it is written to disk."""
        outcome = self._outcome(trial, process)
        keep_outcome(self.folder.outcome(trial.name), outcome)
        return outcome

    def prune(self, trial: Trial, process: Process | None) -> Outcome:
        """The outcome of a trial that was stopped because it fell behind; its run is kept and could be resumed."""
        figures = _figures(self.folder.run(trial.name))
        steps = f" after step {figures.steps:,} of {figures.planned_steps:,}" if figures else ""
        outcome = Outcome(
            "pruned", f"it fell behind and was stopped{steps}", process.seconds if process else 0.0, figures, None
        )
        keep_outcome(self.folder.outcome(trial.name), outcome)
        return outcome

    def _outcome(self, trial: Trial, process: Process | None) -> Outcome:
        run, seconds = self.folder.run(trial.name), process.seconds if process else 0.0
        said = process.error() if process and process.code else ""
        if DivergedError.SIGN in said:
            return Outcome("diverged", said, seconds, _figures(run), None)
        if said:
            return Outcome("failed", said, seconds, None, None)
        try:
            config = Run(run).config()
            if (config.network, config.training) != (trial.network, trial.training):
                return Outcome("failed", f"{run} holds a run with other settings; remove it", seconds, None, None)
            if config.text.sha256 != self.study.request.text_sha256:
                return Outcome("failed", "the text has changed since the study was started", seconds, None, None)
            figures = measure(run)
            varied = "sequence-length" in trial.name or trial.name.startswith("centre")
            look = self.look(run, varied and bool(self.study.request.sequence_lengths))
        except CharloomError as error:
            return Outcome("failed", str(error), seconds, None, None)
        uniform = self.study.uniform_nats
        if look is None or diverged(look.nats, uniform) or diverged(figures.training_nats, uniform):
            said = "its loss is no better than that of a model that learned nothing"
            return Outcome("diverged", said, seconds, figures, look)
        return Outcome("finished", "", seconds, figures, look)


class Attempt:
    """A trial in progress.

    It waits while another process trains its run, and starts again after it was ended from outside: neither is a
    failure.
    """

    def __init__(self, workshop: Workshop, trial: Trial) -> None:
        self._workshop, self._trial = workshop, trial
        self._run = workshop.folder.run(trial.name)
        self._begun, self._waits = 0, False
        self.process: Process | None = None
        "The process that trains it, or last trained it."

    def ended(self) -> bool:
        """Whether training is complete. If not, the next process is started as soon as possible."""
        if self.process is not None:
            if self.process.code is None:
                return False
            taken = is_locked(self._run)  # by another process, a moment before ours
            if not self.process.code or not (taken or (self.process.interrupted and self._begun < ATTEMPTS)):
                return True
            self._begun -= taken
        if is_locked(self._run):
            if not self._waits:
                self._workshop.say(
                    f"{self._trial.name}: waiting for another process that is training {shown(self._run)}"
                )
            self._waits = True
            return False
        if finished(self._run):
            self.process = None
            return True
        self._begun += 1
        arguments = command(self._workshop.study, self._trial, self._workshop.folder)
        self.process = Process(arguments, self._workshop.folder, self._trial.name, self._workshop.threads)
        return False

    def stop(self) -> None:
        """Tell it to save, and wait until it has ended."""
        stop([self.process] if self.process is not None else [])


def sweep(
    workshop: Workshop,
    trials: Sequence[Trial],
    *,
    jobs: int,
    ended: Callable[[Trial, Outcome], None],
    interruption: Interruption,
) -> None:
    """Train `trials`, `jobs` at a time, calling `ended` for each. If interrupted, let running ones save, and raise."""
    waiting, running = list(trials), dict[Trial, Attempt]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                trial = waiting.pop(0)
                running[trial] = Attempt(workshop, trial)
            for trial, attempt in list(running.items()):
                with interruption.deferred():  # otherwise a process might be started and never stopped
                    done = attempt.ended()
                interruption.heed()
                if done:
                    del running[trial]
                    ended(trial, workshop.conclude(trial, attempt.process))
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        stop([attempt.process for attempt in running.values() if attempt.process is not None])


def _figures(run: Path) -> Figures | None:
    """What a run recorded before it diverged; None if it diverged before its first line."""
    try:
        return measure(run)
    except CharloomError:
        return None

"""The loop of a study: trials that have not ended are trained, some at a time, each looked at when it is done."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from charloom.errors import CharloomError, DivergedError
from charloom.interruption import Interruption
from charloom.runs import Run
from charloom.studies.folders import StudyFolder
from charloom.studies.outcomes import Figures, Look, Outcome, diverged, finished, keep_outcome, measure
from charloom.studies.processes import POLL_SECONDS, Process, command
from charloom.studies.trials import Study, Trial


@dataclass(frozen=True)
class Workshop:
    """What is needed to train the trials of a study."""

    folder: StudyFolder
    study: Study
    look: Callable[[Path, bool], Look | None]
    "Looks at a run, with or without its use of context."
    threads: int | None
    "Of a trial's process; None leaves the choice to it."

    def begin(self, trial: Trial) -> Process | None:
        """A process that trains the trial, or what is left of it; None where nothing is left."""
        if finished(self.folder.run(trial.name)):
            return None
        return Process(command(self.study, trial, self.folder), self.folder, trial.name, self.threads)

    def conclude(self, trial: Trial, process: Process | None) -> Outcome:
        """How a trial ended whose process has ended; it is kept."""
        outcome = self._outcome(trial, process)
        keep_outcome(self.folder.outcome(trial.name), outcome)
        return outcome

    def prune(self, trial: Trial, process: Process) -> Outcome:
        """How a trial ended that was stopped because it fell behind; it is kept, and so is its run, which could go on."""
        figures = _figures(self.folder.run(trial.name))
        steps = f" after step {figures.steps:,} of {figures.planned_steps:,}" if figures else ""
        outcome = Outcome("pruned", f"it fell behind and was stopped{steps}", process.seconds, figures, None)
        keep_outcome(self.folder.outcome(trial.name), outcome)
        return outcome

    def _outcome(self, trial: Trial, process: Process | None) -> Outcome:
        run, seconds = self.folder.run(trial.name), process.seconds if process else 0.0
        said = process.last_words() if process and process.code else ""
        if DivergedError.SIGN in said:
            return Outcome("diverged", said, seconds, _figures(run), None)
        if said:
            return Outcome("failed", said, seconds, None, None)
        try:
            config = Run(run).config()
            if (config.network, config.training) != (trial.network, trial.training):
                return Outcome("failed", f"{run} holds a run of other settings; remove it", seconds, None, None)
            if config.text.sha256 != self.study.request.text_sha256:
                return Outcome("failed", "the text has changed since the study was begun", seconds, None, None)
            figures = measure(run)
            varied = "sequence-length" in trial.name or trial.name.startswith("centre")
            look = self.look(run, varied and bool(self.study.request.sequence_lengths))
        except CharloomError as error:
            return Outcome("failed", str(error), seconds, None, None)
        uniform = self.study.uniform_nats
        if look is None or diverged(look.nats, uniform) or diverged(figures.training_nats, uniform):
            said = "its loss is that of a model which learned nothing, or worse"
            return Outcome("diverged", said, seconds, figures, look)
        return Outcome("finished", "", seconds, figures, look)


def sweep(
    workshop: Workshop,
    trials: Sequence[Trial],
    *,
    jobs: int,
    ended: Callable[[Trial, Outcome], None],
    interruption: Interruption,
) -> None:
    """Train `trials`, `jobs` at a time, and say `ended` of each. Interrupted, it lets those that run save, and raises."""
    waiting, running = list(trials), dict[Trial, Process]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                trial = waiting.pop(0)
                with interruption.hold():  # else a process might be begun that nobody stops
                    process = workshop.begin(trial)
                    if process is not None:
                        running[trial] = process
                if process is None:
                    ended(trial, workshop.conclude(trial, None))
            for trial, process in list(running.items()):
                if process.code is not None:
                    del running[trial]
                    ended(trial, workshop.conclude(trial, process))
            if running:
                time.sleep(POLL_SECONDS)
    finally:
        for process in running.values():
            process.stop()


def _figures(run: Path) -> Figures | None:
    """What a run recorded before it diverged; None where that was before its first line."""
    try:
        return measure(run)
    except CharloomError:
        return None

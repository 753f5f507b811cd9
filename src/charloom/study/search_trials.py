"""Training of a search's proposals: validations are reported, and trials that fall behind are stopped."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charloom.storage import strict_json
from charloom.study.outcomes import Outcome, quick_lines
from charloom.study.search_loop import FAILURES, OUTCOME, UNSTOPPED, Given, Retried, Search, Stopped
from charloom.study.space import Choice, Space
from charloom.study.storages import require_optuna
from charloom.study.sweep import Attempt, Workshop
from charloom.study.trials import Trial, Value, changed

LOOK_SECONDS = 0.5
"""Seconds between two checks of what a run has written."""


FAILED_FOR_GOOD = 2
"""Where other machines can try a trial as well, it counts as failed once it has failed this often."""


def train(
    trial: Any, name: str, search: Search, workshop: Workshop, space: Space, said: Callable[[Trial, Outcome], None]
) -> float:
    """Train a proposal, reporting each validation; returns the held-out loss. Raises `TrialPruned` and `Given`."""
    settings = {setting: suggested(trial, setting, space) for setting in space}
    made = changed(name, workshop.study.network, workshop.study.training, settings)
    return train_known(trial, made, search, workshop, said)


def train_known(
    trial: Any, made: Trial, search: Search, workshop: Workshop, said: Callable[[Trial, Outcome], None]
) -> float:
    """Train a trial whose settings are known, as `train` does."""
    optuna = require_optuna()
    attempt = Attempt(workshop, made)
    reported = 0
    try:
        while not attempt.ended():
            if search.stopping:
                raise Stopped
            if search.taken_over(trial):
                workshop.say(f"{made.name}: others took it over, because nothing was heard of this worker for long")
                raise Given
            time.sleep(LOOK_SECONDS)
            for number, nats in validations(workshop.folder.run(made.name))[reported:]:
                trial.report(nats, number)
                reported = number
                unended = number < made.training.validations  # stopping at the last one would save nothing
                if unended and not trial.user_attrs.get(UNSTOPPED) and trial.should_prune():
                    attempt.stop()
                    outcome = workshop.prune(made, attempt.process)
                    _keep(trial, made, outcome, said)
                    raise optuna.TrialPruned
    finally:
        attempt.stop()
    outcome = workshop.conclude(made, attempt.process)
    _keep(trial, made, outcome, said)
    if outcome.state == "failed":
        failures = int(trial.user_attrs.get(FAILURES, 0)) + 1
        trial.set_user_attr(FAILURES, failures)
        search.failed(outcome.message)
        if search.shared and failures < FAILED_FOR_GOOD:
            raise Retried
        raise optuna.TrialPruned
    search.failed("")
    if outcome.state == "diverged" or outcome.look is None:
        return 2 * workshop.study.uniform_nats  # a number, so that the search learns from it
    return outcome.look.nats


def _keep(trial: Any, made: Trial, outcome: Outcome, said: Callable[[Trial, Outcome], None]) -> None:
    trial.set_user_attr(OUTCOME, strict_json.plain(outcome))
    said(made, outcome)


def suggested(trial: Any, setting: str, space: Space) -> Value:
    """Optuna's suggestion for a setting."""
    dimension = space[setting]
    if isinstance(dimension, Choice):
        chosen: Value = trial.suggest_categorical(setting, dimension.values)
        return chosen
    if isinstance(dimension.low, float):
        number: float = trial.suggest_float(setting, dimension.low, dimension.high, log=dimension.logarithmic)
        return number
    whole: int = trial.suggest_int(
        setting, dimension.low, dimension.high, step=dimension.step, log=dimension.logarithmic
    )
    return whole


def validations(run: Path) -> list[tuple[int, float]]:
    """The validation losses of a run so far, numbered from 1."""
    lines = quick_lines(run / "metrics.jsonl", list)
    losses = [line["validation"]["nats_per_character"] for line in lines if "validation" in line]
    return list(enumerate(losses, 1))

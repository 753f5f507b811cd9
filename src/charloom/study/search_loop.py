"""A search: optuna proposes settings (TPE), trials that fall behind are stopped (hyperband), and the best are kept.

The first trial has the centre's own settings and is never stopped early, so the result is at least as good as the
recipe. Workers on several machines share a search by sharing its storage: each asks it for the next trial, trains it in
its own folder, and stores the outcome there. The requested number of trials ends, however many workers there are.

TPE: Bergstra et al. 2011. Hyperband: Li et al. 2018 (arXiv 1603.06560).
"""

import copy
import hashlib
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from charloom.errors import CharloomError
from charloom.storage import strict_json
from charloom.study.outcomes import Outcome
from charloom.study.storages import Watch, experimental, require_optuna, retry
from charloom.study.trials import Request, Study, Trial, Value, changed

OUTCOME, BEGUN, CENTRE, SURPLUS = "outcome", "begun", "centre", "surplus"
"""Attributes of trials in the storage: how they ended, that a worker started them, the first, and surplus ones."""

STUDY = "charloom"
"""The storage keeps under this name what all workers must agree on: centre and space."""

FIRST_RUNG, REDUCTION, STARTUP = 3, 3, 6
"""Validations before a trial may be stopped; one in this many continues; random trials before TPE starts."""

Train = Callable[[Any, str], float]

WAIT_SECONDS = 1.0


class Given(Exception):
    """A trial that ended without a result, and why."""


class Surplus(Given):
    """Enough trials had been started before this one."""


class Stopped(Given):
    """The user stopped the search."""


class Search:
    """A worker's part in a search. `storage` comes from `charloom.study.storages`."""

    def __init__(
        self, name: str, storage: Any, wanted: int, *, seed: int | None, validations: int, grace: float
    ) -> None:
        optuna = require_optuna()
        self._optuna, self._wanted, self._validations = optuna, wanted, validations
        self._watch, self._stop = Watch(grace, BEGUN), threading.Event()
        with experimental():
            self._search = optuna.create_study(
                study_name=name,
                storage=storage,
                direction="minimize",
                load_if_exists=True,
                pruner=optuna.pruners.HyperbandPruner(FIRST_RUNG, validations, REDUCTION),
            )
            existing = len(self._search.get_trials(deepcopy=False))
            self._search.sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP, multivariate=True, seed=None if seed is None else seed + existing
            )

    def agree(self, proposed: Any) -> Any:
        """What the storage keeps for all workers; `proposed` is stored if there is nothing yet."""
        if STUDY not in self._search.user_attrs:
            self._search.set_user_attr(STUDY, proposed)
        return self._search.user_attrs[STUDY]

    def enqueue(self, settings: Mapping[str, Value]) -> None:
        """Queue these settings as the first trial, unless there is one."""
        if not self._search.get_trials(deepcopy=False):
            self._search.enqueue_trial(dict(settings), user_attrs={CENTRE: True}, skip_if_exists=True)

    def abandon(self) -> None:
        """Put back what an earlier worker left running: only for a storage that one worker at a time uses.

        A worker killed in the middle of this has failed a trial without putting it back; this does the rest.
        """
        trials = self._search.get_trials(deepcopy=False)
        again = {number for trial in trials for number in trial.system_attrs.get("retry_history", ())}
        for trial in trials:
            if trial.state == self._states.RUNNING:
                self._put_back(trial)
            elif trial.state == self._states.FAIL and trial.number not in again and SURPLUS not in trial.user_attrs:
                retry()(self._search, copy.deepcopy(trial))  # it appends to the trial's own history

    def run(self, workers: int, train: Train) -> None:
        """Train until the requested number of trials has ended, some at a time. If interrupted, stop them and raise.

        `train` receives an optuna trial and the name of its run, and returns its loss. It may raise `TrialPruned`, and
        should check `stopping`.
        """
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while not self._stop.is_set() and self._step(train):
                    pass
            except BaseException as error:
                errors.append(error)
                self._stop.set()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.05)  # signals are handled here
        except BaseException:
            self._stop.set()
            for thread in threads:
                thread.join()
            raise
        if errors:
            raise errors[0]

    @property
    def stopping(self) -> bool:
        """Whether the user stopped the search."""
        return self._stop.is_set()

    def ended(self) -> list[Any]:
        """The trials that count, in order."""
        return [trial for trial in self._search.get_trials(deepcopy=False) if self._counts(trial)]

    @property
    def _states(self) -> Any:
        return self._optuna.trial.TrialState

    def _counts(self, trial: Any) -> bool:
        """Whether a trial has ended; those that were put back, or were surplus, have failed."""
        return trial.state in (self._states.COMPLETE, self._states.PRUNED)

    def _step(self, train: Train) -> bool:
        """Run one more trial, or wait a moment for those of others; False if there is nothing left to do."""
        with experimental():
            self._optuna.storages.fail_stale_trials(self._search)
        trials = self._search.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state == self._states.RUNNING]
        for trial in self._watch.never_begun(running):
            self._put_back(trial)
        ended = sum(map(self._counts, trials))
        if ended >= self._wanted:
            return False
        if ended + len(running) >= self._wanted:
            self._stop.wait(WAIT_SECONDS)
            return True
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._search.optimize(lambda trial: self._objective(trial, train), n_trials=1, catch=(Given,))
        except (self._optuna.exceptions.UpdateFinishedTrialError, ValueError) as error:
            if isinstance(error, CharloomError) or "Cannot tell" not in str(error):
                raise
            # we were delayed so long that another worker took the trial over; theirs counts
        return True

    def _objective(self, trial: Any, train: Train) -> float:
        trial.set_user_attr(BEGUN, trial.number)
        *others, frozen = (each for each in self._search.get_trials(deepcopy=False) if each.number <= trial.number)
        before = sum(self._counts(each) or each.state == self._states.RUNNING for each in others)
        if before >= self._wanted:
            trial.set_user_attr(SURPLUS, True)
            raise Surplus
        try:
            return train(trial, name_of(frozen))
        except Stopped:
            self._put_back(trial)
            raise

    def _put_back(self, trial: Any) -> None:
        """Fail a trial that no longer runs, and let it be tried again."""
        try:
            frozen = self._search.tell(trial.number, state=self._states.FAIL)
        except (self._optuna.exceptions.UpdateFinishedTrialError, ValueError):
            return  # another worker did
        retry()(self._search, frozen)


def name_of(trial: Any) -> str:
    """The name of a frozen trial's run; a retried trial continues its earlier run."""
    history = trial.system_attrs.get("retry_history") or [trial.number]
    return f"trial-{history[0]:04}"


def results(search: Search, study: Study) -> dict[Trial, Outcome]:
    """The trials that count with their outcomes, wherever they were trained."""
    outcomes = {}
    for trial in search.ended():
        made = changed(name_of(trial), study.network, study.training, trial.params)
        outcomes[made] = strict_json.load(Outcome, trial.user_attrs[OUTCOME], f"trial {trial.number} of the storage")
    return outcomes


def search_name(request: Request, text: str) -> str:
    """The name of a search in its storage: the same command gives the same name on every machine."""
    same = replace(request, search=0, shared=False)
    return f"{text}-{hashlib.sha256(strict_json.dump(same)).hexdigest()[:12]}"

"""A search: optuna proposes settings (TPE), trials that fall behind are stopped (hyperband), and the best are kept.

The first trial has the centre's own settings and is never stopped early, so the result is at least as good as the
recipe. Workers on several machines share a search by sharing its storage: each asks it for the next trial, trains it in
its own folder, and stores the outcome there. The requested number of trials ends, however many workers there are
(`charloom.study.standing`), and those of dead workers are tried again (`charloom.study.heartbeats`).

TPE: Bergstra et al. 2011. Hyperband: Li et al. 2018 (arXiv 1603.06560).
"""

import copy
import threading
import time
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from charloom.errors import CharloomError, FolderError
from charloom.storage import strict_json
from charloom.study.heartbeats import BEAT, BEAT_SECONDS, Heartbeats, Watch
from charloom.study.outcomes import Outcome
from charloom.study.standing import (
    FIRST,
    RUN,
    SURPLUS,
    Standing,
    ended,
    is_dropped,
    is_running,
    is_surplus,
    lost,
    name_of,
    standing,
)
from charloom.study.storages import experimental, require_optuna, retry
from charloom.study.trials import Study, Trial, Value, changed

OUTCOME, UNSTOPPED, FAILURES = "outcome", "unstopped", "failures"
"""Attributes of trials in the storage: how they ended; that they are never stopped early; how often they failed."""

FIRST_RUNG, REDUCTION, STARTUP = 3, 3, 6
"""Validations before a trial may be stopped; one in this many continues; random trials before TPE starts."""

Train = Callable[[Any, str], float]

WAIT_SECONDS = 1.0

FAILURES_IN_A_ROW = 3
"""A worker whose trials fail this often in a row leaves the search to others: something is wrong with its machine."""

TERMS_SECONDS = 10.0
"""For how long a worker waits for what the one that began the search is about to write."""


class Given(Exception):
    """A trial that ended without a result, and why."""


class Surplus(Given):
    """Enough trials had been started before this one."""


class Stopped(Given):
    """The user stopped the search."""


class Retried(Given):
    """The trial shall be tried again, perhaps by another worker."""


class Search:
    """A worker's part in a search. `storage` comes from `charloom.study.storages`."""

    def __init__(
        self,
        name: str,
        storage: Any,
        wanted: int,
        *,
        seed: int | None,
        validations: int,
        grace: float | None,
        beat: float = BEAT_SECONDS,
        only: Collection[str] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`grace`: seconds after which a silent worker is taken for dead; None if only one worker uses the storage.

        `only`: the names of the trials, if they are queued rather than proposed.
        """
        optuna = require_optuna()
        self._optuna, self._only = optuna, only
        self.wanted = wanted
        "How many trials shall end."
        self._stop = stop or threading.Event()
        self._shared = grace is not None
        self._failures: list[str] = []
        self._watch = Watch(grace or 0.0, 2 * beat)
        self._beats = Heartbeats(beat, self._look_after_others)
        with experimental():
            pruner = optuna.pruners.HyperbandPruner(FIRST_RUNG, validations, REDUCTION)
            place = {"study_name": name, "storage": storage}
            try:
                self._search = optuna.create_study(**place, direction="minimize", pruner=pruner)
                self.begun_here = True
            except optuna.exceptions.DuplicatedStudyError:
                self._search = optuna.load_study(**place, pruner=pruner)
                self.begun_here = False
            existing = len(self._trials())
            self._search.sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP, multivariate=True, seed=None if seed is None else seed + existing
            )

    def agree(self, key: str, proposed: Any) -> Any:
        """What the storage keeps for all workers: `proposed` if this one began the search, or if there is nothing."""
        until = time.monotonic() + (TERMS_SECONDS if self._shared and not self.begun_here else 0)
        while key not in self._search.user_attrs and time.monotonic() < until:
            self._stop.wait(WAIT_SECONDS / 4)
        if key not in self._search.user_attrs:
            self._search.set_user_attr(key, proposed)
        return self._search.user_attrs[key]

    def change(self, key: str, value: Any) -> None:
        """Replace what the storage keeps."""
        self._search.set_user_attr(key, value)

    def enqueue(self, settings: Mapping[str, Value], name: str = FIRST) -> None:
        """Queue a trial that is never stopped early, unless there is one of this name."""
        trials = self._trials()
        if not any(name_of(trial) == name and not is_dropped(trial) for trial in trials):
            self._search.enqueue_trial(dict(settings), user_attrs={UNSTOPPED: True, RUN: name})

    def abandon(self) -> None:
        """Put back what an earlier worker left running: only for a storage that one worker at a time uses.

        A worker killed in the middle of this has failed a trial without putting it back; this does the rest.
        """
        trials = self._trials()
        missing = lost(trials)
        for trial in trials:
            if is_running(trial):
                self._put_back(trial)
            elif trial.number in missing:
                self._queue_again(trial)

    def run(self, workers: int, train: Train, *, waiting: Callable[[int], None] | None = None) -> None:
        """Train until the requested number of trials has ended, some at a time. If interrupted, stop them and raise.

        `train` receives an optuna trial and the name of its run, and returns its loss. It may raise `TrialPruned`, and
        should check `stopping`. `waiting` is called once if only trials of other workers are left, with their number.
        """
        errors: list[BaseException] = []
        told = threading.Event()

        def wait(owed: int) -> None:
            if waiting is not None and self._shared and not told.is_set():
                told.set()
                waiting(owed)

        def work() -> None:
            try:
                while not self._stop.is_set() and self._step(train, wait):
                    pass
            except BaseException as error:
                errors.append(error)
                self._stop.set()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
        if self._shared:
            self._beats.start()
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
        finally:
            self._beats.stop()
        if errors:
            raise errors[0]

    @property
    def stopping(self) -> bool:
        """Whether the user stopped the search."""
        return self._stop.is_set()

    @property
    def shared(self) -> bool:
        """Whether other workers may use the storage."""
        return self._shared

    def taken_over(self, trial: Any) -> bool:
        """Whether others took this process for dead, so that a trial that it trains no longer counts."""
        return self._beats.lost(trial.number)

    def failed(self, message: str) -> None:
        """Remember that a trial failed here; an empty message means that one did not."""
        self._failures = [*self._failures, message] if message else []

    def standing(self) -> Standing:
        """How far the search is."""
        return standing(self._trials(), self._only)

    @property
    def complete(self) -> bool:
        """Whether all trials have ended."""
        return self.standing().enough(self.wanted, self._only)

    def ended(self) -> list[Any]:
        """The trials that count, in order."""
        return ended(self._trials(), self._only)

    @property
    def _states(self) -> Any:
        return self._optuna.trial.TrialState

    def _trials(self) -> list[Any]:
        return list(self._search.get_trials(deepcopy=False))

    def _step(self, train: Train, wait: Callable[[int], None]) -> bool:
        """Run one more trial, or wait a moment for those of others; False if there is nothing left to do.

        Every worker waits for every trial, so that all report on the same ones, and none is left running.
        """
        now = self.standing()
        if now.enough(self.wanted, self._only) and not now.running:
            return False
        if self._shared and len(self._failures) >= FAILURES_IN_A_ROW:
            raise FolderError(
                f"{len(self._failures)} trials in a row failed here, so this worker leaves the search to others; the "
                f"last one says: {self._failures[-1]}"
            )
        if now.enough(self.wanted, self._only, with_owed=True):
            wait(now.running)
            self._stop.wait(WAIT_SECONDS)
            return True
        for name in self._only or ():
            self.enqueue({}, name)
        self._train_next(train)
        return True

    def _train_next(self, train: Train) -> None:
        """Take the next trial, train it and store its loss.

        optuna's own loop does the same, but ends with an `AssertionError` if others have put the trial back meanwhile.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self._search.ask()
        try:
            loss = self._objective(trial, train)
        except self._optuna.TrialPruned:
            self._tell(trial, state=self._states.PRUNED)
        except Given:
            self._tell(trial, state=self._states.FAIL)
        except self._optuna.exceptions.UpdateFinishedTrialError:
            pass  # others have put it back meanwhile
        except BaseException:
            with suppress(Exception):  # the first error says more
                self._tell(trial, state=self._states.FAIL)
            raise
        else:
            self._tell(trial, values=loss)

    def _tell(self, trial: Any, **result: Any) -> Any:
        """Store how a trial ended; None if it is no longer ours: then another worker's result counts."""
        try:
            return self._search.tell(trial.number, **result)
        except self._optuna.exceptions.UpdateFinishedTrialError:
            return None
        except ValueError as error:
            if isinstance(error, CharloomError) or "Cannot tell" not in str(error):
                raise
            return None

    def _objective(self, trial: Any, train: Train) -> float:
        if self._shared:
            self._beats.begin(trial)
        try:
            trials = self._trials()
            if is_surplus(trial.number, trials, self.wanted, self._only):
                trial.set_user_attr(SURPLUS, trial.number)
                raise Surplus
            return train(trial, name_of(next(each for each in trials if each.number == trial.number)))
        except (Stopped, Retried):
            self._put_back(trial)
            raise
        finally:
            self._beats.end(trial)

    def _look_after_others(self) -> None:
        """Put back the trials of workers that are silent, and those that a worker failed before it died."""
        trials = self._trials()
        missing = lost(trials)
        watched = {
            (trial.number, trial.state.name): trial.user_attrs.get(BEAT)
            for trial in trials
            if is_running(trial) or trial.number in missing
        }
        overdue = set(self._watch.unchanged(watched))
        complete = standing(trials, self._only).enough(self.wanted, self._only)
        for trial in trials:
            if (trial.number, trial.state.name) not in overdue:
                continue
            if trial.number not in missing:
                self._put_back(trial, again=not complete)
            elif not complete:
                self._queue_again(trial)

    def _put_back(self, trial: Any, *, again: bool = True) -> None:
        """Fail a trial that no longer runs, and let it be tried again."""
        frozen = self._tell(trial, state=self._states.FAIL)
        if again and frozen is not None:
            self._queue_again(frozen)

    def _queue_again(self, frozen: Any) -> None:
        retry()(self._search, copy.deepcopy(frozen))  # it appends to the trial's own history


def results(search: Search, study: Study) -> dict[Trial, Outcome]:
    """The trials that count with their outcomes, wherever they were trained."""
    return {
        changed(name_of(trial), study.network, study.training, trial.params): outcome_of(trial)
        for trial in search.ended()
    }


def outcome_of(trial: Any) -> Outcome:
    """How a frozen trial ended. Raises `FolderError`."""
    return strict_json.load(Outcome, trial.user_attrs.get(OUTCOME), f"trial {trial.number} of the storage")

"""A search, from its request to its answer, on this machine alone or with others."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from charloom.errors import SettingsError, shown
from charloom.errors.options import option
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.study.curves import settings_of
from charloom.study.folders import StudyFolder
from charloom.study.heartbeats import BEAT_SECONDS, GRACE_SECONDS
from charloom.study.outcomes import Outcome
from charloom.study.search_loop import Search, outcome_of, results
from charloom.study.search_trials import train, train_known
from charloom.study.space import Space, parse_space
from charloom.study.standing import name_of
from charloom.study.storages import open_storage, storage_failures
from charloom.study.sweep import Workshop
from charloom.study.terms import KEPT, agreed, check_name, machine_words, proposed, read_terms, search_name
from charloom.study.trials import Study, Trial, Value

FINALISTS = 2
"""How many settings are trained again from other seeds, in addition to the recipe's."""

Said = Callable[[Trial, Outcome], None]


@dataclass(frozen=True)
class Part:
    """One machine's part in a search."""

    name: str
    storage: object
    stop: threading.Event
    jobs: int
    machine: str
    "What trains here."

    def search(self, study: Study, name: str, wanted: int, only: tuple[str, ...] | None = None) -> Search:
        """A worker's part in it, or in the trials `only` of it."""
        shared = study.request.shared
        return Search(
            name,
            self.storage,
            wanted,
            seed=None if shared else study.training.seed,
            validations=study.training.validations,
            grace=GRACE_SECONDS if shared else None,
            beat=BEAT_SECONDS,
            only=only,
            stop=self.stop,
        )


def work(
    workshop: Workshop, address: str | None, name: str | None, *, jobs: int, each: int, said: Said
) -> tuple[Study, dict[Trial, Outcome]]:
    """Search until all trials have ended, then train the finalists from other seeds; returns the agreed study and the
    outcomes.

    `name`: the search's name in a shared storage, if one was given; `each`: the threads of a trial. Raises
    `CharloomError`. If interrupted, everything that has ended is kept and running trials are put back.
    """
    folder, study = workshop.folder, workshop.study
    request = study.request
    if request.shared != (address is not None):
        where = ("in a database; give its" if request.shared else "in its folder; leave out") + f" {option('storage')}"
        raise SettingsError(f"the trials of {folder.path} are {where}")
    stop = threading.Event()
    with storage_failures(address):
        storage = open_storage(address, folder.path / "search.journal", stop=stop, say=workshop.say)
        part = Part(_name(folder, study, name), storage, stop, jobs, _machine(study, each))
        search = part.search(study, part.name, request.search)
        study = _agree(search, study, folder, part)
        if request.shared:
            folder.name_search(part.name)
        search.wanted = study.request.search
        workshop = replace(workshop, study=study)
        outcomes = _search(search, workshop, part, said)
        again = finalists(study, outcomes)
        return study, outcomes | _train_again(again, workshop, part, said)


def _search(search: Search, workshop: Workshop, part: Part, said: Said) -> dict[Trial, Outcome]:
    """Train what the search proposes until enough trials have ended; returns their outcomes."""
    study = workshop.study
    space = parse_space(study.space, "the search space")
    if not search.shared:
        search.abandon()
    search.enqueue(centre(study, space))
    if search.shared:
        standing = search.standing()
        workshop.say(
            f"the search {shown(part.name)} in {shown(workshop.folder.path)}: {len(standing.ended)} of "
            f"{study.request.search} trials have ended, others train {len(standing.owed)}"
        )
        if study.request.budget_seconds is not None:
            workshop.say(f"trials get equal times, so only machines like this one may join: {part.machine}")
    search.run(
        part.jobs,
        lambda trial, name: train(trial, name, search, workshop, space, said),
        waiting=lambda others: workshop.say(f"nothing is left to begin; waiting for {others} trials to end"),
    )
    return results(search, study)


def _train_again(again: tuple[Trial, ...], workshop: Workshop, part: Part, said: Said) -> dict[Trial, Outcome]:
    """The outcomes of the finalists, which the workers share like all other trials."""
    if not again:
        return {}
    trials = {trial.name: trial for trial in again}
    search = part.search(workshop.study, f"{part.name} seeds", len(trials), tuple(trials))
    if not search.shared:
        search.abandon()
    search.run(
        part.jobs,
        lambda trial, name: train_known(trial, trials[name], search, workshop, said),
        waiting=lambda others: workshop.say(f"nothing is left to begin; waiting for {others} finalists to end"),
    )
    return {trials[name_of(each)]: outcome_of(each) for each in search.ended()}


def centre(study: Study, space: Space) -> dict[str, Value]:
    """The centre's settings, or the nearest ones in the space."""
    trial = Trial("", study.network, study.training)
    values = dict[str, Value]()
    for setting, dimension in space.items():
        group, name = setting.split(".")
        values[setting] = dimension.nearest(getattr(getattr(trial, group), name))
    return values


def finalists(study: Study, outcomes: dict[Trial, Outcome]) -> tuple[Trial, ...]:
    """The best settings and the first trial's, from each of the study's other seeds."""
    first = min(outcomes, key=lambda trial: trial.name, default=None)
    best = [point.trials[0] for point in settings_of(outcomes) if point.nats][:FINALISTS]
    seeds = range(study.training.seed + 1, study.training.seed + study.request.seeds)
    return tuple(
        Trial(f"{trial.name}-seed-{seed}", trial.network, replace(trial.training, seed=seed))
        for trial in dict.fromkeys([*([first] if first else []), *best])
        for seed in seeds
    )


def _name(folder: StudyFolder, study: Study, given: str | None) -> str:
    """The search's name: the one given, or the one that the folder remembers, or one made from the request."""
    before = folder.search()
    if given is not None:
        check_name(given)
        if before is not None and before != given:
            raise SettingsError(f"the search of {folder.path} is called {shown(before)}; leave out {option('name')}")
    return given or before or search_name(study.request, study.name)


def _machine(study: Study, threads: int) -> str:
    from charloom.machine.hardware import choose_device

    return machine_words(choose_device(study.request.device).name, threads) if study.request.shared else ""


def _agree(search: Search, study: Study, folder: StudyFolder, part: Part) -> Study:
    """The study with the centre and space that all workers use; it is written to disk."""
    mine = proposed(study, part.machine)
    kept = search.agree(KEPT, mine)
    if isinstance(kept, dict) and "request" not in kept:  # written by an earlier version
        search.change(KEPT, kept := mine | kept)
    made = agreed(read_terms(kept, part.name), study, part.machine, part.name)
    if made.request.search > kept["request"]["search"]:
        search.change(KEPT, kept | {"request": strict_json.plain(made.request)})
    if made != study:
        atomic_files.replace(Disk(), folder.path / "study.json", strict_json.dump(made))
    return made

"""A search, from its request to its answer, on this machine alone or with others."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.interruption import Interruption
from charloom.settings import NetworkConfig, TrainingConfig
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.study.curves import settings_of
from charloom.study.folders import StudyFolder
from charloom.study.outcomes import Outcome
from charloom.study.search_loop import Search, results, search_name
from charloom.study.search_trials import train
from charloom.study.space import Space, parse_space
from charloom.study.storages import GRACE_SECONDS, open_storage, storage_failures
from charloom.study.sweep import Workshop, sweep
from charloom.study.trials import Study, Trial, Value

FINALISTS = 2
"""How many settings are trained again from other seeds, in addition to the recipe's."""


@dataclass(frozen=True)
class Terms:
    """What all workers of a search agree on: the first one's centre and space."""

    network: NetworkConfig
    training: TrainingConfig
    reason: str
    space: str


def work(
    workshop: Workshop,
    address: str | None,
    *,
    jobs: int,
    said: Callable[[Trial, Outcome], None],
    interruption: Interruption,
) -> tuple[Study, dict[Trial, Outcome]]:
    """Search until all trials have ended, then train the finalists from other seeds; returns the agreed study and the
    outcomes.

    Raises `CharloomError`. If interrupted, everything that has ended is kept and running trials are put back.
    """
    folder, study = workshop.folder, workshop.study
    request = study.request
    if request.shared != (address is not None):
        where = ("in a database; give its" if request.shared else "in its folder; leave out") + f" {option('storage')}"
        raise SettingsError(f"the trials of {folder.path} are {where}")
    with storage_failures(address):
        storage = open_storage(address, folder.path / "search.journal")
        search = Search(
            search_name(request, study.name),
            storage,
            request.search,
            seed=None if request.shared else study.training.seed,
            validations=study.training.validations,
            grace=GRACE_SECONDS,
        )
        study = _agree(search, study, folder)
        workshop = replace(workshop, study=study)
        space = parse_space(study.space, "the search space")
        if not request.shared:
            search.abandon()
        search.enqueue(centre(study, space))
        search.run(jobs, lambda trial, name: train(trial, name, search, workshop, space, said))
        outcomes = results(search, study)
    again = finalists(study, outcomes)
    kept = folder.outcomes(again)
    left = [trial for trial in again if trial not in kept or kept[trial].state == "failed"]
    sweep(workshop, left, jobs=jobs, ended=said, interruption=interruption)
    return study, outcomes | folder.outcomes(again)


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


def _agree(search: Search, study: Study, folder: StudyFolder) -> Study:
    """The study with the centre and space that all workers use; it is written to disk."""
    proposed = strict_json.plain(Terms(study.network, study.training, study.reason, study.space))
    terms = strict_json.load(Terms, search.agree(proposed), "the storage")
    agreed = replace(study, network=terms.network, training=terms.training, reason=terms.reason, space=terms.space)
    if agreed != study:
        atomic_files.replace(Disk(), folder.path / "study.json", strict_json.dump(agreed))
    return agreed

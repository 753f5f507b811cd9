"""A study, from its request to its answer: the only place that wires everything about studies together."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import filelock

from charloom.data.copies import copy_of
from charloom.data.corpus import Corpus
from charloom.data.text_sources import STANDARD_INPUT, reopen
from charloom.errors import FolderError, SettingsError
from charloom.errors.options import option
from charloom.interruption import Interruption
from charloom.settings import NetworkConfig, TrainingConfig
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.study.answer import Answer, answer
from charloom.study.equal_measurements import Looker
from charloom.study.folders import StudyFolder
from charloom.study.outcomes import Outcome
from charloom.study.space import default_space, space_file
from charloom.study.sweep import Workshop, sweep
from charloom.study.trials import Request, Study, Trial, planned

START_SECONDS = 3.0
"""The part of a trial's budget that its process needs before training; the recipe gets the rest."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Opened:
    """A study that is ready to run."""

    folder: StudyFolder
    study: Study
    corpus: Corpus
    begun: bool
    "Whether it existed before."
    search: str | None = None
    "The name of its search in a shared storage, if one was given."
    held: filelock.BaseFileLock | None = None
    "Its lock, if it is taken already."


def open_study(request: Request, corpus: Corpus, wanted: Path | None) -> Opened:
    """The study for a request: the one in `wanted`, or an unfinished one with the same request, or a new one.

    Raises `FolderError` if `wanted` holds something else.
    """
    copied = corpus.source == STANDARD_INPUT
    if copied:
        request = replace(request, corpus=replace(request.corpus, encoding="utf-8"))
    for folder in map(StudyFolder, _candidates(wanted, corpus.name)):
        if (folder.path / "study.json").exists():
            study = folder.study()
            differing = [
                field.name
                for field in fields(Request)
                if getattr(study.request, field.name) != getattr(request, field.name)
            ]
            longer = differing == ["search"] and 0 < study.request.search < request.search
            if (not differing and (wanted or not (folder.path / "report.md").exists())) or (wanted and longer):
                if longer:
                    study = replace(study, request=request)
                    atomic_files.replace(Disk(), folder.path / "study.json", strict_json.dump(study))
                return Opened(folder, study, corpus, begun=True)
            if wanted:
                names = ", ".join(name.replace("_", " ") for name in differing)
                raise FolderError(f"{wanted} holds a study with another {names}; choose another {option('run')}")
        elif folder.never_begun():
            study = _decide(request, corpus)
            if not request.search:
                planned(study)  # a value outside its range is refused before anything is written
            folder.make(study, copy_of(corpus, study.request.corpus) if copied else None)
            return Opened(folder, study, corpus, begun=False)
        elif wanted:
            raise FolderError(f"{wanted} exists and is not a study; choose another {option('run')}")
    raise FolderError(f"there are too many studies of this text; choose another {option('run')}")


def reopen_study(path: Path) -> Opened:
    """An existing study with its text, which must be unchanged. Raises `FolderError`."""
    folder = StudyFolder(path)
    study = folder.study()
    corpus = reopen(study.source, path / "text.txt", study.request.corpus, study.name)
    if corpus.text.sha256 != study.request.text_sha256:
        raise FolderError(
            f"the text {study.name} has changed since {path} was started; restore it, or start a new study"
        )
    return Opened(folder, study, corpus, begun=True)


def work(
    opened: Opened, storage: str | None, *, jobs: int, threads: int, say: Say, interruption: Interruption
) -> Answer:
    """Train the rest of a study and write its answer; `storage` is the address of a search's shared trials.

    Raises `Interrupted`; everything so far is kept.
    """
    folder, study = opened.folder, opened.study
    held = opened.held or folder.lock()
    try:
        looker = Looker(opened.corpus, study.request.prompt)
        workshop = Workshop(
            folder,
            study,
            look=lambda run, context: looker.look(run, context=context),
            threads=max(1, threads // jobs) if jobs > 1 else None,
            say=say,
        )
        if study.request.search:
            from charloom.study import search

            study, outcomes = search.work(
                workshop,
                storage,
                opened.search,
                jobs=jobs,
                each=threads // jobs,
                said=lambda trial, outcome: say(f"{trial.name}: {told(outcome)}"),
            )
            return conclude(folder, study, outcomes)
        trials = planned(study)
        before = folder.outcomes(trials)
        left = [trial for trial in trials if trial not in before or before[trial].state == "failed"]
        done = len(trials) - len(left)
        if opened.begun:
            say(f"{folder.path}: {done} of {len(trials)} trials have ended; continuing with the rest")

        def ended(trial: Trial, outcome: Outcome) -> None:
            nonlocal done
            done += 1
            say(f"{done}/{len(trials)} {trial.name}: {told(outcome)}")

        sweep(workshop, left, jobs=jobs, ended=ended, interruption=interruption)
        return conclude(folder, study, folder.outcomes(trials))
    finally:
        held.release()


def conclude(folder: StudyFolder, study: Study, outcomes: dict[Trial, Outcome]) -> Answer:
    """Write the answer of a study: report, pictures, best settings. Raises `FolderError` if no trial gave a figure."""
    made = answer(study, outcomes, folder.run, str(folder.path))
    for path, data in made.page.files("report").items():
        atomic_files.replace(Disk(), folder.path / path, data)
    best = made.best_file(study)
    if best is not None:
        atomic_files.replace(Disk(), folder.path / "best.toml", best)
    elif all(outcome.state == "failed" for outcome in outcomes.values()):
        first = next(iter(outcomes.values())).message
        raise FolderError(f"every trial of {folder.path} failed; the first one says: {first}")
    return made


def told(outcome: Outcome) -> str:
    """How a trial ended, in a few words."""
    figures, look = outcome.figures, outcome.look
    if outcome.state != "finished" or look is None or figures is None:
        return f"{outcome.state}: {outcome.message}"
    early = f", ended at step {figures.steps:,} of {figures.planned_steps:,}" * (figures.steps < figures.planned_steps)
    return f"{look.nats:.4f} nats, {figures.characters_seen:,} characters in {outcome.wall_seconds:.1f} s{early}"


def available_threads() -> int:
    """Number of threads that one training uses on this machine."""
    import torch

    return torch.get_num_threads()


def divide_threads(threads: int, jobs: int) -> None:
    """Limit this process, too, to the threads of one trial. Raises `SettingsError` for more jobs than threads."""
    import torch

    if not 1 <= jobs <= threads:
        raise SettingsError(f"jobs is {jobs}; this machine trains with {threads} threads, so give 1 to {threads}")
    torch.set_num_threads(max(1, threads // jobs))


def _decide(request: Request, corpus: Corpus) -> Study:
    """The centre, decided once, and the space that is searched around it."""
    network, training, reason = _centre(request, corpus)
    space = request.space or (space_file(default_space(network, training)) if request.search else "")
    return Study(
        request=request,
        name=corpus.name,
        source="copy" if corpus.source == STANDARD_INPUT else corpus.source,
        training_characters=corpus.train.characters,
        symbols=_symbols(request, corpus),
        network=network,
        training=training,
        reason=reason,
        space=space,
    )


def _centre(request: Request, corpus: Corpus) -> tuple[NetworkConfig, TrainingConfig, str]:
    """The recipe's settings for this text and budget, except those that the user chose."""
    from charloom.machine.hardware import choose_device
    from charloom.training.plan import by_recipe

    characters = request.characters
    network, training, recipe = by_recipe(
        request.network,
        request.training,
        {*request.chosen, "training.patience"},  # a trial ends as planned
        characters=corpus.train.characters,
        seconds=characters if characters is not None else max(1.0, (request.budget_seconds or 0) - START_SECONDS),
        device=choose_device(request.device),
        precision=request.precision,
        pace=1.0 if characters is not None else None,
    )
    readings = (characters or 0) / max(1, corpus.train.characters)
    reason = recipe.reason if characters is None else f"a trial reads the text {readings:.2g} times"
    return network, training, f"It is the recipe's: {reason}" if recipe.settings else "Its settings were given"


def _symbols(request: Request, corpus: Corpus) -> int:
    from charloom.data.vocabulary import Vocabulary

    vocabulary = Vocabulary.of(corpus.text.pieces(), request.corpus.vocabulary)
    vocabulary.encode(request.prompt)
    return vocabulary.boundary


def _candidates(wanted: Path | None, name: str) -> list[Path]:
    if wanted is not None:
        return [wanted]
    return [Path("studies") / (f"{name}-{number}" if number > 1 else name) for number in range(1, 10_000)]

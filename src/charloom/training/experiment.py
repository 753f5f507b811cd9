"""Starts a run from a text and settings, or resumes one: the only place where everything is wired together."""

import math
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from charloom.data.corpus import Corpus
from charloom.data.text_ids import vocabulary_of
from charloom.data.text_sources import STANDARD_INPUT
from charloom.errors.options import option
from charloom.machine.hardware import Choice, choose_device, choose_precision, prepare_processor
from charloom.models.language_model import LanguageModel
from charloom.places.ready_made import ready_made
from charloom.settings import Device, NetworkConfig
from charloom.storage.atomic_files import Disk
from charloom.training import run_text
from charloom.training.loop import SaveEvery
from charloom.training.opening import create, reopen, same_device, same_precision
from charloom.training.plan import epochs_in_time, extended, make_plan, with_recipe
from charloom.training.preparation import prepare, prepare_again
from charloom.training.processes import Processes
from charloom.training.recipes import Recipe
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Origin, Run, RunConfig, demand_free, load, locked
from charloom.training.session import Session
from charloom.training.starting_point import FROM_NOTHING, FROM_PARENT, PARENT, starting_point
from charloom.training.tasks import assign, demand_device, demand_rows, send_state
from charloom.version import __version__


def begin(
    corpus: Corpus,
    request: RunRequest,
    *,
    run: Path | None = None,
    save_every: SaveEvery = SaveEvery(),
    disk: Disk | None = None,
    started: float | None = None,
    processes: Processes | None = None,
) -> Session:
    """Create a run with its first checkpoint, ready for its first step.

    `started` is the moment (`time.monotonic()`) from which a time budget counts. With `processes`, this is the leader,
    and the others follow (`charloom.training.following`). Raises `CharloomError`.
    """
    prepare_processor()
    demand_free(run)
    started = time.monotonic() if started is None else started
    device = choose_device(request.device)
    demand_device(processes, device.name)
    asked = request
    request, recipe, parent, why = _choose(asked, corpus, started=started, device=device, processes=processes)
    network = request.network
    precision = choose_precision(request.precision, device.name, network.cell, network.hidden_size)
    whole = vocabulary_of(corpus.text, request.corpus.vocabulary)
    prepared = prepare(corpus, request, whole, parent, device)
    demand_rows(processes, prepared.batches.streams)
    unseen = prepared.unseen(whole)
    plan, deadline = make_plan(
        request,
        prepared,
        corpus,
        recipe,
        device=device,
        precision=precision,
        save_every=save_every.seconds or 30.0,
        started=started,
        processes=processes,
    )
    if why and plan.recipe is not None:
        plan = replace(plan, recipe=replace(plan.recipe, reason=f"{why}; {plan.recipe.reason}"))
    config = RunConfig(
        text=run_text.record(corpus, whole, unseen),
        corpus=request.corpus,
        network=network,
        training=request.training,
        plan=plan,
        origin=Origin.of(request.origin, parent, prepared.model.vocabulary),
        charloom=__version__,
    )
    assign(processes, prepared.task(corpus, config, steps=plan.steps, precision=plan.precision))
    trainer = prepared.trainer(config.training, config.plan, processes)
    files, text = prepared.files(config, trainer), run_text.copied(corpus, request.corpus)
    launch = None if processes is None else processes.launch
    opened = create(
        disk or Disk(), run, corpus.name, text=text, config=config, trainer=trainer, model=files, launch=launch
    )
    send_state(processes, trainer, opened.path)
    session = Session(opened, config, trainer, prepared.model, corpus.validation, save_every, deadline)
    session.notices = (*session.notices, *_overruled(asked, network))
    return session


def _overruled(asked: RunRequest, network: NetworkConfig) -> Iterator[str]:
    """What was asked of the network that the model to start from decides."""
    for field in fields(NetworkConfig) if asked.origin is not None else ():
        wanted, real = getattr(asked.network, field.name), getattr(network, field.name)
        if f"network.{field.name}" in (asked.chosen or ()) and wanted not in (real, field.default):
            name = option(f"network.{field.name}")
            yield f"{name} is {real}, not {wanted}: the network is that of the model to start from"


def _choose(
    request: RunRequest, corpus: Corpus, *, started: float, device: Choice, processes: Processes | None
) -> tuple[RunRequest, Recipe | None, LanguageModel | None, str]:
    """The request with what is chosen for the user, the recipe, the model to start from, and why it was chosen."""

    def with_settings(request: RunRequest) -> tuple[RunRequest, Recipe | None, float]:
        """With a recipe, and the number of epochs that the time allows for."""
        filled, recipe = with_recipe(request, characters=size, started=started, device=device, processes=processes)
        return filled, recipe, epochs_in_time(filled, recipe, size, started) if recipe is not None else math.inf

    size, start = corpus.train.characters, starting_point(corpus.train, request)
    parent = load(request.origin) if request.origin is not None else start.parent if start else None
    filled, recipe, epochs = with_settings(request if parent is None else _from_parent(request, parent))
    if parent is not None and start is not None and not start.near and epochs < FROM_PARENT:
        alone, own, more = with_settings(request)
        if more >= FROM_NOTHING:
            filled, recipe, parent, start = alone, own, None, start.without_time(epochs)
    return filled, recipe, parent, start.reason if start else ""


def _from_parent(request: RunRequest, parent: LanguageModel) -> RunRequest:
    """The request with its origin and the origin's sizes."""
    asked = request.network
    shape = replace(parent.config.network, dropout=asked.dropout, weight_dropout=asked.weight_dropout)
    origin = ready_made(PARENT).folder if request.origin is None else request.origin
    return replace(request, network=shape, origin=origin)


def resume(
    run: Path,
    length: Length = Length(),
    *,
    text: str | Path | None = None,
    device: Device = "auto",
    save_every: SaveEvery = SaveEvery(),
    disk: Disk | None = None,
    processes: Processes | None = None,
) -> Session:
    """Resume a run from its newest checkpoint, perhaps for more steps or epochs than were planned.

    `text` is where the run's text is now, if it was moved; the run remembers it. `processes` need not be as many as
    before; see `begin`. Raises `FolderError` if `run` is not a
    run, if another process is training it, or if its text has changed.
    """
    prepare_processor()
    here, disk = Run(run), disk or Disk()
    config = before = here.config()
    with locked(run) as lock:
        corpus = run_text.same_text(here, config, text, remedy=f"name where it is now with {option('text')}")
        if text is not None and corpus.source != STANDARD_INPUT:
            config = replace(config, text=replace(config.text, source=corpus.source))
        choice = same_device(config.plan.device, device)
        demand_device(processes, choice.name)
        prepared = prepare_again(here, config, corpus, choice)
        demand_rows(processes, prepared.batches.streams)
        config = extended(config, length, len(prepared.batches))
        precision = same_precision(config.plan.precision, choice.name, config.network.cell, config.network.hidden_size)
        possible = replace(config, plan=replace(config.plan, **precision))
        copy, plan = str((run / "text.txt").resolve()), possible.plan
        assign(processes, prepared.task(corpus, config, steps=plan.steps, precision=plan.precision, copy=copy))
        trainer = prepared.trainer(config.training, plan, processes)
        opened = reopen(disk, run, lock, trainer, lambda: prepared.files(possible, trainer))
        session = Session(opened, config, trainer, prepared.model, corpus.validation, save_every)
        session.go_on(before, precision)
        send_state(processes, trainer, run)
        return session

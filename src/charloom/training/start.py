"""Starts a run from a text and settings, or resumes one: the only place where everything is wired together."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path

import torch

from charloom.data.batches import Batches
from charloom.data.corpus import Corpus
from charloom.data.stored_ids import AnyIds
from charloom.data.text_ids import ids_of, predicts_end, vocabulary_of
from charloom.data.text_sources import STANDARD_INPUT
from charloom.data.training_batches import make_batches, unseen
from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError
from charloom.errors.options import option
from charloom.machine.hardware import Choice, choose_device, choose_precision, prepare_processor
from charloom.models.fine_tuning import inherit, joined
from charloom.models.language_model import LanguageModel, load_folder
from charloom.models.model_folder import ModelConfig, VocabularyRecord
from charloom.models.tokenizer_files import tokenizer_files
from charloom.places.ready_made import ready_made
from charloom.settings import CorpusConfig, Device, NetworkConfig, TrainingConfig
from charloom.storage import strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import checkpoints, texts
from charloom.training.card import model_card
from charloom.training.distributed import ALONE, Ranks
from charloom.training.loop import SaveEvery
from charloom.training.opening import Opened, create, reopen, same_device, same_precision
from charloom.training.plan import extended, make_plan, with_recipe
from charloom.training.recipes import Recipe
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Origin, Run, RunConfig, demand_free, load, locked
from charloom.training.session import Session
from charloom.training.starting_point import FROM_NOTHING, FROM_PARENT, PARENT, starting_point
from charloom.training.trainer import Trainer
from charloom.version import __version__


def begin(
    corpus: Corpus,
    request: RunRequest,
    *,
    run: Path | None = None,
    save_every: SaveEvery = SaveEvery(),
    disk: Disk | None = None,
    started: float | None = None,
    ranks: Ranks = ALONE,
) -> Session:
    """Create a run with its first checkpoint, ready for its first step.

    `started` is the moment (`time.monotonic()`) from which a time budget counts. Raises `CharloomError`.
    """
    prepare_processor()
    if ranks.leads:
        demand_free(run)
    started = time.monotonic() if started is None else started
    device = choose_device(request.device)
    asked = request
    request, recipe, parent, why = _choose(asked, corpus, started=started, device=device, ranks=ranks)
    network = request.network
    precision = choose_precision(request.precision, device.name, network.cell, network.hidden_size)
    whole = vocabulary_of(corpus.text, request.corpus.vocabulary)
    vocabulary = joined(whole, parent)
    ids, batches = _batches(corpus, vocabulary, request.corpus, request.training)
    model = _new_model(corpus, request, vocabulary, parent, device)
    plan, deadline = make_plan(
        request,
        corpus,
        model,
        batches,
        recipe,
        device=device,
        precision=precision,
        save_every=save_every.seconds or 30.0,
        started=started,
        ranks=ranks,
    )
    if why and plan.recipe is not None:
        plan = replace(plan, recipe=replace(plan.recipe, reason=f"{why}; {plan.recipe.reason}"))
    config = RunConfig(
        text=texts.record(corpus, whole, unseen(ids, vocabulary, whole, request.corpus.documents)),
        corpus=request.corpus,
        network=network,
        training=request.training,
        plan=plan,
        origin=Origin.of(request.origin, parent, vocabulary),
        charloom=__version__,
    )
    config = ranks.decide(lambda: config)
    trainer = _trainer(model, batches, config, ranks)
    opened = Opened(Path())
    if ranks.leads:
        files, text = _model_files(model, config, trainer), texts.copied(corpus, request.corpus)
        opened = create(disk or Disk(), run, corpus.name, text=text, config=config, trainer=trainer, model=files)
    opened = _share(opened, trainer, ranks)
    session = Session(opened, config, trainer, model, corpus.validation, save_every, deadline)
    session.notices = (*session.notices, *_overruled(asked, network))
    return session


def resume(
    run: Path,
    length: Length = Length(),
    *,
    text: str | Path | None = None,
    device: Device = "auto",
    save_every: SaveEvery = SaveEvery(),
    disk: Disk | None = None,
    ranks: Ranks = ALONE,
) -> Session:
    """Resume a run from its newest checkpoint, perhaps for more steps or epochs than were planned.

    `text` is where the run's text is now, if it was moved; the run remembers it. There need not be as many `ranks` as
    before. Raises `FolderError` if `run` is not a run, if another process is training it, or if its text has changed.
    """
    prepare_processor()
    here, disk = Run(run), disk or Disk()
    config = before = ranks.decide(here.config)
    with locked(run) if ranks.leads else nullcontext() as lock:
        if ranks.leads:
            checkpoints.demand_checkpoint(run, config.charloom)
        corpus = texts.same_text(here, config, text, remedy=f"name where it is now with {option('text')}")
        if text is not None and corpus.source != STANDARD_INPUT:
            config = replace(config, text=replace(config.text, source=corpus.source))
        choice = same_device(config.plan.device, device)
        model = ranks.decide(lambda: load_folder(here.model))
        if model.config != _model_config(corpus, config):
            raise FolderError(f"{here.model} does not hold the network in {run / 'config.json'}; restore them")
        model.network.to(choice.name)
        _, batches = _batches(corpus, model.vocabulary, config.corpus, config.training)
        config = extended(config, length, len(batches))
        precision = same_precision(config.plan.precision, choice.name, config.network.cell, config.network.hidden_size)
        trainer = _trainer(model, batches, replace(config, plan=replace(config.plan, **precision)), ranks)
        opened = Opened(Path())
        if lock is not None:
            opened = reopen(disk, run, lock, trainer)
        opened = _share(opened, trainer, ranks)
        session = Session(opened, config, trainer, model, corpus.validation, save_every)
        session.go_on(before, precision)
        return session


def _share(opened: Opened, trainer: Trainer, ranks: Ranks) -> Opened:
    """Let every process go on from the leader's state; gives the run as this process sees it."""
    if ranks.count > 1:
        trainer.restore(ranks.decide(trainer.state))
    path, position = ranks.decide(lambda: (opened.path, opened.position))
    return opened if ranks.leads else Opened(path, position=position)


def _choose(
    request: RunRequest, corpus: Corpus, *, started: float, device: Choice, ranks: Ranks
) -> tuple[RunRequest, Recipe | None, LanguageModel | None, str]:
    """The request with what is chosen for the user, the recipe, the model to start from, and why it was chosen."""

    def with_settings(request: RunRequest) -> tuple[RunRequest, Recipe | None, float]:
        return with_recipe(request, characters=size, started=started, device=device, ranks=ranks)

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


def _overruled(asked: RunRequest, network: NetworkConfig) -> Iterator[str]:
    """What was asked of the network that the model to start from decides."""
    for field in fields(NetworkConfig) if asked.origin is not None else ():
        wanted, real = getattr(asked.network, field.name), getattr(network, field.name)
        if f"network.{field.name}" in (asked.chosen or ()) and wanted not in (real, field.default):
            name = option(f"network.{field.name}")
            yield f"{name} is {real}, not {wanted}: the network is that of the model to start from"


def _batches(
    corpus: Corpus, vocabulary: Vocabulary, config: CorpusConfig, training: TrainingConfig
) -> tuple[AnyIds, Batches]:
    """The ids (T,) of the training text, and its batches."""
    ids = ids_of(corpus.train, vocabulary, config.documents)
    batches = make_batches(
        ids,
        vocabulary,
        documents=config.documents,
        batch_size=training.batch_size,
        sequence_length=training.sequence_length,
        seed=training.seed,
    )
    return ids, batches


def _model_config(corpus: Corpus, settings: RunRequest | RunConfig) -> ModelConfig:
    documents = settings.corpus.documents
    return ModelConfig(settings.network, documents, predicts_end(corpus.text, documents))


def _new_model(
    corpus: Corpus, request: RunRequest, vocabulary: Vocabulary, parent: LanguageModel | None, device: Choice
) -> LanguageModel:
    """A model whose weights depend on the seed alone, except for what it inherits from its parent."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(request.training.seed)
        model = LanguageModel.new(_model_config(corpus, request), vocabulary)
    if parent is not None:
        inherit(model, parent)
    model.network.to(device.name)
    return model


def _trainer(model: LanguageModel, batches: Batches, config: RunConfig, ranks: Ranks) -> Trainer:
    plan = config.plan
    return Trainer(model.network, batches, config.training, steps=plan.steps, precision=plan.precision, ranks=ranks)


def _model_files(model: LanguageModel, config: RunConfig, trainer: Trainer) -> dict[str, bytes]:
    """The files of the model folder before the first step."""
    vocabulary = model.vocabulary
    return {
        "config.json": strict_json.dump(model.config),
        "vocabulary.json": strict_json.dump(VocabularyRecord(vocabulary.kind, vocabulary.characters)),
        "model.safetensors": model.with_network(trainer.average).weights(),
        "README.md": model_card(config, 0, None, "").encode(),
        **tokenizer_files(model.config, vocabulary),
    }

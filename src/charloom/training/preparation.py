"""Prepares a language model's run for its first step: symbols, batches, and a model with fresh weights."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from charloom.data import sections
from charloom.data.batches import Batches, Streams
from charloom.data.corpus import Corpus
from charloom.data.documents import Documents
from charloom.data.sections import Sections
from charloom.data.stored_ids import AnyIds, StoredIds
from charloom.data.text_ids import ids_of, predicts_end, vocabulary_of
from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError
from charloom.machine.hardware import Choice
from charloom.models.fine_tuning import inherit, joined
from charloom.models.language_model import LanguageModel, load_folder
from charloom.models.model_folder import ModelConfig, VocabularyRecord
from charloom.models.tokenizer_files import tokenizer_files
from charloom.places.located import lasting
from charloom.settings import CorpusConfig, TrainingConfig
from charloom.storage import strict_json
from charloom.training import checkpoints
from charloom.training.card import model_card
from charloom.training.processes import Processes
from charloom.training.request import RunRequest
from charloom.training.runs import Plan, Run, RunConfig, load
from charloom.training.tasks import SharedText, Task
from charloom.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class Prepared:
    """An untrained model, and what it is trained on."""

    model: LanguageModel
    batches: Batches
    ids: AnyIds
    "(T,): the training text."

    def trainer(self, training: TrainingConfig, length: Plan | Task, processes: Processes | None = None) -> Trainer:
        """A trainer at its first step; `length` says for how many, and with which precision."""
        return Trainer(
            self.model.network,
            self.batches,
            training,
            steps=length.steps,
            precision=length.precision,
            processes=processes,
        )

    def task(self, corpus: Corpus, settings: "Settings", *, steps: int, precision: str, copy: str = "") -> Task:
        """What other processes need to build the same trainer; `copy` is where the run has its copy of the text."""
        vocabulary = self.model.vocabulary
        record = VocabularyRecord(vocabulary.kind, vocabulary.characters)
        return Task(
            settings.corpus,
            settings.network,
            settings.training,
            steps=steps,
            device=self.model.network.device.type,
            precision="bfloat16" if precision == "bfloat16" else "float32",
            text=SharedText(corpus.source, copy, corpus.name, corpus.text.sha256, record),
        )

    def files(self, config: RunConfig, trainer: Trainer) -> dict[str, bytes]:
        """The files of the model folder before the first step."""
        vocabulary = self.model.vocabulary
        return {
            "config.json": strict_json.dump(self.model.config),
            "vocabulary.json": strict_json.dump(VocabularyRecord(vocabulary.kind, vocabulary.characters)),
            "model.safetensors": self.model.with_network(trainer.average).weights(),
            "README.md": model_card(config, 0, None, "").encode(),
            **tokenizer_files(self.model.config, vocabulary),
        }

    def unseen(self, whole: Vocabulary) -> int:
        """How many symbols of the whole text are missing from its training part."""
        vocabulary = self.model.vocabulary
        if vocabulary.kind == "bytes":
            return 0
        if isinstance(self.ids, StoredIds):
            return self.ids.unseen()
        counts = np.zeros(len(vocabulary), np.int64)
        for start in range(0, len(self.ids), 1 << 20):
            counts += np.bincount(self.ids[start : start + (1 << 20)], minlength=len(vocabulary))
        seen = {vocabulary.characters[symbol] for symbol in np.flatnonzero(counts[:-1])}
        if self.model.config.documents == "lines" and counts[-1]:
            seen.add("\n")  # the boundary represents it
        return len(set(whole.characters) - seen)


Settings = RunRequest | RunConfig | Task
"""Where the settings of a run are: in the request before it starts, in its configuration afterwards, in a task for
another process."""


def prepare(
    corpus: Corpus, settings: Settings, whole: Vocabulary, parent: LanguageModel | None, device: Choice
) -> Prepared:
    """Prepare a new run; depends on its text, whose symbols are `whole`, its settings and its parent alone."""
    return _prepared(corpus, settings, joined(whole, parent), parent, device)


def prepare_again(here: Run, config: RunConfig, corpus: Corpus, device: Choice) -> Prepared:
    """Prepare an existing run; its symbols are its model's, if it has one already. Raises `FolderError`."""
    if not checkpoints.exist(here.path):
        parent = load(lasting(config.origin.path)) if config.origin else None
        whole = vocabulary_of(corpus.text, config.corpus.vocabulary)
        return prepare(corpus, config, whole, parent, device)
    kept = load_folder(here.model)
    if kept.config != _model_config(corpus, config):
        raise FolderError(
            f"{here.model} does not hold the network in {here.path / 'config.json'}; restore them from a copy"
        )
    return _prepared(corpus, config, kept.vocabulary, None, device)


def prepare_as(corpus: Corpus, task: Task, vocabulary: Vocabulary, device: Choice) -> Prepared:
    """What another process has prepared, with these symbols; the weights are still to come."""
    return _prepared(corpus, task, vocabulary, None, device)


def _prepared(
    corpus: Corpus, settings: Settings, vocabulary: Vocabulary, parent: LanguageModel | None, device: Choice
) -> Prepared:
    ids = ids_of(corpus.train, vocabulary, settings.corpus.documents)
    batches = _batches(ids, vocabulary, settings.corpus, settings.training)
    model = _model(_model_config(corpus, settings), vocabulary, settings.training, parent, device)
    return Prepared(model, batches, ids)


def _model_config(corpus: Corpus, settings: Settings) -> ModelConfig:
    documents = settings.corpus.documents
    return ModelConfig(settings.network, documents, predicts_end(corpus.text, documents))


def _batches(ids: AnyIds, vocabulary: Vocabulary, corpus: CorpusConfig, training: TrainingConfig) -> Batches:
    sizes: dict[str, Any] = {
        "boundary": vocabulary.boundary,
        "batch_size": training.batch_size,
        "sequence_length": training.sequence_length,
    }
    lines = corpus.documents == "lines"
    several = ids.several if isinstance(ids, StoredIds) else bool((ids == vocabulary.boundary).any())
    if not (lines or several):
        return Streams(ids, **sizes)
    if len(ids) > sections.MIXED:  # in memory too: the run may be resumed from a copy in a file
        return Sections(ids, **sizes, seed=training.seed, fold=not lines)
    return Documents(ids[:], **sizes, seed=training.seed, fold=not lines)


def _model(
    config: ModelConfig,
    vocabulary: Vocabulary,
    training: TrainingConfig,
    parent: LanguageModel | None,
    device: Choice,
) -> LanguageModel:
    """A model whose weights depend on the seed alone, except for what it inherits from its parent."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = LanguageModel.new(config, vocabulary)
    if parent is not None:
        inherit(model, parent)
    model.network.to(device.name)
    return model

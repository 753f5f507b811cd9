"""Prepares a classifier's run for its first step: rows, symbols, counted n-grams, fresh weights, batches."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.classify import n_gram_files
from charloom.classify.batches import TextBatches
from charloom.classify.card import classifier_card
from charloom.classify.generative import GenerativeNetwork
from charloom.classify.inheritance import inherit
from charloom.classify.model import Classifier, ClassifierConfig, label_places
from charloom.classify.n_gram_sizes import sizes
from charloom.classify.n_grams import MOST_CLASSES, NGrams
from charloom.classify.request import ClassifierRequest
from charloom.classify.rows import Rows, hold_out
from charloom.classify.runs import ClassifierRunConfig
from charloom.classify.symbols import SymbolTable, vocabulary_of
from charloom.classify.training import ClassifierTrainer, class_weights
from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.machine.hardware import Choice
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import VocabularyRecord
from charloom.storage import strict_json


@dataclass(frozen=True, eq=False)
class Prepared:
    """An untrained classifier with its counted n-grams, and the rows to train and validate it on."""

    classifier: Classifier
    batches: TextBatches
    weights: torch.Tensor
    "(C,): of the classes in the loss."
    held: Rows
    held_labels: NDArray[np.int64]
    "(N,): the class of each held-out row."

    def trainer(self, config: ClassifierRunConfig) -> ClassifierTrainer:
        """A trainer at its first step."""
        return ClassifierTrainer(
            self.classifier.network,
            self.batches,
            config.training,
            weights=self.weights,
            steps=config.plan.steps,
            precision=config.plan.precision,
        )

    def files(self, config: ClassifierRunConfig, trainer: ClassifierTrainer) -> dict[str, bytes]:
        """The files of the model folder before the first step."""
        classifier = self.classifier
        record = VocabularyRecord(classifier.vocabulary.kind, classifier.vocabulary.characters)
        files = {
            "config.json": strict_json.dump(classifier.config),
            "vocabulary.json": strict_json.dump(record),
            "model.safetensors": classifier.with_network(trainer.average).weights(),
            "README.md": classifier_card(config, classifier.classes, 0, {}).encode(),
        }
        if classifier.n_grams is not None:
            files[n_gram_files.NAME] = n_gram_files.pack_n_grams(classifier.n_grams)
        return files


def prepare(
    rows: Rows, settings: ClassifierRequest | ClassifierRunConfig, parent: LanguageModel | None, device: Choice
) -> Prepared:
    """Prepare a run; depends on the rows, the settings and the parent alone. Raises `SettingsError`."""
    classification, training = settings.classification, settings.training
    kept, held = (rows.take(places) for places in hold_out(rows, classification.held, training.seed))
    held = held.repeated()
    labels, held_labels = (label_places(part.labels, rows.classes) for part in (kept, held))
    table = SymbolTable(vocabulary_of(kept.texts, kept.weights))
    n_grams = _counted(kept, labels, table, classes=len(rows.classes), longest=classification.n_grams)
    config = ClassifierConfig(settings.network, classification, rows.classes, training.sequence_length, sizes(n_grams))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        classifier = Classifier.new(config, table.vocabulary, n_grams)
    if parent is not None:
        inherit(classifier, parent)
    classifier.network.to(device.name)
    batches = TextBatches(
        kept.texts,
        labels,
        table,
        weights=kept.amounts,
        batch_size=training.batch_size,
        longest=config.longest,
        crops=classification.crops,
        character_dropout=classification.character_dropout,
        seed=training.seed,
    )
    counts = tuple(np.bincount(labels, kept.amounts, minlength=len(rows.classes)).tolist())
    if isinstance(classifier.network, GenerativeNetwork):
        classifier.network.set_prior(counts)
    weights = class_weights(counts, classification.class_weights)
    return Prepared(classifier, batches, weights, held, held_labels)


def _counted(rows: Rows, labels: NDArray[np.int64], table: SymbolTable, *, classes: int, longest: int) -> NGrams | None:
    if not longest:
        return None
    if classes > MOST_CLASSES:
        raise SettingsError(
            f"n-grams are counted for at most {MOST_CLASSES:,} classes, and there are {classes:,}; turn them off with "
            f"{option('n_grams', 0)}"
        )
    texts = [table.encode(text) for text in rows.texts]
    return NGrams.count(texts, labels, table, classes=classes, longest=longest, weights=rows.amounts)

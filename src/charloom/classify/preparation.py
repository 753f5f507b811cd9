"""What a classifier's run consists of before its first step: rows apart, symbols, counted n-grams, fresh weights, batches."""

from dataclasses import dataclass

import numpy as np
import torch

from charloom.classify.batches import TextBatches
from charloom.classify.inheritance import inherit
from charloom.classify.model import Classifier, ClassifierConfig, label_places
from charloom.classify.n_gram_files import sizes
from charloom.classify.n_grams import MOST_CLASSES, NGrams
from charloom.classify.rows import Rows, hold_out
from charloom.classify.symbols import SymbolTable, vocabulary_of
from charloom.classify.training import ClassifierTrainer, class_weights
from charloom.errors import SettingsError
from charloom.machine.hardware import Choice
from charloom.models.language_model import LanguageModel
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig


@dataclass(frozen=True, eq=False)
class Prepared:
    """A classifier that knows nothing but counts, and what it is trained and judged on."""

    classifier: Classifier
    kept: Rows
    "To train on."
    held: Rows
    batches: TextBatches

    def trainer(self, training: ClassifierTrainingConfig, *, steps: int, precision: str) -> ClassifierTrainer:
        """A trainer at its first step."""
        classifier = self.classifier
        labels = classifier.places(self.kept.labels)
        counts = tuple(np.bincount(labels, self.kept.amounts, minlength=len(classifier.classes)).tolist())
        weights = class_weights(counts, classifier.config.classification.class_weights)
        return ClassifierTrainer(
            classifier.network, self.batches, training, weights=weights, steps=steps, precision=precision
        )


def prepare(
    rows: Rows,
    classification: ClassificationConfig,
    network: ClassifierNetworkConfig,
    training: ClassifierTrainingConfig,
    *,
    parent: LanguageModel | None,
    device: Choice,
) -> Prepared:
    """A function of the rows, the settings and the parent alone. Raises `SettingsError`."""
    kept, held = (rows.take(places) for places in hold_out(rows, classification.held, training.seed))
    held = held.repeated()
    table = SymbolTable(vocabulary_of(kept.texts, kept.weights))
    n_grams = _counted(kept, rows.classes, table, classification.n_grams)
    config = ClassifierConfig(network, classification, rows.classes, training.sequence_length, sizes(n_grams))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        classifier = Classifier.new(config, table.vocabulary, n_grams)
    if parent is not None:
        inherit(classifier, parent)
    classifier.network.to(device.name)
    batches = TextBatches(
        kept.texts,
        classifier.places(kept.labels),
        table,
        weights=kept.amounts,
        batch_size=training.batch_size,
        longest=config.longest,
        crops=classification.crops,
        character_dropout=classification.character_dropout,
        seed=training.seed,
    )
    return Prepared(classifier, kept, held, batches)


def _counted(rows: Rows, classes: tuple[str, ...], table: SymbolTable, longest: int) -> NGrams | None:
    if not longest:
        return None
    if len(classes) > MOST_CLASSES:
        raise SettingsError(
            f"n-grams are counted for at most {MOST_CLASSES:,} classes, and there are {len(classes):,}; leave them out with "
            "--n-grams 0"
        )
    labels = label_places(rows.labels, classes)
    texts = [table.encode(text) for text in rows.texts]
    return NGrams.count(texts, labels, table, classes=len(classes), longest=longest, weights=rows.amounts)

"""A classifier without a network: n-grams and the frequencies of the classes, calibrated on held-out texts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from charloom.classify.calibration import best_pool
from charloom.classify.class_prior import ClassPrior
from charloom.classify.model import Classifier, ClassifierConfig
from charloom.classify.n_gram_packing import PACKED, pack_small
from charloom.classify.n_gram_sizes import sizes
from charloom.classify.n_grams import NGrams
from charloom.classify.symbols import Symbols
from charloom.models.model_folder import VocabularyRecord
from charloom.settings import ClassificationConfig, ClassifierTrainingConfig
from charloom.storage import strict_json


def counts_alone(n_grams: NGrams, classes: Sequence[str], texts: NDArray[np.int64]) -> Classifier:
    """A classifier by `n_grams`, not yet calibrated; `texts` (C,) says how many texts each class has, none without."""
    counted = sizes(n_grams)
    longest = ClassifierTrainingConfig.sequence_length
    config = ClassifierConfig(None, ClassificationConfig(n_grams=len(counted)), tuple(classes), longest, counted)
    return Classifier(ClassPrior.of(texts), n_grams.table.vocabulary, config, n_grams)


def calibrated(classifier: Classifier, held: Sequence[Symbols], labels: NDArray[np.int64]) -> Classifier:
    """The same classifier with the temperature and count weight that fit encoded texts of the classes `labels` (N,).

    The classifier has no network.
    """
    assert isinstance(classifier.reader, ClassPrior)
    counts = classifier.counted(held)
    assert counts is not None
    temperature, weight = best_pool(classifier.network_logits(held), counts, labels)
    return replace(classifier, reader=replace(classifier.reader, temperature=temperature, count_weight=weight))


def folder_files(classifier: Classifier) -> dict[str, bytes]:
    """The files of its model folder, except the card. Raises `SettingsError` for more than 65,536 symbols."""
    assert classifier.n_grams is not None
    record = VocabularyRecord(classifier.vocabulary.kind, classifier.vocabulary.characters)
    return {
        "config.json": strict_json.dump(classifier.config),
        "vocabulary.json": strict_json.dump(record),
        "model.safetensors": classifier.weights(),
        PACKED: pack_small(classifier.n_grams),
    }

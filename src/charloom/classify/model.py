"""A classifier: a network or the frequencies of the classes, counted n-grams, the symbols, and the classes.

Its folder holds `config.json`, `vocabulary.json`, `model.safetensors` and a card, as a language model's does, and
`n-grams.safetensors` or `n-grams.safetensors.xz` if there are any. Torch is imported only if there is a network.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Union

import numpy as np
from numpy.typing import NDArray

from charloom.classify.class_prior import ClassPrior, expected_of_prior, read_prior
from charloom.classify.deleted_options import without_deleted_options
from charloom.classify.n_gram_files import read_n_grams
from charloom.classify.n_gram_sizes import NGramSizes
from charloom.classify.n_grams import NGrams
from charloom.classify.symbols import Symbols, SymbolTable
from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError, SettingsError, arguments
from charloom.models.model_folder import (
    LARGEST_WEIGHTS,
    ModelPlace,
    model_folder,
    read_model_file,
    read_vocabulary,
)
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig
from charloom.storage import strict_json
from charloom.storage.tensor_files import Expected, largest_file

if TYPE_CHECKING:
    import torch

    from charloom.classify.generative import GenerativeNetwork
    from charloom.classify.network import ClassifierNetwork

Floats = NDArray[np.float64]

UNKNOWN = "unknown"
"""The label of a text whose best class is less probable than the threshold."""


@dataclass(frozen=True)
class ClassifierConfig:
    """The content of `config.json` in a classifier's folder."""

    network: ClassifierNetworkConfig | None
    "None if the n-grams decide alone."
    classification: ClassificationConfig
    classes: tuple[str, ...]
    longest: int
    "Characters read in one piece; a longer text is read in pieces of equal length."
    n_grams: tuple[NGramSizes, ...]
    "Sizes of the tables of sequences of 1, 2, … characters."
    format: Literal["charloom-classifier-1"] = "charloom-classifier-1"

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes) or self.longest < 1:
            raise FolderError(
                "a classifier has at least two classes, each once, and reads at least one character at a time"
            )
        if len(self.n_grams) > self.classification.n_grams:
            raise FolderError(
                f"n-grams of up to {len(self.n_grams)} characters are counted, but the settings allow "
                f"{self.classification.n_grams}; restore the file from a copy"
            )
        if self.network is None and not self.n_grams:
            raise FolderError("the classifier has neither a network nor n-grams; restore the file from a copy")


@dataclass(frozen=True, eq=False)
class Classifier:
    """Predicts the class of a text, and how probable it is."""

    reader: Union["ClassifierNetwork", "GenerativeNetwork", ClassPrior]
    vocabulary: Vocabulary
    config: ClassifierConfig
    n_grams: NGrams | None = None

    @classmethod
    def new(
        cls,
        config: ClassifierConfig,
        vocabulary: Vocabulary,
        n_grams: NGrams | None = None,
        *,
        device: "str | torch.device" = "cpu",
    ) -> "Classifier":
        """A classifier with fresh weights on `device`; on "meta" it has none. Its configuration has a network."""
        from charloom.classify.network_reading import new_network

        assert config.network is not None
        symbols, classes = len(SymbolTable(vocabulary)), len(config.classes)
        network = new_network(config.network, config.classification, symbols=symbols, classes=classes, device=device)
        return cls(network, vocabulary, config, n_grams)

    @property
    def network(self) -> Union["ClassifierNetwork", "GenerativeNetwork"]:
        """Its network. Raises `SettingsError` if the n-grams decide alone."""
        if isinstance(self.reader, ClassPrior):
            raise SettingsError("this classifier has no network, because its n-grams decide alone")
        return self.reader

    @property
    def temperature(self) -> float:
        """What logits are divided by."""
        return float(self.reader.temperature)

    @property
    def count_weight(self) -> float:
        """What the n-grams are multiplied by before they are added to the network's logits."""
        return float(self.reader.count_weight)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, in the order of the columns of `probabilities`."""
        return self.config.classes

    def places(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """The place (N,) of each label among the classes, all of which are known."""
        return label_places(labels, self.classes)

    @cached_property
    def table(self) -> SymbolTable:
        """The symbols that the network reads."""
        return SymbolTable(self.vocabulary)

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """P(class | text) (N, C), calibrated; each row adds up to 1. Raises `NotFiniteError`."""
        return softmax(self.logits(texts) / self.temperature)

    def predict(self, texts: Sequence[str], *, threshold: float = 0.0) -> list[tuple[str, float]]:
        """The most probable class of each text and its probability; "unknown" where that is below `threshold`."""
        return [self.decide(row, threshold) for row in self.probabilities(texts)]

    def decide(self, probabilities: Floats, threshold: float = 0.0) -> tuple[str, float]:
        """The most probable class by probabilities (C,), or "unknown" below `threshold`, and its probability."""
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        return self.classes[best] if probability >= threshold else UNKNOWN, probability

    def logits(self, texts: Sequence[str]) -> Floats:
        """Logits (N, C), not yet divided by the temperature.

        A text of more than `config.longest` characters is read in pieces of equal length: a discriminative network's
        logits are the mean of theirs, a generative one's log-likelihoods their sum. The n-grams are added with their
        weight. Raises `NotFiniteError`.
        """
        arguments.texts(texts, "a classifier")
        return self.logits_of([self.table.encode(text) for text in texts])

    def logits_of(self, encoded: Sequence[Symbols]) -> Floats:
        """Logits (N, C) of encoded texts. Raises `NotFiniteError`."""
        logits, counts = self.network_logits(encoded), self.counted(encoded)
        return logits if counts is None else logits + self.count_weight * counts

    def counted(self, encoded: Sequence[Symbols]) -> Floats | None:
        """The n-grams' log P(text | class) (N, C) over the root of the length; long texts are read in pieces too.

        Neighbouring characters say much the same, so a text ten times as long is not ten times as certain.
        """
        if self.n_grams is None:
            return None
        cut = [self._pieces(symbols) for symbols in encoded]
        nats = self.n_grams.nats([piece for pieces in cut for piece in pieces])
        first = np.cumsum([0] + [len(pieces) for pieces in cut[:-1]])
        lengths = np.array([len(symbols) + 1 for symbols in encoded])
        return np.add.reduceat(nats, first) / np.sqrt(lengths)[:, None] if len(encoded) else nats

    def network_logits(self, encoded: Sequence[Symbols]) -> Floats:
        """Logits (N, C) of the network alone, or the prior if there is none. Raises `NotFiniteError`."""
        if isinstance(self.reader, ClassPrior):
            return np.tile(self.reader.prior.astype(np.float64), (len(encoded), 1))
        from charloom.classify.network_reading import logits_of_texts

        cut = [self._pieces(symbols) for symbols in encoded]
        return logits_of_texts(self.reader, cut, boundary=self.table.boundary, classes=len(self.classes))

    def with_network(self, network: Union["ClassifierNetwork", "GenerativeNetwork"]) -> "Classifier":
        """The same classifier with other weights."""
        return replace(self, reader=network)

    def weights(self) -> bytes:
        """The weights, temperature and count weight as a safetensors file."""
        return self.calibrated_weights(self.temperature, self.count_weight)

    def calibrated_weights(self, temperature: float, count_weight: float) -> bytes:
        """The same file with this temperature and count weight; the classifier stays unchanged."""
        if isinstance(self.reader, ClassPrior):
            return replace(self.reader, temperature=temperature, count_weight=count_weight).weights()
        from charloom.classify.network_reading import packed

        return packed(self.reader, temperature, count_weight)

    def _pieces(self, symbols: Symbols) -> list[Symbols]:
        count = max(1, -(-len(symbols) // self.config.longest))
        return np.array_split(symbols, count)


def softmax(logits: Floats) -> Floats:
    """Probabilities (N, C) whose rows add up to 1."""
    powers = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf))
    found: Floats = powers / powers.sum(1, keepdims=True)
    return found


def load_classifier(path: ModelPlace) -> Classifier:
    """The classifier of a run directory or a model folder. Raises `FolderError`."""
    folder = model_folder(path)
    where = str(folder / "config.json")
    parsed = strict_json.parse(read_model_file(folder, "config.json", strict_json.LARGEST_JSON), where)
    if isinstance(parsed, dict) and parsed.get("format") in ("charloom-model-1", "charloom-run-1"):
        raise FolderError(f"{path} is a language model, not a classifier; train one with: charloom classify train")
    config = strict_json.load(ClassifierConfig, without_deleted_options(parsed, where), where)
    vocabulary = read_vocabulary(folder)
    if vocabulary.kind != "characters":
        raise FolderError(
            f"{folder / 'vocabulary.json'}: a classifier reads characters, not bytes; restore the file from a copy"
        )
    classifier = _with_weights(config, vocabulary, folder)
    if not classifier.temperature > 0:
        raise FolderError(f"{folder / 'model.safetensors'}: the temperature is not above 0; restore it from a copy")
    if not classifier.count_weight >= 0:
        raise FolderError(f"{folder / 'model.safetensors'}: the count weight is below 0; restore it from a copy")
    n_grams = read_n_grams(folder, config.n_grams, classifier.table, classes=len(classifier.classes))
    return replace(classifier, n_grams=n_grams)


def _with_weights(config: ClassifierConfig, vocabulary: Vocabulary, folder: Path) -> Classifier:
    """The classifier without its n-grams. Raises `FolderError`."""

    def read(expected: Expected) -> bytes:
        return read_model_file(folder, "model.safetensors", min(LARGEST_WEIGHTS, largest_file(expected)))

    where, classes = str(folder / "model.safetensors"), len(config.classes)
    if config.network is None:
        return Classifier(read_prior(read(expected_of_prior(classes)), where, classes=classes), vocabulary, config)
    from charloom.classify.network_reading import expected_of_network, fill

    classifier = Classifier.new(config, vocabulary, device="meta")
    fill(classifier.network, read(expected_of_network(classifier.network)), where)
    return classifier


def label_places(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """The index (N,) of each label among the classes; all labels must be known."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places[label] for label in labels], np.int64)

"""A classifier: a network, counted n-grams, the symbols that both read, and the classes.

Its folder holds `config.json`, `vocabulary.json`, `model.safetensors` and a card, as a language model's does, and
`n-grams.safetensors` if there are any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.classify.deleted_options import without_deleted_options
from charloom.classify.generative import GenerativeNetwork
from charloom.classify.n_gram_files import NGramSizes, read_n_grams
from charloom.classify.n_grams import NGrams
from charloom.classify.network import ClassifierNetwork
from charloom.classify.symbols import Symbols, SymbolTable, padded
from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError, NotFiniteError, arguments
from charloom.models.language_model import as_tensors, expected_of, pack
from charloom.models.model_folder import (
    LARGEST_WEIGHTS,
    ModelPlace,
    model_folder,
    read_model_file,
    read_vocabulary,
)
from charloom.models.network import reading
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig
from charloom.storage import strict_json
from charloom.storage.tensor_files import largest_file, unpack

Floats = NDArray[np.float64]

TOGETHER = 1 << 15
"""The most symbols read side by side, which limits memory whatever the lengths of the texts."""

UNKNOWN = "unknown"
"""The label of a text whose best class is less probable than the threshold."""


@dataclass(frozen=True)
class ClassifierConfig:
    """The content of `config.json` in a classifier's folder."""

    network: ClassifierNetworkConfig
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


@dataclass(frozen=True, eq=False)
class Classifier:
    """Predicts the class of a text, and how probable it is."""

    network: ClassifierNetwork | GenerativeNetwork
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
        device: str | torch.device = "cpu",
    ) -> "Classifier":
        """A classifier with fresh weights on `device`; on "meta" it has none."""
        kind = GenerativeNetwork if config.classification.kind == "generative" else ClassifierNetwork
        with torch.device(device):
            network = kind(
                config.network,
                config.classification,
                symbols=len(SymbolTable(vocabulary)),
                classes=len(config.classes),
            )
        return cls(network.eval(), vocabulary, config, n_grams)

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
        return softmax(self.logits(texts) / float(self.network.temperature))

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
        return logits if counts is None else logits + float(self.network.count_weight) * counts

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
        """Logits (N, C) of the network alone. Raises `NotFiniteError`."""
        pieces: list[Symbols] = []
        owners: list[int] = []
        counts = np.zeros(len(encoded))
        for owner, symbols in enumerate(encoded):
            cut = self._pieces(symbols)
            pieces += cut
            owners += [owner] * len(cut)
            counts[owner] = len(cut)
        return self._combined(self._read(pieces), np.array(owners, np.int64), counts)

    def _read(self, pieces: Sequence[Symbols]) -> Floats:
        """Logits (N, C) of encoded texts of at most `config.longest` characters, read side by side."""
        read = np.zeros((len(pieces), len(self.classes)))
        device = self.network.device
        with reading(self.network):
            for places in _side_by_side([len(piece) for piece in pieces]):
                ids, lengths = padded([pieces[place] for place in places], self.table.boundary)
                logits = self.network(torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device))
                read[places] = logits.double().cpu().numpy() if device.type != "mps" else logits.cpu().double().numpy()
        if not np.isfinite(read).all():
            raise NotFiniteError
        return read

    def with_network(self, network: ClassifierNetwork | GenerativeNetwork) -> "Classifier":
        """The same classifier with other weights."""
        return replace(self, network=network)

    def weights(self) -> bytes:
        """The weights, temperature and count weight as a safetensors file."""
        return pack(self.network.state_dict())

    def calibrated_weights(self, temperature: float, count_weight: float) -> bytes:
        """The same file with this temperature and count weight; the network stays unchanged."""
        numbers = {"temperature": temperature, "count_weight": count_weight}
        return pack({**self.network.state_dict(), **{name: torch.tensor(value) for name, value in numbers.items()}})

    def _pieces(self, symbols: Symbols) -> list[Symbols]:
        count = max(1, -(-len(symbols) // self.config.longest))
        return np.array_split(symbols, count)

    def _combined(self, each: Floats, owners: NDArray[np.int64], counts: Floats) -> Floats:
        total = np.zeros((len(counts), each.shape[1]))
        np.add.at(total, owners, each)
        if isinstance(self.network, GenerativeNetwork):  # the prior counts once a text, not once a piece
            prior = self.network.prior.double().cpu().numpy()
            return total - (counts - 1)[:, None] * prior  # type: ignore[no-any-return]
        return total / np.maximum(counts, 1)[:, None]


def softmax(logits: Floats) -> Floats:
    """Probabilities (N, C) whose rows add up to 1."""
    powers = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(1, keepdims=True)  # type: ignore[no-any-return]


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
    classifier = Classifier.new(config, vocabulary, device="meta")
    expected = expected_of(classifier.network.state_dict())
    data = read_model_file(folder, "model.safetensors", min(LARGEST_WEIGHTS, largest_file(expected)))
    weights = as_tensors(unpack(data, expected, str(folder / "model.safetensors")))
    if not float(weights["temperature"]) > 0:
        raise FolderError(f"{folder / 'model.safetensors'}: the temperature is not above 0; restore it from a copy")
    if not float(weights["count_weight"]) >= 0:
        raise FolderError(f"{folder / 'model.safetensors'}: the count weight is below 0; restore it from a copy")
    classifier.network.load_state_dict(weights, assign=True)
    n_grams = read_n_grams(folder, config.n_grams, classifier.table, classes=len(classifier.classes))
    return replace(classifier, n_grams=n_grams)


def label_places(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """The index (N,) of each label among the classes; all labels must be known."""
    places = {name: place for place, name in enumerate(classes)}
    return np.array([places[label] for label in labels], np.int64)


def _side_by_side(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Indices of texts that are read together, the longest first."""
    order = np.argsort(-np.array(lengths, np.int64), kind="stable")
    first = 0
    while first < len(order):
        rows = max(1, TOGETHER // (lengths[order[first]] + 2))
        yield order[first : first + rows]
        first += rows

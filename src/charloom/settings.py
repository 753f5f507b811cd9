"""All settings, each declared once: the flag, the TOML key, the JSON key and the help are derived from it.

No torch here, so that every `--help` is instant. The string below a field is its help text.
A value outside its range raises `SettingsError` when the object is created.
"""

from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

from charloom.errors import SettingsError, arguments, did_you_mean
from charloom.errors.options import option

Cell = Literal["lstm", "gru", "rnn-tanh", "rnn-relu"]
Initialization = Literal["orthogonal", "identity", "uniform"]
Optimizer = Literal["muon", "adamw", "adam", "rmsprop", "sgd"]
Schedule = Literal["cosine", "linear", "constant"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
Weights = Literal["float32", "int8"]
VocabularyKind = Literal["characters", "bytes"]
DocumentKind = Literal["none", "lines"]
Syntax = Literal["python"]
ClassifierKind = Literal["discriminative", "generative"]
Pooling = Literal["last", "mean-max-last"]


WHOLE = {
    *("shuffle", "hidden_size", "layers", "embedding_size", "batch_size", "sequence_length", "seed", "validations"),
    *("n_grams", "patience", "top_k"),
}
"""Settings that take whole numbers."""


def _check(owner: str, name: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    """Raise `SettingsError` unless `low <= value <= high` (`low < value` with `open_low`)."""
    if not isinstance(value, Real):
        (arguments.whole if name in WHOLE else arguments.number)(f"{owner}.{name}", value)
    if not ((low < value if open_low else low <= value) and value <= high):
        lower = f"above {low:g} and" if open_low else f"at least {low:g} and"
        raise SettingsError(f"{owner}.{name} is {_figure(value)}; it must be {lower} at most {high:g}")
    if name in WHOLE:
        arguments.whole(f"{owner}.{name}", value)


def _figure(value: float) -> str:
    try:
        return f"{value:g}"
    except OverflowError:  # an integer too large for a float
        return "too large"


def _choice(owner: str, name: str, value: str, choices: object) -> None:
    known = get_args(choices)
    if value not in known:
        raise SettingsError(f"{owner}.{name} is {value!r}{did_you_mean(str(value), known)}")


@dataclass(frozen=True)
class CorpusConfig:
    """How a text is read, split and encoded."""

    split: tuple[float, float, float] = (0.9, 0.1, 0.0)
    "Shares of the text for training, validation and test: contiguous, in this order, by characters."
    vocabulary: VocabularyKind = "characters"
    "What a symbol is: a Unicode character, or a byte of UTF-8."
    documents: DocumentKind = "none"
    "With 'lines', each line is a separate text, closed by the boundary symbol."
    shuffle: int = 0
    "Seed for shuffling the lines before the split (a sorted list would hold out its end); 0 keeps their order."
    encoding: str = "utf-8"
    "Encoding of the text file."
    column: str = ""
    "Column of rows (Parquet, JSON lines) that holds the texts; a.b is b in a. Empty: the file is the text."

    def __post_init__(self) -> None:
        _choice("corpus", "vocabulary", self.vocabulary, VocabularyKind)
        _choice("corpus", "documents", self.documents, DocumentKind)
        _check("corpus", "shuffle", self.shuffle, 0, 2**63 - 1)
        if not isinstance(self.column, str):
            raise SettingsError(f"corpus.column is {self.column!r}; give the name of a column, or leave it empty")
        shares = self.split
        if not isinstance(shares, (tuple, list)):
            raise SettingsError(f"split is {shares!r}; give three shares, as in (0.9, 0.1, 0)")
        for share in shares:
            arguments.number("a share of the split", share)
        if len(shares) != 3 or not all(0 <= share <= 1 for share in shares):
            raise SettingsError(f"split is {_commas(shares)}; give three shares from 0 to 1, as in 0.9,0.1,0")
        if abs(sum(shares) - 1) > 1e-9:
            raise SettingsError(
                f"split is {_commas(shares)}, which adds up to {sum(shares):g}; the three shares must add up to 1"
            )
        if shares[0] == 0:
            raise SettingsError(f"split is {_commas(shares)}, which leaves nothing to train on; raise the first share")


def _commas(values: tuple[float, ...]) -> str:
    return ",".join(_figure(value) for value in values)


@dataclass(frozen=True)
class NetworkConfig:
    """The shape of the network."""

    cell: Cell = "lstm"
    "Recurrent cell."
    hidden_size: int = 512
    "Units in each layer."
    layers: int = 1
    "Number of stacked recurrent layers."
    embedding_size: int = 128
    "Size of the character embedding at the input; 0 for one-hot."
    dropout: float = 0.3
    "Share of units dropped between layers and before the output during training."
    weight_dropout: float = 0.0
    "Share of recurrent weights dropped during training, redrawn for each batch."
    tied: bool = False
    "Share the embedding with the output weights (needs embedding-size equal to hidden-size)."
    initialization: Initialization = "orthogonal"
    "Initial recurrent weights: orthogonal, identity (for rnn-relu), or PyTorch's uniform."

    def __post_init__(self) -> None:
        _choice("network", "cell", self.cell, Cell)
        _choice("network", "initialization", self.initialization, Initialization)
        _check("network", "hidden_size", self.hidden_size, 1, 16_384)
        _check("network", "layers", self.layers, 1, 32)
        _check("network", "embedding_size", self.embedding_size, 0, 16_384)
        _check("network", "dropout", self.dropout, 0, 0.99)
        _check("network", "weight_dropout", self.weight_dropout, 0, 0.99)
        if self.tied and self.embedding_size != self.hidden_size:
            raise SettingsError(
                f"network.tied needs embedding_size equal to hidden_size, but they are {self.embedding_size} and "
                f"{self.hidden_size}; set both to the same number or leave tied off"
            )


@dataclass(frozen=True)
class TrainingConfig:
    """How the network is trained."""

    batch_size: int = 32
    "Streams trained in parallel; with documents, the number of typical length (short ones count as 32 characters)."
    sequence_length: int = 128
    "Characters that the gradient flows back through; the state is carried further."
    optimizer: Optimizer = "muon"
    "Optimizer; with muon, the recurrent layers' matrices are trained by Muon and the rest by AdamW."
    learning_rate: float = 8e-3
    "Peak learning rate, after the warm-up."
    beta1: float = 0.95
    "Decay of the first moment (adam, adamw); momentum for muon, rmsprop and sgd."
    beta2: float = 0.99
    "Decay of the second moment (adam, adamw, rmsprop)."
    weight_decay: float = 0.01
    "Weight decay."
    schedule: Schedule = "cosine"
    "Shape of the learning rate after the warm-up."
    warmup: float = 0.05
    "Share of the steps during which the learning rate rises to its peak."
    final_learning_rate: float = 0.02
    "Final learning rate, as a share of the peak (cosine, linear)."
    clip: float = 1.0
    "Maximum norm of the gradient; 0 turns clipping off."
    average: float = 0.98
    "Decay of the moving average of the weights that becomes the model; 0 turns it off."
    validations: int = 10
    "Number of validations during the run."
    patience: int = 0
    "Training stops after this many validations in a row without a new best; 0 never stops."
    seed: int = 1
    "Seed of initialisation, dropout and document order."

    def __post_init__(self) -> None:
        _choice("training", "optimizer", self.optimizer, Optimizer)
        _choice("training", "schedule", self.schedule, Schedule)
        _check("training", "batch_size", self.batch_size, 1, 65_536)
        _check("training", "sequence_length", self.sequence_length, 1, 65_536)
        _check("training", "learning_rate", self.learning_rate, 0, 1_000, open_low=True)
        for name in ("beta1", "beta2", "average"):
            _check("training", name, getattr(self, name), 0, 0.999999)
        _check("training", "weight_decay", self.weight_decay, 0, 1_000)
        for name in ("warmup", "final_learning_rate"):
            _check("training", name, getattr(self, name), 0, 1)
        _check("training", "clip", self.clip, 0, 1e9)
        _check("training", "validations", self.validations, 1, 100_000)
        _check("training", "patience", self.patience, 0, 100_000)
        _check("training", "seed", self.seed, 0, 2**63 - 1)


@dataclass(frozen=True)
class ClassificationConfig:
    """How texts are classified, apart from the network's shape and its training."""

    kind: ClassifierKind = "discriminative"
    "One network that separates the classes, or one that writes like each class, with Bayes' rule: for few texts."
    bidirectional: bool = True
    "Read the text in both directions (discriminative)."
    pooling: Pooling = "mean-max-last"
    "How the states of a text are pooled: the last, or mean, maximum and last together."
    label_smoothing: float = 0.1
    "Share of the target spread over all classes (label smoothing) (discriminative)."
    class_weights: float = 0.0
    "0 weights all texts equally, 1 all classes; between them, the class frequency to minus this power."
    character_dropout: float = 0.1
    "Share of characters replaced by the unknown symbol during training."
    crops: float = 0.0
    "Share of training texts replaced by a random part of themselves: for classifying words and snippets."
    next_character: float = 0.3
    "Weight of a second task, predicting the next character: helps if there are few texts (discriminative)."
    every_place: float = 0.0
    "Weight of a third task, predicting the class at every position, in either direction (discriminative)."
    n_grams: int = 5
    "Longest character n-grams counted in each class and combined with the network; 0 for none."
    held: float = 0.05
    "Share of each class held out for early stopping and calibration."
    patience: int = 10
    "Training stops after this many validations without improvement."

    def __post_init__(self) -> None:
        _choice("classification", "kind", self.kind, ClassifierKind)
        _choice("classification", "pooling", self.pooling, Pooling)
        _check("classification", "label_smoothing", self.label_smoothing, 0, 0.9)
        _check("classification", "class_weights", self.class_weights, 0, 1)
        _check("classification", "character_dropout", self.character_dropout, 0, 0.9)
        _check("classification", "crops", self.crops, 0, 1)
        _check("classification", "next_character", self.next_character, 0, 100)
        _check("classification", "every_place", self.every_place, 0, 100)
        _check("classification", "n_grams", self.n_grams, 0, 16)
        _check("classification", "held", self.held, 0, 0.5)
        _check("classification", "patience", self.patience, 1, 100_000)


@dataclass(frozen=True)
class SamplingConfig:
    """How a symbol is drawn: the repetition penalty comes first, then the other fields in order."""

    temperature: float = 1.0
    "Below 1, probable symbols become more likely; above 1, less likely."
    top_k: int = 0
    "Draw only from the k most probable symbols; 0 for all."
    top_p: float = 1.0
    "Draw only from the smallest set of symbols with this total probability."
    min_p: float = 0.0
    "Drop symbols less probable than this share of the most probable symbol."
    repetition_penalty: float = 1.0
    "Above 1, the last 64 symbols become less likely to recur (Keskar et al. 2019, arXiv 1909.05858)."
    greedy: bool = False
    "Always take the most probable symbol."

    def __post_init__(self) -> None:
        arguments.number("temperature", self.temperature)
        if not 0 < self.temperature <= 1e300:
            raise SettingsError(
                f"temperature is {_figure(self.temperature)}; it must be above 0 (use greedy for the most probable "
                "symbol)"
            )
        _check("sampling", "top_k", self.top_k, 0, 2**31)
        _check("sampling", "top_p", self.top_p, 0, 1, open_low=True)
        _check("sampling", "min_p", self.min_p, 0, 1)
        _check("sampling", "repetition_penalty", self.repetition_penalty, 0, 1_000, open_low=True)


@dataclass(frozen=True)
class ClassifierNetworkConfig(NetworkConfig):
    """The shape of a classifier's network."""

    hidden_size: int = 128
    "Units in each layer and direction."
    embedding_size: int = 64
    "Size of the character embedding at the input."
    dropout: float = 0.3
    "Share of units dropped after the embedding, between layers and before the output during training."

    def __post_init__(self) -> None:
        if self.tied:
            raise SettingsError("network.tied is only for language models (a classifier outputs classes); leave it off")
        super().__post_init__()
        _check("network", "embedding_size", self.embedding_size, 1, 16_384)


@dataclass(frozen=True)
class ClassifierTrainingConfig(TrainingConfig):
    """How a classifier is trained."""

    batch_size: int = 64
    "Texts trained in parallel."
    sequence_length: int = 512
    "Characters of a text read in one piece; a longer text is read in pieces of equal length."
    learning_rate: float = 6e-3
    "Peak learning rate, after the warm-up."
    weight_decay: float = 0.05
    "Weight decay."
    validations: int = 20
    "Number of validations on the held-out rows during the run."

    def __post_init__(self) -> None:
        if self.patience:
            raise SettingsError(
                f"training.patience is only for language models; for a classifier use {option('patience')}"
            )
        super().__post_init__()

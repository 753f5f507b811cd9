"""The classifier as a scikit-learn estimator: `fit`, `predict`, `predict_proba`, parameters by name.

It has the methods of an estimator but not the base class, so that it works without scikit-learn.
"""

import inspect
import sys
import tempfile
from collections.abc import Iterable
from contextlib import closing
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from charloom.classify.experiment import begin
from charloom.classify.model import Classifier, load_classifier
from charloom.classify.request import ClassifierRequest
from charloom.classify.rows import Rows
from charloom.classify.weights import checked, numbers
from charloom.errors import CharloomError, MissingExtraError, SettingsError, TextError, did_you_mean
from charloom.settings import (
    Cell,
    ClassificationConfig,
    ClassifierKind,
    ClassifierNetworkConfig,
    ClassifierTrainingConfig,
    Device,
    Optimizer,
    Pooling,
    Precision,
)
from charloom.training.loop import SaveEvery
from charloom.training.request import Length

Values = NDArray[Any]


class NotFittedError(CharloomError, AttributeError):
    """A classifier was used before it was fitted."""


class TextClassifier:
    """Predicts the class of a text with a recurrent network over its characters, and with counted n-grams.

    Texts are strings, in any sequence; labels are strings, numbers or anything else that sorts. `charloom classify
    train --help` explains the parameters. `seed` is the seed of all random draws, `origin` a language model to start
    from, and `run` a directory to keep the run in, for `charloom classify` too; without it nothing is left on the disk.

    >>> classifier = TextClassifier(epochs=20).fit(["hello", "bonjour", …], ["en", "fr", …])  # doctest: +SKIP
    >>> classifier.predict(["bon soir"])                                                      # doctest: +SKIP
    """

    _estimator_type = "classifier"

    def __init__(
        self,
        *,
        kind: ClassifierKind = "discriminative",
        cell: Cell = "lstm",
        hidden_size: int = ClassifierNetworkConfig.hidden_size,
        layers: int = 1,
        embedding_size: int = ClassifierNetworkConfig.embedding_size,
        dropout: float = ClassifierNetworkConfig.dropout,
        weight_dropout: float = ClassifierNetworkConfig.weight_dropout,
        bidirectional: bool = ClassificationConfig.bidirectional,
        pooling: Pooling = ClassificationConfig.pooling,
        label_smoothing: float = ClassificationConfig.label_smoothing,
        class_weights: float = ClassificationConfig.class_weights,
        character_dropout: float = ClassificationConfig.character_dropout,
        crops: float = ClassificationConfig.crops,
        next_character: float = ClassificationConfig.next_character,
        every_place: float = ClassificationConfig.every_place,
        n_grams: int = ClassificationConfig.n_grams,
        held: float = ClassificationConfig.held,
        patience: int = ClassificationConfig.patience,
        batch_size: int = ClassifierTrainingConfig.batch_size,
        sequence_length: int = ClassifierTrainingConfig.sequence_length,
        optimizer: Optimizer = ClassifierTrainingConfig.optimizer,
        learning_rate: float = ClassifierTrainingConfig.learning_rate,
        weight_decay: float = ClassifierTrainingConfig.weight_decay,
        epochs: float | None = None,
        steps: int | None = None,
        seed: int = 1,
        origin: str | Path | None = None,
        run: str | Path | None = None,
        device: Device = "auto",
        precision: Precision = "auto",
    ) -> None:
        self.kind, self.cell, self.hidden_size, self.layers = kind, cell, hidden_size, layers
        self.embedding_size, self.dropout, self.weight_dropout = embedding_size, dropout, weight_dropout
        self.bidirectional, self.pooling = bidirectional, pooling
        self.label_smoothing, self.class_weights = label_smoothing, class_weights
        self.character_dropout, self.crops = character_dropout, crops
        self.next_character, self.every_place = next_character, every_place
        self.n_grams, self.held, self.patience = n_grams, held, patience
        self.batch_size, self.sequence_length, self.optimizer = batch_size, sequence_length, optimizer
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.epochs, self.steps, self.seed, self.origin, self.run = epochs, steps, seed, origin, run
        self.device, self.precision = device, precision

    def fit(
        self,
        X: Iterable[str],  # noqa: N803
        y: Iterable[Any],
        sample_weight: Iterable[float] | None = None,
    ) -> Self:
        """Train on texts X and their labels y. Raises `CharloomError`.

        A text of `sample_weight` 2 counts like two texts, one of 0 like none; weights need not be whole numbers.
        Weights whose mean is below 1 are scaled to a mean of 1.
        """
        texts, labels = _texts(X), _labels(y)
        if len(texts) != len(labels):
            raise TextError(f"there are {len(texts):,} texts and {len(labels):,} labels; each text needs its label")
        weights = checked(sample_weight, len(texts))
        if weights is not None:
            labels, texts = labels[weights > 0], [text for text, weight in zip(texts, weights, strict=True) if weight]
            weights = weights[weights > 0]
        classes = _distinct(labels)
        names = [str(label) for label in classes]
        if len(set(names)) < len(names):
            raise SettingsError("two labels are the same as strings; give labels that differ as strings")
        written = dict(zip(classes.tolist(), names, strict=True))
        rows = Rows(
            tuple(written[label] for label in labels.tolist()),
            tuple(texts),
            weights=None if weights is None else tuple(weights.tolist()),
        )
        with tempfile.TemporaryDirectory() as folder:
            session = begin(
                rows,
                self._request(),
                run=Path(self.run) if self.run is not None else Path(folder) / "run",
                save_every=SaveEvery(seconds=float("inf") if self.run is None else 30.0),
            )
            with closing(session.events()) as events:  # closing saves, whatever interrupts
                for _ in events:
                    pass
            self.classifier_ = load_classifier(session.run.path)
        self.classes_ = classes
        self._columns = [self.classifier_.classes.index(name) for name in names]
        return self

    def predict_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803
        """P(class | text) (N, C), calibrated, with columns in the order of `classes_`. Raises `TextError`."""
        return self._fitted().probabilities(_texts(X))[:, self._columns]

    def predict_log_proba(self, X: Iterable[str]) -> NDArray[np.float64]:  # noqa: N803
        """The logarithm of `predict_proba`."""
        return np.log(np.maximum(self.predict_proba(X), 1e-300))

    def predict(self, X: Iterable[str]) -> Values:  # noqa: N803
        """The most probable label of each text (N,)."""
        best_columns = self.predict_proba(X).argmax(1)
        best: Values = self.classes_[best_columns]
        return best

    def score(
        self,
        X: Iterable[str],  # noqa: N803
        y: Iterable[Any],
        sample_weight: Iterable[float] | None = None,
    ) -> float:
        """Share of the texts, by weight, whose label is predicted correctly. Raises `TextError`."""
        predicted, labels = self.predict(X), _labels(y)
        if len(predicted) != len(labels):
            raise TextError(f"there are {len(predicted):,} texts and {len(labels):,} labels; each text needs its label")
        if not len(labels):
            raise TextError("there are no texts to score; give texts and their labels")
        return float(np.average(predicted == labels, weights=numbers(sample_weight, len(labels))))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by their names."""
        return {name: getattr(self, name) for name in _names()}

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by their names. Raises `SettingsError` for an unknown name."""
        for name, value in parameters.items():
            if name not in _names():
                raise SettingsError(f"TextClassifier has no parameter {name!r}{did_you_mean(name, _names())}")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """The tags for scikit-learn: a classifier of one-dimensional sequences of strings."""
        try:
            from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags
        except ImportError:
            raise MissingExtraError("this method", "sklearn") from None
        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether `fit` was called."""
        return hasattr(self, "classifier_")

    def __repr__(self) -> str:
        usual = {name: parameter.default for name, parameter in inspect.signature(TextClassifier).parameters.items()}
        changed = [f"{name}={value!r}" for name, value in self.get_params().items() if value != usual[name]]
        return f"TextClassifier({', '.join(changed)})"

    def _request(self) -> ClassifierRequest:
        parameters = self.get_params()
        return ClassifierRequest(
            _part(ClassificationConfig, parameters),
            _part(ClassifierNetworkConfig, parameters),
            _part(ClassifierTrainingConfig, parameters),
            length=Length(self.steps, self.epochs),
            origin=self.origin,
            device=self.device,
            precision=self.precision,
        )

    def _fitted(self) -> Classifier:
        if not hasattr(self, "classifier_"):
            kind = (
                sys.modules["sklearn.exceptions"].NotFittedError
                if "sklearn.exceptions" in sys.modules
                else NotFittedError
            )
            raise kind("this TextClassifier is not fitted yet; call fit with texts and labels first")
        return self.classifier_


def _names() -> list[str]:
    return list(inspect.signature(TextClassifier).parameters)


def _part(kind: type[Any], parameters: dict[str, Any]) -> Any:
    """The settings of one kind among the parameters; a classifier's patience is not a training setting."""
    known = set(inspect.signature(kind).parameters) - ({"patience"} if kind is ClassifierTrainingConfig else set())
    return kind(**{name: value for name, value in parameters.items() if name in known})


def _texts(texts: Iterable[str]) -> list[str]:
    """Texts as a list of `str`. Raises `TextError` for anything but a sequence of strings."""
    if isinstance(texts, (str, bytes)):
        raise TextError("the texts are one string; give a sequence of strings, even for a single text")
    if getattr(texts, "ndim", 1) != 1:
        raise TextError("the texts have more than one dimension; give a sequence of strings")
    listed = _listed(texts, "texts")
    for place, text in enumerate(listed):
        if not isinstance(text, str):
            raise TextError(f"text {place} is of type {_called(text)}, not a string; convert it first")
    return [str(text) for text in listed]


def _labels(labels: Iterable[Any]) -> Values:
    """Labels as an array (N,) of one type. Raises `TextError` if that is impossible."""
    if labels is None:
        raise TextError("a classifier requires y to be passed, but the target y is None; give a label for each text")
    if isinstance(labels, (str, bytes)):
        raise TextError("the labels are one string; give a sequence with a label for each text")
    if getattr(labels, "ndim", 1) > 1:
        raise TextError("the labels have more than one dimension; give one label for each text")
    found = labels if isinstance(labels, np.ndarray) else np.asarray(labels) if hasattr(labels, "__array__") else None
    if found is None or found.dtype.kind == "O":
        listed = _listed(labels, "labels") if found is None else found.tolist()
        _refuse_mixed(listed)
        try:
            found = np.asarray(listed)
        except ValueError:
            found = np.zeros((0, 0))
    if found.ndim != 1:
        raise TextError("the labels have more than one dimension; give one label for each text")
    if found.dtype.kind == "c":
        raise TextError("the labels are complex numbers; give names or whole numbers")
    if found.dtype.kind == "f":
        if not np.isfinite(found).all():
            raise TextError("Input y contains NaN or infinity, which are not labels; remove those texts")
        if (found != np.round(found)).any():
            raise TextError("Unknown label type: continuous; a classifier's labels are names or whole numbers")
    return found


def _refuse_mixed(labels: list[Any]) -> None:
    """Raise `TextError` for a missing label, or for several types, which numpy would turn into strings."""
    first: tuple[str, Any] | None = None
    for place, label in enumerate(labels):
        if (
            label is None
            or type(label).__name__ in ("NAType", "NaTType")
            or (isinstance(label, float) and label != label)
        ):
            missing = "NaN: Input y contains NaN or infinity" if isinstance(label, float) else repr(label)
            raise TextError(f"label {place} is {missing}; give that text a label, or leave it out")
        kind = "number" if isinstance(label, Real) and not isinstance(label, (bool, np.bool_)) else type(label).__name__
        kind = {"str_": "str", "bool_": "bool"}.get(kind, kind)
        if first is None:
            first = kind, label
        elif kind != first[0]:
            raise TextError(
                f"the labels are of several types: label 0 is {first[1]!r} ({_called(first[1])}), label {place} is "
                f"{label!r} ({_called(label)}); make them all of one type, for example strings"
            )


def _distinct(labels: Values) -> Values:
    """The distinct labels, sorted. Raises `TextError` for labels that cannot be sorted."""
    try:
        return np.unique(labels)
    except TypeError:
        raise TextError(
            f"labels of type {_called(labels[0])} cannot be sorted; give strings or whole numbers"
        ) from None


def _listed(values: Iterable[Any], called: str) -> list[Any]:
    """The values of a sequence. Raises `TextError` for sets and dictionaries, whose order means nothing."""
    if isinstance(values, (set, frozenset, dict)):
        raise TextError(f"the {called} are a {_called(values)}, whose order means nothing; give a list")
    try:
        return list(values)
    except TypeError:
        raise TextError(f"the {called} are of type {_called(values)}, not a sequence; give a list") from None


def _called(value: object) -> str:
    return "None" if value is None else type(value).__name__

"""Character-level recurrent language models: train, generate, evaluate.

>>> import charloom
>>> run = charloom.train(text, run="runs/hamlet", time_budget="4m")              # doctest: +SKIP
>>> model = charloom.load("runs/hamlet")                                         # doctest: +SKIP
>>> print("".join(charloom.generate(model, "ROMEO:", length=300, seed=1)))       # doctest: +SKIP
>>> charloom.evaluate(model, text).bits_per_character                            # doctest: +SKIP

The names below are all there is; they are imported when they are first used, so that `charloom --help` needs no torch.
"""

from importlib import import_module

from charloom.version import __version__

TYPE_CHECKING = False  # `typing` takes a quarter of the time in which a command cannot yet answer a signal
if TYPE_CHECKING:
    from typing import Any

    from charloom.applications.classify.estimator import TextClassifier
    from charloom.applications.classify.model import Classifier, load_classifier
    from charloom.applications.complete import Completer, Completion
    from charloom.applications.mixed import MixedCompleter
    from charloom.applications.word_counts import WordCounts
    from charloom.batches import Batch, Streams
    from charloom.beam import Continuation, beam_search
    from charloom.corpus import Corpus, Text
    from charloom.documents import Documents
    from charloom.errors import CharloomError
    from charloom.evaluation import Score, evaluate, surprisal
    from charloom.experiment import train
    from charloom.generation import generate
    from charloom.language_model import LanguageModel
    from charloom.network import CharRNN, State
    from charloom.runs import Run, load
    from charloom.samples import Sample, generate_many
    from charloom.settings import CorpusConfig, NetworkConfig, SamplingConfig, TrainingConfig
    from charloom.training import Progress, Trainer
    from charloom.vocabulary import Vocabulary
    from charloom.writer import Writer

_HOMES = {
    "Batch": "batches",
    "CharRNN": "network",
    "CharloomError": "errors",
    "Classifier": "applications.classify.model",
    "Completer": "applications.complete",
    "Completion": "applications.complete",
    "Continuation": "beam",
    "Corpus": "corpus",
    "CorpusConfig": "settings",
    "Documents": "documents",
    "LanguageModel": "language_model",
    "MixedCompleter": "applications.mixed",
    "NetworkConfig": "settings",
    "Progress": "training",
    "Run": "runs",
    "Sample": "samples",
    "SamplingConfig": "settings",
    "Score": "evaluation",
    "State": "network",
    "Streams": "batches",
    "Text": "corpus",
    "TextClassifier": "applications.classify.estimator",
    "Trainer": "training",
    "TrainingConfig": "settings",
    "Vocabulary": "vocabulary",
    "WordCounts": "applications.word_counts",
    "Writer": "writer",
    "beam_search": "beam",
    "evaluate": "evaluation",
    "generate": "generation",
    "generate_many": "samples",
    "load": "runs",
    "load_classifier": "applications.classify.model",
    "surprisal": "evaluation",
    "train": "experiment",
}

__all__ = [
    "Batch",
    "CharRNN",
    "CharloomError",
    "Classifier",
    "Completer",
    "Completion",
    "Continuation",
    "Corpus",
    "CorpusConfig",
    "Documents",
    "LanguageModel",
    "MixedCompleter",
    "NetworkConfig",
    "Progress",
    "Run",
    "Sample",
    "SamplingConfig",
    "Score",
    "State",
    "Streams",
    "Text",
    "TextClassifier",
    "Trainer",
    "TrainingConfig",
    "Vocabulary",
    "WordCounts",
    "Writer",
    "__version__",
    "beam_search",
    "evaluate",
    "generate",
    "generate_many",
    "load",
    "load_classifier",
    "surprisal",
    "train",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module 'charloom' has no attribute {name!r}")
    value = getattr(import_module(f"charloom.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

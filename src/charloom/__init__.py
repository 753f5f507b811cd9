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

    from charloom.classify.estimator import TextClassifier
    from charloom.classify.model import Classifier, load_classifier
    from charloom.complete.completer import Completer, Completion
    from charloom.complete.mixed import MixedCompleter
    from charloom.complete.word_counts import WordCounts
    from charloom.data.batches import Batch, Streams
    from charloom.data.corpus import Corpus, Text
    from charloom.data.documents import Documents
    from charloom.data.vocabulary import Vocabulary
    from charloom.errors import CharloomError
    from charloom.evaluation.score import Score, evaluate, surprisal
    from charloom.generation.batched_generation import Sample, generate_many
    from charloom.generation.beam import Continuation, beam_search
    from charloom.generation.generate import generate
    from charloom.generation.writer import Writer
    from charloom.models.language_model import LanguageModel
    from charloom.models.network import CharRNN, State
    from charloom.settings import CorpusConfig, NetworkConfig, SamplingConfig, TrainingConfig
    from charloom.training.runs import Run, load
    from charloom.training.train import train
    from charloom.training.trainer import Progress, Trainer

_HOMES = {
    "Batch": "data.batches",
    "CharRNN": "models.network",
    "CharloomError": "errors",
    "Classifier": "classify.model",
    "Completer": "complete.completer",
    "Completion": "complete.completer",
    "Continuation": "generation.beam",
    "Corpus": "data.corpus",
    "CorpusConfig": "settings",
    "Documents": "data.documents",
    "LanguageModel": "models.language_model",
    "MixedCompleter": "complete.mixed",
    "NetworkConfig": "settings",
    "Progress": "training.trainer",
    "Run": "training.runs",
    "Sample": "generation.batched_generation",
    "SamplingConfig": "settings",
    "Score": "evaluation.score",
    "State": "models.network",
    "Streams": "data.batches",
    "Text": "data.corpus",
    "TextClassifier": "classify.estimator",
    "Trainer": "training.trainer",
    "TrainingConfig": "settings",
    "Vocabulary": "data.vocabulary",
    "WordCounts": "complete.word_counts",
    "Writer": "generation.writer",
    "beam_search": "generation.beam",
    "evaluate": "evaluation.score",
    "generate": "generation.generate",
    "generate_many": "generation.batched_generation",
    "load": "training.runs",
    "load_classifier": "classify.model",
    "surprisal": "evaluation.score",
    "train": "training.train",
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

"""Character-level recurrent language models: train, generate, evaluate.

>>> import charloom
>>> run = charloom.train("To be, or not to be ...", time_budget="1m")            # doctest: +SKIP
>>> print("".join(charloom.generate(run, "To ", length=300, seed=1)))            # doctest: +SKIP
>>> charloom.evaluate(run, "Text that it has not read.").bits_per_character      # doctest: +SKIP

`train` makes a run, a directory with everything about a training. `load` gives its model; a run, its path or a model
stands wherever a model is asked for. `generate` writes, `evaluate` measures, `surprisal` says how much each character
surprised the model.

What else a model is good for has a package of its own:

    charloom.plotting   loss curves and heat maps
    charloom.report     what a model knows
    charloom.compress   lossless compression
    charloom.complete   words and lines finished as you type
    charloom.correct    spelling correction
    charloom.classify   classes of texts, as a scikit-learn estimator too
    charloom.code       Python source that is complete, hints at mistakes
    charloom.study      what settings do
    charloom.many       many texts at once, with several processes

and the parts lie in `charloom.data`, `models`, `training`, `generation`, `evaluation` and `machine`. Names are imported
when they are first used, so that `charloom --help` needs no torch.
"""

import sys
from importlib import import_module

from charloom.version import __version__

TYPE_CHECKING = False  # importing `typing` takes a quarter of the time before signals are handled
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from charloom.classify.estimator import TextClassifier
    from charloom.classify.model import Classifier, load_classifier
    from charloom.complete.completer import Completer, Completion
    from charloom.complete.mixed import MixedCompleter
    from charloom.complete.word_counts import WordCounts
    from charloom.data.batches import Batch, Streams
    from charloom.data.corpus import Corpus
    from charloom.data.documents import Documents
    from charloom.data.text import Text
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


def _public(
    package: str, homes: "Mapping[str, tuple[str, ...]]"
) -> "tuple[Callable[[str], Any], Callable[[], list[str]]]":
    """`__getattr__` and `__dir__` of a package: the names of each of its modules, imported when they are first used."""
    modules = {name: module for module, names in homes.items() for name in names}

    def get(name: str) -> "Any":
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{modules[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(modules)


_PACKAGES = (
    *("classify", "code", "complete", "compress", "correct", "data", "evaluation", "generation", "machine", "many"),
    *("models", "plotting", "report", "study", "training"),
)

_get, _names = _public(
    __name__,
    {
        "classify.estimator": ("TextClassifier",),
        "classify.model": ("Classifier", "load_classifier"),
        "complete.completer": ("Completer", "Completion"),
        "complete.mixed": ("MixedCompleter",),
        "complete.word_counts": ("WordCounts",),
        "data.batches": ("Batch", "Streams"),
        "data.corpus": ("Corpus",),
        "data.text": ("Text",),
        "data.documents": ("Documents",),
        "data.vocabulary": ("Vocabulary",),
        "errors": ("CharloomError",),
        "evaluation.score": ("Score", "evaluate", "surprisal"),
        "generation.batched_generation": ("Sample", "generate_many"),
        "generation.beam": ("Continuation", "beam_search"),
        "generation.generate": ("generate",),
        "generation.writer": ("Writer",),
        "models.language_model": ("LanguageModel",),
        "models.network": ("CharRNN", "State"),
        "settings": ("CorpusConfig", "NetworkConfig", "SamplingConfig", "TrainingConfig"),
        "training.runs": ("Run", "load"),
        "training.train": ("train",),
        "training.trainer": ("Progress", "Trainer"),
    },
)


def __dir__() -> list[str]:
    return sorted([*_names(), *_PACKAGES])


def __getattr__(name: str) -> "Any":
    return import_module(f"charloom.{name}") if name in _PACKAGES else _get(name)


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

"""How well a model predicts a text."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.evaluation.baselines import Baseline, NGram, best_order, compare, compressors
    from charloom.evaluation.pairs import Difference, paired
    from charloom.evaluation.score import Score, evaluate, evaluate_dynamic
    from charloom.evaluation.surprisal import Surprise, Surprises

__all__ = [
    "Baseline",
    "Difference",
    "NGram",
    "Score",
    "Surprise",
    "Surprises",
    "best_order",
    "compare",
    "compressors",
    "evaluate",
    "evaluate_dynamic",
    "paired",
]

__getattr__, __dir__ = _public(
    __name__,
    {
        "baselines": ("Baseline", "NGram", "best_order", "compare", "compressors"),
        "pairs": ("Difference", "paired"),
        "score": ("Score", "evaluate", "evaluate_dynamic"),
        "surprisal": ("Surprise", "Surprises"),
    },
)

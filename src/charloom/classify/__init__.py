"""Text classifiers, trained on rows of a label and a text."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.classify.estimator import TextClassifier
    from charloom.classify.evaluation import Evaluation, draw_evaluation, evaluate
    from charloom.classify.explanation import Explanation, explain
    from charloom.classify.model import Classifier, load_classifier
    from charloom.classify.rows import Rows, hold_out, read_rows

__all__ = [
    "Classifier",
    "Evaluation",
    "Explanation",
    "Rows",
    "TextClassifier",
    "draw_evaluation",
    "evaluate",
    "explain",
    "hold_out",
    "load_classifier",
    "read_rows",
]

__getattr__, __dir__ = _public(
    __name__,
    {
        "estimator": ("TextClassifier",),
        "evaluation": ("Evaluation", "draw_evaluation", "evaluate"),
        "explanation": ("Explanation", "explain"),
        "model": ("Classifier", "load_classifier"),
        "rows": ("Rows", "hold_out", "read_rows"),
    },
)

"""What a model knows: where its loss sits, how it errs, what its units follow, whether it copies."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.report.embeddings import plane
    from charloom.report.features import features_of
    from charloom.report.predictions import Characters, Predictions, by_character, predict
    from charloom.report.report import Report, write_report
    from charloom.report.units import Follower, activations, followers

__all__ = [
    "Characters",
    "Follower",
    "Predictions",
    "Report",
    "activations",
    "by_character",
    "features_of",
    "followers",
    "plane",
    "predict",
    "write_report",
]

__getattr__, __dir__ = _public(
    __name__,
    {
        "embeddings": ("plane",),
        "features": ("features_of",),
        "predictions": ("Characters", "Predictions", "by_character", "predict"),
        "report": ("Report", "write_report"),
        "units": ("Follower", "activations", "followers"),
    },
)

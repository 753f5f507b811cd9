"""Many texts at once: iterators that take texts and give results in order, with one process or several.

>>> from charloom import many
>>> texts = (line.strip() for line in open("lines.txt"))                                # doctest: +SKIP
>>> for label, probability in many.predict("languages", texts, workers=2): ...         # doctest: +SKIP

Each worker loads the model once, computes with one thread, and gives the very bits that one worker would give. Texts
are read as they are needed, so memory stays flat however many there are.
"""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.many.archives import compress
    from charloom.many.corrections import correct
    from charloom.many.predictions import predict
    from charloom.many.scores import evaluate
    from charloom.many.writing import generate

__all__ = ["compress", "correct", "evaluate", "generate", "predict"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "archives": ("compress",),
        "corrections": ("correct",),
        "predictions": ("predict",),
        "scores": ("evaluate",),
        "writing": ("generate",),
    },
)

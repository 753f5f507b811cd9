"""Writing, without torch."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.generation.batched_generation import Sample, generate_many
    from charloom.generation.beam import Continuation, beam_search
    from charloom.generation.generate import Piece, TextStream, generate_pieces
    from charloom.generation.novelty import Lines, Novelty, compare, new_samples
    from charloom.generation.sampling import distribution
    from charloom.generation.writer import Writer

__all__ = [
    "Continuation",
    "Lines",
    "Novelty",
    "Piece",
    "Sample",
    "TextStream",
    "Writer",
    "beam_search",
    "compare",
    "distribution",
    "generate_many",
    "generate_pieces",
    "new_samples",
]

__getattr__, __dir__ = _public(
    __name__,
    {
        "batched_generation": ("Sample", "generate_many"),
        "beam": ("Continuation", "beam_search"),
        "generate": ("Piece", "TextStream", "generate_pieces"),
        "novelty": ("Lines", "Novelty", "compare", "new_samples"),
        "sampling": ("distribution",),
        "writer": ("Writer",),
    },
)

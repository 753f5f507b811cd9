"""Words and lines finished as you type."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.complete.completer import Completer, Completion
    from charloom.complete.mixed import MixedCompleter
    from charloom.complete.pruned_counts import PrunedCounts
    from charloom.complete.word_counts import WordCounts
    from charloom.complete.word_files import counted_words

__all__ = ["Completer", "Completion", "MixedCompleter", "PrunedCounts", "WordCounts", "counted_words"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "completer": ("Completer", "Completion"),
        "mixed": ("MixedCompleter",),
        "pruned_counts": ("PrunedCounts",),
        "word_counts": ("WordCounts",),
        "word_files": ("counted_words",),
    },
)

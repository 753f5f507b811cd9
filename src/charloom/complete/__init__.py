"""Words and lines finished as you type."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.complete.completer import Completer, Completion
    from charloom.complete.mixed import MixedCompleter
    from charloom.complete.word_counts import WordCounts

__all__ = ["Completer", "Completion", "MixedCompleter", "WordCounts"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "completer": ("Completer", "Completion"),
        "mixed": ("MixedCompleter",),
        "word_counts": ("WordCounts",),
    },
)

"""Python source: generated so that it parses, completed name by name, and searched for suspicious places."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.code.checker import Checker
    from charloom.code.hints import Hint, find_hints
    from charloom.code.identifiers import IdentifierCompleter
    from charloom.code.names import names_in
    from charloom.code.parser import parses
    from charloom.code.writing import Writing, finish

__all__ = ["Checker", "Hint", "IdentifierCompleter", "Writing", "find_hints", "finish", "names_in", "parses"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "checker": ("Checker",),
        "hints": ("Hint", "find_hints"),
        "identifiers": ("IdentifierCompleter",),
        "names": ("names_in",),
        "parser": ("parses",),
        "writing": ("Writing", "finish"),
    },
)

"""Spelling correction as a noisy channel: a character model in context, and a model of errors.

    P(meant | typed, context)  ~  P(meant and what follows | what comes before) P(typed | meant)

spans.py finds the words that can be judged, lexicon.py the words that could be meant, edits.py computes how probable a
slip is, context.py asks the character model, and corrector.py decides. Kernighan, Church and Gale 1990, "A spelling
correction program based on a noisy channel model".
"""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.correct.corrector import Corrector
    from charloom.correct.edits import ErrorModel
    from charloom.correct.lexicon import Lexicon
    from charloom.correct.word_lists import known_words, words_of_model

__all__ = ["Corrector", "ErrorModel", "Lexicon", "known_words", "words_of_model"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "corrector": ("Corrector",),
        "edits": ("ErrorModel",),
        "lexicon": ("Lexicon",),
        "word_lists": ("known_words", "words_of_model"),
    },
)

"""What a language model does besides writing, prepared once for each model: it completes and corrects."""

import threading
from collections import OrderedDict
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from charloom.complete.completer import Completer, Completion, Unit
from charloom.complete.word_files import counted_words, words_file
from charloom.errors import CharloomError, SettingsError
from charloom.models.model_folder import is_run
from charloom.server.logs import LOG
from charloom.server.served import Served

if TYPE_CHECKING:
    from charloom.code.identifiers import IdentifierCompleter
    from charloom.complete.mixed import MixedCompleter
    from charloom.complete.next_words import NextWords
    from charloom.correct.corrector import Change
    from charloom.correct.lexicon import Lexicon

    AnyCompleter = Completer | MixedCompleter | IdentifierCompleter

Kind = Literal["word", "line", "identifier"]

REMEMBERED = 16
"""Texts whose reading is kept, because most requests add a few characters to the one before."""


def knows_words(place: str) -> bool:
    """Whether words come with the model at `place`, or it has a training text to take them from. Raises
    `FolderError`."""
    return is_run(place) or words_file(place) is not None


class LanguageTools:
    """Completion and correction with one language model; each call may come from another thread."""

    def __init__(self, served: Served) -> None:
        assert served.writer is not None
        self._writer, self._place, self._name = served.writer, served.place, served.name
        self._read: OrderedDict[tuple[Kind, str], AnyCompleter] = OrderedDict()
        self._change, self._preparing = threading.Lock(), threading.RLock()

    def complete(self, text: str, count: int, kind: Kind) -> list[Completion]:
        """The most probable ways to go on, at most `count`, as `charloom complete` finds them.

        Raises `TextError` for a character that the model does not know, `SettingsError`, `FolderError`.
        """
        return self._completer(text, kind).suggest(count)

    def correct(self, text: str, *, aggressive: bool, confidence: float) -> "tuple[str, list[Change]]":
        """The corrected text and its changes, as `charloom correct` makes them. Raises `SettingsError` for a model
        without words, `FolderError`, and `MissingExtraError` without the extra `text`."""
        from charloom.correct.corrector import Corrector

        with self._preparing:
            lexicon = self._lexicon
        return Corrector(self._writer, lexicon, aggressive=aggressive, confidence=confidence).correct(text)

    def _completer(self, text: str, kind: Kind) -> "AnyCompleter":
        with self._change:
            begun = [before for at, before in self._read if at == kind and _goes_on(before, text, kind)]
            longest = max(begun, key=len, default=None)
            known = None if longest is None else self._read[kind, longest]
        if known is None or longest is None:
            found = self._new(text, kind)
        else:
            found = known.type(text[len(longest) :])
        with self._change:
            self._read[kind, text] = found
            self._read.move_to_end((kind, text))
            while len(self._read) > REMEMBERED:
                self._read.popitem(last=False)
        return found

    def _new(self, text: str, kind: Kind) -> "AnyCompleter":
        if kind == "identifier":
            from charloom.code.identifiers import IdentifierCompleter

            return IdentifierCompleter(self._writer, text)
        if kind == "word" and knows_words(self._place):
            from charloom.complete.mixed import MixedCompleter

            with self._preparing:
                counts = self._counts
            return MixedCompleter(self._writer, counts, text)
        unit: Unit = "line" if kind == "line" else "word"
        return Completer(self._writer, text, unit=unit)

    @cached_property
    def _counts(self) -> "NextWords | None":
        """Counted words: those that come with the model, or those of the run's training text if it can be found."""
        if not is_run(self._place):
            return counted_words(self._place)
        from charloom.complete.word_counts import WordCounts

        try:
            return WordCounts(_training_text(self._place))
        except CharloomError as error:
            LOG.warning("%s completes without counted words: %s", self._name, error)
            return None

    @cached_property
    def _lexicon(self) -> "Lexicon":
        from charloom.correct.word_lists import known_words, words_of_model

        if is_run(self._place):
            return known_words(_training_text(self._place))
        found = words_of_model(self._place)
        if found is None:
            raise SettingsError(f"{self._name} is a model folder without words, so it cannot correct; serve its run")
        return found


def _training_text(place: str) -> list[str]:
    """The training part of a run's text, in pieces. Raises `FolderError`, `TextError`."""
    from charloom.training.runs import as_run
    from charloom.training.texts import same_text

    run = as_run(place)
    return list(same_text(run, run.config()).train.pieces())


def _goes_on(before: str, text: str, kind: Kind) -> bool:
    """Whether a text that was read can be typed on to become `text`; an identifier only letter by letter."""
    if not text.startswith(before):
        return False
    added = text[len(before) :]
    return kind != "identifier" or Completer.begun_in(added, "identifier") == added

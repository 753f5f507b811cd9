"""The known words of a run, or of another model."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from charloom.correct.lexicon import Lexicon
from charloom.correct.word_lists import known_words, words_of_model
from charloom.errors import CharloomError, SettingsError, shown
from charloom.errors.options import option
from charloom.models.model_folder import is_run
from charloom.training.runs import as_run
from charloom.training.texts import same_text

MOVED = 'name where it is now with --text after a passage: charloom correct {run} "a passage" --text NEW'


def words_of_run(run: str | PathLike[str], listed: Mapping[str, int], moved: Path | None = None) -> Lexicon:
    """The words of the run's training text, those that come with a model, and those of lists.

    `listed`: further words; `moved`: where the training text is now. Raises `SettingsError` for a model without words,
    `FolderError`, `TextError`.
    """
    if not is_run(run):
        if moved:
            raise SettingsError(f"give one text: a passage after the model, or a file with {option('text')}")
        if (ready := words_of_model(run, listed)) is not None:
            return ready
        if not listed:
            raise SettingsError(
                f"{shown(run)} is a model folder, which has no training text; give known words with {option('words')}"
            )
        return Lexicon(listed)
    here = as_run(run)
    try:
        own = same_text(here, here.config(), moved, remedy=MOVED)
    except CharloomError as error:
        raise SettingsError(f"{one_text()}: {error}") if moved else error from None
    return known_words(own.train.pieces(), listed)


def one_text() -> str:
    """What to do if there are two texts to correct, as the beginning of a sentence."""
    return f"give one text to correct, a passage or {option('text')}"

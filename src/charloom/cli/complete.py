"""charloom complete"""

from pathlib import Path
from typing import TYPE_CHECKING

from charloom.cli import files
from charloom.errors import CharloomError, SettingsError, shown
from charloom.settings import Syntax

if TYPE_CHECKING:
    from charloom.complete.next_words import NextWords


def complete(
    run: str,
    prefix: str,
    /,
    *,
    suggestions: int = 5,
    line: bool = False,
    length: int | None = None,
    syntax: Syntax | None = None,
    text: Path | None = None,
    model_only: bool = False,
    json: bool = False,
) -> None:
    """Show the most probable ways to finish a word or a line.

    Each is given with its probability as the rest of the word or line, its end included; a word that is already
    complete is not suggested. Words are predicted by the model together with counts: of the words of the run's training
    text, or those that come with a ready-made model, and of those typed before. With --model-only, for lines, and for
    any other model folder, the model predicts alone, and the probability is that it would write exactly this.

    Parameters
    ----------
    run
        A run directory, a model folder, or the name of a ready-made model: english.
    prefix
        The text typed so far; "" for none.
    suggestions
        Most suggestions to show.
    line
        Finish the line, not the word.
    length
        Characters after which a completion by the model is cut off (default: 32 for a word, 80 for a line).
    syntax
        With python, finish an identifier: suggest the names that the text uses as well as the model's own.
    text
        A file with the text before the prefix (with --syntax); - for standard input.
    model_only
        Use the model alone, without counting words.
    json
        Print one JSON value: for each suggestion its text, without the prefix, its probability, and whether it ends.
    """
    from charloom.cli.output import print_json
    from charloom.code.identifiers import IdentifierCompleter
    from charloom.complete.completer import Completer
    from charloom.complete.mixed import MixedCompleter
    from charloom.complete.word_files import words_file
    from charloom.generation.writer import Writer
    from charloom.models.model_folder import is_run

    if syntax and (line or length is not None or model_only):
        raise SettingsError(
            "--syntax finishes a whole identifier with the names of the text; leave out --line, --length, --model-only"
        )
    if text is not None and not syntax:
        raise SettingsError("--text gives the text before an identifier; give --syntax with it, or leave it out")
    writer = Writer.load(run)
    completer: Completer | MixedCompleter | IdentifierCompleter
    if syntax:
        before = files.read_text(text) if text is not None else ""
        completer = IdentifierCompleter(writer, before + prefix)
    elif not model_only and not line and length is None and (is_run(run) or words_file(run)):
        completer = MixedCompleter(writer, _counts(run), prefix)
    else:
        completer = Completer(writer, prefix, unit="line" if line else "word", length=length)
    completions = completer.suggest(suggestions)
    if json:
        print_json([{"text": each.text, "probability": each.probability, "ends": each.ends} for each in completions])
        return
    for each in completions:
        print(f"{each.probability:.3g}\t{shown(completer.begun + each.text)}{'' if each.ends else ' ...'}")


def _counts(run: str) -> "NextWords | None":
    """The words that come with the model, or those of the run's training text; None, with a message, if that text
    cannot be found."""
    from charloom.cli.output import say
    from charloom.complete.word_counts import WordCounts
    from charloom.complete.word_files import counted_words
    from charloom.models.model_folder import is_run
    from charloom.training.runs import as_run
    from charloom.training.texts import same_text

    if not is_run(run):
        return counted_words(run)
    here = as_run(run)
    config = here.config()
    try:
        text = same_text(here, config)
    except CharloomError as error:
        say(f"words of the training text are not counted: {error}")
        return None
    return WordCounts(text.train.pieces())

"""charloom complete"""

from pathlib import Path
from typing import TYPE_CHECKING

from charloom.cli import files
from charloom.errors import CharloomError, SettingsError, shown
from charloom.settings import Syntax

if TYPE_CHECKING:
    from charloom.complete.word_counts import WordCounts


def complete(
    run: Path,
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

    Each with its probability as the rest of the word (or the line), its end included; a word that may be complete as it
    stands is not among them. Words are foreseen by the model together with counts: of the words of the run's training
    text, and of those that were typed before. With --model-only, for lines and by a model folder it is the model alone,
    and the probability is that its own writing continues like this.

    Parameters
    ----------
    run
        A run directory or a model folder.
    prefix
        What was typed so far; "" for nothing.
    suggestions
        How many at most.
    line
        Finish the line, not the word.
    length
        Characters after which a completion of the model is cut off (default: 32 for a word, 80 for a line).
    syntax
        With python, finish the identifier: the names that the text uses are suggested with what the model would write.
    text
        A file that stands before what was typed (with --syntax); - for standard input.
    model_only
        Ask the model alone, and count no words.
    json
        Print one JSON value: for each suggestion its text, without the prefix, its probability, and whether it ends.
    """
    from charloom.cli.output import print_json
    from charloom.code.identifiers import IdentifierCompleter
    from charloom.complete.completer import Completer
    from charloom.complete.mixed import MixedCompleter
    from charloom.generation.writer import Writer
    from charloom.models.model_folder import is_run

    if syntax and (line or length is not None or model_only):
        raise SettingsError(
            "with a syntax an identifier is finished, whole, with the names of the text; leave out --line, --length, --model-only"
        )
    if text is not None and not syntax:
        raise SettingsError(
            "the file before what was typed is read for its names; give --syntax with --text, or leave it out"
        )
    writer = Writer.load(run)
    completer: Completer | MixedCompleter | IdentifierCompleter
    if syntax:
        before = files.read_text(text) if text is not None else ""
        completer = IdentifierCompleter(writer, before + prefix)
    elif not model_only and not line and length is None and is_run(run):
        completer = MixedCompleter(writer, _counts(run), prefix)
    else:
        completer = Completer(writer, prefix, unit="line" if line else "word", length=length)
    found = completer.suggest(suggestions)
    if json:
        print_json([{"text": each.text, "probability": each.probability, "ends": each.ends} for each in found])
        return
    for each in found:
        print(f"{each.probability:.3g}\t{shown(completer.begun + each.text)}{'' if each.ends else ' ...'}")


def _counts(run: Path) -> "WordCounts | None":
    """The words of the run's training text; without that text, which may be elsewhere by now, what was typed is counted
    alone."""
    from charloom.cli.output import say
    from charloom.complete.word_counts import WordCounts
    from charloom.training.run_text import same_text
    from charloom.training.runs import Run

    config = Run(run).config()
    try:
        text = same_text(Run(run), config)
    except CharloomError as error:
        say(f"words of the training text are not counted: {error}")
        return None
    return WordCounts(text.train.pieces())

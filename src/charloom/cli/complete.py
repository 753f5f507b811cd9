"""charloom complete"""

from pathlib import Path

from charloom.cli import files
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError, shown
from charloom.settings import Syntax


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
    json: bool = False,
) -> None:
    """Show the most probable ways to finish a word, or a line, that somebody has begun to type.

    Each with the probability that the model's own writing goes on with exactly these characters and then ends the word (or
    the line). A word that may be complete as it stands is not among them.

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
        Characters after which a completion is cut off (default: 32 for a word, 80 for a line).
    syntax
        With python, finish the identifier: the names that the text uses are suggested with what the model would write.
    text
        A file that stands before what was typed (with --syntax); - for standard input.
    json
        Print one JSON value: for each suggestion its text, without the prefix, its probability, and whether it ends.
    """
    from charloom.applications.code.identifiers import IdentifierCompleter
    from charloom.applications.complete import Completer
    from charloom.cli.output import print_json
    from charloom.writer import Writer

    typed = "-" if prefix == HYPHEN else prefix
    if syntax and (line or length is not None):
        raise SettingsError("with a syntax an identifier is finished, whole; leave out --line and --length")
    if text is not None and not syntax:
        raise SettingsError(
            "the file before what was typed is read for its names; give --syntax with --text, or leave it out"
        )
    completer: Completer | IdentifierCompleter
    if syntax:
        before = files.read_text(text) if text is not None else ""
        completer = IdentifierCompleter(Writer.load(run), before + typed)
    else:
        completer = Completer(Writer.load(run), typed, unit="line" if line else "word", length=length)
    found = completer.suggest(suggestions)
    if json:
        print_json([{"text": each.text, "probability": each.probability, "ends": each.ends} for each in found])
        return
    for each in found:
        print(f"{each.probability:.3g}\t{shown(completer.begun + each.text)}{'' if each.ends else ' ...'}")

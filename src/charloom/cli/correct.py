"""charloom correct"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from charloom.cli import files
from charloom.cli.sources import HYPHEN
from charloom.data.file_kinds import advice
from charloom.errors import CharloomError, SettingsError, TextError, shown

if TYPE_CHECKING:
    from charloom.correct.corrector import Change
    from charloom.correct.lexicon import Lexicon


MOVED = 'name where it is now with --text after a passage: charloom correct {run} "a passage" --text NEW'


def correct(
    run: str,
    passage: str | None = None,
    /,
    *,
    text: Path | None = None,
    words: Path | None = None,
    aggressive: bool = False,
    confidence: float = 0.5,
    json: bool = False,
) -> None:
    """Correct the spelling of a text.

    Unknown words are compared with words that may have been meant, by the model in context and by how people misspell.
    The words of the run's training text are known, or those that come with a ready-made model, and those of a list in
    its language: for English symspellpy's, otherwise a dictionary of the system. A word that is in no list is suggested
    only if the training text uses it often. Names, addresses, code and numbers are left alone. The corrected text goes
    to standard output, the reasons to standard error.

    Parameters
    ----------
    run
        A run directory, the name of a ready-made model (english), or another model folder together with --words.
    passage
        The text itself.
    text
        Instead of a passage: a file, or - for standard input; only the corrections change it. Together with a
        passage (or -): where the run's training text is now, if it was moved.
    words
        A file with further known words, one per line, with or without a count.
    aggressive
        Judge known words too, which may be the wrong ones (form for from).
    confidence
        The probability that a correction needs, from 0 to 1. Of changes made at 90 %, nine in ten are right.
    json
        Print one JSON value: the corrected text, and for each change its position, both words, both probabilities and
        the reason.
    """
    from charloom.cli.output import print_json, say
    from charloom.correct.corrector import Corrector
    from charloom.generation.writer import Writer

    if (passage is None and text is None) or (passage is not None and str(text) == HYPHEN):
        raise SettingsError("give one text: a passage after the run, or a file with --text")
    source, moved = (text, None) if passage is None else (Path(HYPHEN) if passage == HYPHEN else None, text)
    original = passage if source is None else _decoded(files.read(source), source)
    assert original is not None
    writer, lexicon = Writer.load(run), _lexicon(run, words, moved)
    corrector = Corrector(writer, lexicon, aggressive=aggressive, confidence=confidence)
    corrected, changes = corrector.correct(original)
    if not lexicon.has_list:
        say(_without_list(lexicon))
    if json:
        print_json({"text": corrected, "changes": [_record(original, change) for change in changes]})
        return
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(newline="")  # keep line ends on every system
    sys.stdout.write(corrected if source else corrected + "\n")
    sys.stdout.flush()
    for change in changes:
        record = _record(original, change)
        say(
            f"line {record['line']}, column {record['column']}: "
            f"{shown(change.before)} ({change.before_probability:.1%}) -> "
            f"{shown(change.after)} ({change.after_probability:.1%}), {change.reason}"
        )


def _lexicon(run: str, words: Path | None, moved: Path | None) -> "Lexicon":
    """The words of the run's training text, which may have moved, and of word lists."""
    from charloom.correct.lexicon import Lexicon, read_words
    from charloom.correct.word_lists import known_words, words_of_model
    from charloom.models.model_folder import is_run
    from charloom.training.run_text import same_text
    from charloom.training.runs import as_run

    listed = read_words(_decoded(files.read(words), words), str(words)) if words else {}
    if not is_run(run):
        if moved:
            raise SettingsError("give one text: a passage after the model, or a file with --text")
        if (ready := words_of_model(run, listed)) is not None:
            return ready
        if not listed:
            raise SettingsError(
                f"{shown(run)} is a model folder, which has no training text; give known words with --words"
            )
        return Lexicon(listed)
    here = as_run(run)
    try:
        own = same_text(here, here.config(), moved, remedy=MOVED)
    except CharloomError as error:
        raise SettingsError(f"give one text to correct, a passage or --text: {error}") if moved else error from None
    return known_words(own.train.pieces(), listed)


def _without_list(lexicon: "Lexicon") -> str:
    """Why little is corrected without a word list, with the share of new words if there are any."""
    new = round(1000 * (lexicon.unseen or 0))
    share = f" (of 1,000 further words of such a text about {new} would be new)" if new else ""
    return (
        f"there is no list of words in the language of the run's text, so only the surest slips are corrected{share}; "
        "give a list with --words, one word a line, or for English install the extra: pip install 'charloom[text]'"
    )


def _decoded(data: bytes, source: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        name = "standard input" if str(source) == HYPHEN else shown(source)
        raise TextError(f"{name} is not UTF-8: byte at offset {error.start:,}; {advice(data, flag=False)}") from None


def _record(text: str, change: "Change") -> dict[str, object]:
    line_start = text.rfind("\n", 0, change.start) + 1
    return {
        "start": change.start,
        "line": text.count("\n", 0, change.start) + 1,
        "column": change.start - line_start + 1,
        "before": change.before,
        "after": change.after,
        "before_probability": change.before_probability,
        "after_probability": change.after_probability,
        "reason": change.reason,
    }

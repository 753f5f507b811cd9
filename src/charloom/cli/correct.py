"""charloom correct"""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from charloom.cli import files
from charloom.cli.corrections import keep_line_ends, reason, record, without_list
from charloom.cli.many import ManyOptions
from charloom.cli.sources import HYPHEN
from charloom.data.file_kinds import advice
from charloom.errors import SettingsError, TextError, shown


def correct(
    run: str,
    passage: str | None = None,
    /,
    *,
    text: Path | None = None,
    words: Path | None = None,
    aggressive: bool = False,
    confidence: float = 0.5,
    each: Literal["text", "paragraph", "line"] = "text",
    many: Annotated[ManyOptions, Parameter(name="*")] = ManyOptions(),
    json: bool = False,
) -> None:
    """Correct the spelling of a text, or of each file of a folder.

    Unknown words are compared with words that may have been meant, by the model in context and by how people misspell.
    The words of the run's training text are known, or those that come with a ready-made model, and those of a list in
    its language: for English symspellpy's, otherwise a dictionary of the system. A word that is in no list is suggested
    only if the training text uses it often. Names, addresses, code and numbers are left alone. The corrected text goes
    to standard output, the reasons to standard error.

    A text is corrected as a whole, because each word is judged by all others. With --each, paragraphs or lines are
    texts of their own: then memory holds a few of them, and --workers shares them out. So it does the files of a
    folder, whose corrected copies go below --output; those that are there already are left out, and a text
    that has changed since its copy was made is refused.

    Parameters
    ----------
    run
        A run directory, the name of a ready-made model (english), or another model folder together with --words.
    passage
        The text itself.
    text
        Instead of a passage: a file, a folder, or - for standard input; only the corrections change it. Together with a
        passage (or -): where the run's training text is now, if it was moved.
    words
        A file with further known words, one per line, with or without a count.
    aggressive
        Judge known words too, which may be the wrong ones (form for from).
    confidence
        The probability that a correction needs, from 0 to 1. Of changes made at 90 %, nine in ten are right.
    each
        What is corrected by itself: the text as a whole, or each paragraph or line of a file.
    json
        Print one JSON value for each text: the corrected text, and for each change its position, both words, both
        probabilities and the reason.
    """
    from charloom.correct.run_words import one_text
    from charloom.many.corrections import check_confidence

    many.check()
    check_confidence(confidence)
    if (passage is None and text is None) or (passage is not None and str(text) == HYPHEN):
        raise SettingsError("give one text: a passage after the run, or a file with --text")
    source, moved = (text, None) if passage is None else (Path(HYPHEN) if passage == HYPHEN else None, text)
    if source is None and (many.given or each != "text"):
        raise SettingsError("--each, --workers and --output are for a file or a folder; name one with --text")
    if source is None or not (source.is_dir() or each != "text"):
        _correct_whole(run, passage, source, moved, words, many, aggressive, confidence, json=json)
        return
    if moved is not None:
        raise SettingsError(f"{one_text()}; with --each, the run's training text must be where it was")
    from charloom.cli.correct_many import correct_folder, correct_passages
    from charloom.many.corrections import Correcting
    from charloom.many.model_place import lasting_place

    correcting = Correcting(lasting_place(run), _listed(words), aggressive, confidence)
    if not source.is_dir():
        correct_passages(correcting, source, each, many, json=json)
    elif each == "text":
        correct_folder(correcting, source, many, json=json)
    else:
        raise SettingsError("each file of a folder is a text of its own; leave out --each, or name one file")


def _correct_whole(
    run: str,
    passage: str | None,
    source: Path | None,
    moved: Path | None,
    words: Path | None,
    many: ManyOptions,
    aggressive: bool,
    confidence: float,
    *,
    json: bool,
) -> None:
    """Correct a text as one."""
    from charloom.cli.output import print_json, say
    from charloom.correct.corrector import Corrector
    from charloom.correct.run_words import words_of_run
    from charloom.generation.writer import Writer

    target = files.target(many.output, force=many.force) if many.output is not None else None
    if many.workers not in (None, 1):
        say("a text is corrected as a whole, by one process; --each paragraph makes each paragraph a text of its own")
    original = passage if source is None else _decoded(files.read(source), source)
    assert original is not None
    writer, lexicon = Writer.load(run), words_of_run(run, _listed(words), moved)
    corrector = Corrector(writer, lexicon, aggressive=aggressive, confidence=confidence)
    corrected, changes = corrector.correct(original)
    if not lexicon.has_list:
        say(without_list(lexicon.unseen))
    if target is not None:
        files.write(target, corrected.encode())
    if json:
        print_json({"text": corrected, "changes": [record(original, change) for change in changes]})
        return
    if target is None:
        keep_line_ends()
        sys.stdout.write(corrected if source else corrected + "\n")
        sys.stdout.flush()
    for change in changes:
        say(reason(record(original, change)))


def _listed(words: Path | None) -> dict[str, int]:
    from charloom.correct.lexicon import read_words

    return dict(read_words(_decoded(files.read(words), words), str(words))) if words else {}


def _decoded(data: bytes, source: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        name = "standard input" if str(source) == HYPHEN else shown(source)
        raise TextError(f"{name} is not UTF-8: byte at offset {error.start:,}; {advice(data, flag=False)}") from None

"""Finds the text of a run again, and the text on which to evaluate its model."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from os import PathLike
from pathlib import Path

from charloom.data.copies import copy_of
from charloom.data.corpus import Corpus
from charloom.data.large_texts import is_from_damaged_copy
from charloom.data.text import Text
from charloom.data.text_sources import STANDARD_INPUT, STRING, is_there, open_text, reopen
from charloom.data.vocabulary import Vocabulary
from charloom.errors import CharloomError, FolderError, shown
from charloom.errors.options import option
from charloom.models.model_folder import is_run
from charloom.settings import CorpusConfig
from charloom.training.runs import CorpusRecord, Run, RunConfig, as_run

ELSEWHERE = "record where it is now with: charloom train --resume --run {run} --text NEW"
"""What to do if the text of a run was moved, for commands that have no option for it."""


def copied(corpus: Corpus, config: CorpusConfig) -> Iterator[bytes | memoryview] | None:
    """The copy of its text that a run keeps, in pieces; None if the text can be read again from its source."""
    return copy_of(corpus, config) if _is_copied(corpus) else None


def _is_copied(corpus: Corpus) -> bool:
    return corpus.source in (STANDARD_INPUT, STRING)


def record(corpus: Corpus, whole: Vocabulary, unseen_in_training: int) -> CorpusRecord:
    """The entry for the text in a run's config.json; `whole` is the vocabulary of the whole text."""
    return CorpusRecord(
        name=corpus.name,
        source="copy" if _is_copied(corpus) else corpus.source,
        sha256=corpus.text.sha256,
        characters=corpus.text.characters,
        bytes=corpus.text.bytes,
        texts=max(1, len(corpus.text.ends)),
        distinct_symbols=whole.boundary,
        unseen_in_training=unseen_in_training,
        notes=corpus.notes,
    )


def same_text(run: Run, config: RunConfig, moved: str | Path | None = None, *, remedy: str = ELSEWHERE) -> Corpus:
    """The run's text, verified by its SHA-256; `moved` is where it is now, if it was moved.

    `remedy` tells the user what to do if it is missing. Raises `FolderError`, `TextError`.
    """
    if moved is not None:
        corpus = _read(config, lambda: open_text(moved, config.corpus))
        if corpus.text.sha256 != config.text.sha256:
            raise FolderError(
                f"{shown(moved)} is not the text that {run.path} was started with (its SHA-256 differs); give that text"
            )
        return replace(corpus, name=config.text.name)
    source, todo = config.text.source, remedy.format(run=run.path)
    if not is_there(source):
        raise FolderError(f"the text of {run.path} is no longer at {shown(source)}; put it back, or {todo}")
    corpus = _read(config, lambda: reopen(source, run.path / "text.txt", config.corpus, config.text.name))
    if corpus.text.sha256 != config.text.sha256:
        raise FolderError(
            f"the text {shown(source)} has changed since {run.path} was started; restore it, start a new run, or, if "
            f"the original is elsewhere now, {todo}"
        )
    return corpus


def _read(config: RunConfig, read: Callable[[], Corpus]) -> Corpus:
    """The run's text as it is read, and once more if only the clean copy in the cache is not what it was."""
    corpus = read()
    damaged = corpus.text.sha256 != config.text.sha256 and is_from_damaged_copy(corpus.text)
    return read() if damaged else corpus


def text_to_evaluate(
    run: str | PathLike[str],
    split: str | None,
    text: str | None,
    encoding: str,
    *,
    column: str = "",
    with_train: bool,
) -> tuple[Text, str, Text | None]:
    """The text to score, its name, and with `with_train` the run's training text. Raises `CharloomError`.

    The text is a part of the run's own text (validation, unless `split` names another), or all of another text. A
    `text` with the SHA-256 of the run's own text counts as that, wherever it is now; `encoding` and `column` are those
    of any other.
    """
    here = as_run(run)
    config = here.config() if is_run(here.path) else None
    if config is None and (text is None or with_train):
        raise FolderError(
            f"{run} is a model folder and has no text of its own; give one with {option('text')}, or name the run"
        )
    if config is None or text is None:
        own = None if config is None else same_text(here, config, remedy=f"name where it is now with {option('text')}")
        if own is not None:
            return _part(own, split, with_train)
        assert text is not None
    own = _read_again(text, config) if config is not None else None
    if own is not None:
        return _part(own, split, with_train)
    other = open_text(text, CorpusConfig(split=(1.0, 0.0, 0.0), encoding=encoding, column=column))
    if config is not None and other.text.sha256 == config.text.sha256:
        return _part(replace(other, split=config.corpus.split, name=config.text.name), split, with_train)
    if split is not None:
        raise FolderError(
            f"{shown(text)} is not the text that {run} was started with, so it has no {split} part; leave out "
            f"{option('split')} or {option('text')}"
        )
    train = same_text(here, config).train if config is not None and with_train else None
    return other.text, other.name, train


def _part(own: Corpus, split: str | None, with_train: bool) -> tuple[Text, str, Text | None]:
    name = split or "validation"
    return own.part(name), f"the {name} part of {own.name}", own.train if with_train else None


def _read_again(text: str, config: RunConfig) -> Corpus | None:
    """The run's own text, read from `text` as the run read it, if that takes special settings; None for any other."""
    special = config.corpus.shuffle or config.corpus.column or config.corpus.encoding != "utf-8"
    if text == "-" or not special:
        return None
    try:
        own = open_text(text, config.corpus)
    except CharloomError:
        return None
    return replace(own, name=config.text.name) if own.text.sha256 == config.text.sha256 else None

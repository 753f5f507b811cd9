"""The text that a run is begun with, found again later, and the text that one of its models is measured on."""

from dataclasses import replace
from pathlib import Path

from charloom.data.corpus import Corpus, Text
from charloom.data.text_sources import STANDARD_INPUT, STRING, is_there, open_text, reopen
from charloom.data.vocabulary import Vocabulary
from charloom.errors import CharloomError, FolderError, shown
from charloom.models.model_folder import is_run
from charloom.settings import CorpusConfig
from charloom.training.runs import CorpusRecord, Run, RunConfig

ELSEWHERE = "record where it is now with: charloom train --resume --run {run} --text NEW"
"""What to do about a run whose text was moved, where the verb has no option of its own for it."""


def copied(corpus: Corpus) -> bytes | None:
    """The copy of its text that a run keeps; None where it can be read again from where it was."""
    return bytes(corpus.text.data) if corpus.source in (STANDARD_INPUT, STRING) else None


def record(corpus: Corpus, whole: Vocabulary, unseen_in_training: int) -> CorpusRecord:
    """What a run's config.json says of its text, whose symbols are those of `whole`."""
    return CorpusRecord(
        name=corpus.name,
        source="copy" if copied(corpus) is not None else corpus.source,
        sha256=corpus.text.sha256,
        characters=corpus.text.characters,
        bytes=corpus.text.bytes,
        texts=max(1, len(corpus.text.ends)),
        distinct_symbols=whole.boundary,
        unseen_in_training=unseen_in_training,
        notes=corpus.notes,
    )


def same_text(run: Run, config: RunConfig, moved: str | Path | None = None, *, remedy: str = ELSEWHERE) -> Corpus:
    """The run's text, which must be the one it was begun with; `moved` is where it is now.

    `remedy` is what the user can do if it is not where it was. Raises `FolderError`.
    """
    if moved is not None:
        found = open_text(moved, config.corpus)
        if found.text.sha256 != config.text.sha256:
            raise FolderError(
                f"{shown(moved)} is not the text that {run.path} was begun with (its SHA-256 is another); name that text"
            )
        return replace(found, name=config.text.name)
    source, todo = config.text.source, remedy.format(run=run.path)
    if not is_there(source):
        raise FolderError(f"the text of {run.path} is no longer at {shown(source)}; put it back, or {todo}")
    corpus = reopen(source, run.path / "text.txt", config.corpus, config.text.name)
    if corpus.text.sha256 != config.text.sha256:
        raise FolderError(
            f"the text {shown(source)} has changed since {run.path} was begun; restore it, begin a new run, or, if the text "
            f"that it was is elsewhere now, {todo}"
        )
    return corpus


def text_to_evaluate(
    run: Path, split: str | None, text: str | None, encoding: str, *, with_train: bool
) -> tuple[Text, str, Text | None]:
    """The text to score, what to call it, and the run's training text where it is asked for. Raises `CharloomError`.

    That is a part of the run's own text (validation, unless `split` says which), or all of another text. A `text` that is
    the run's own by its SHA-256 is taken for that, wherever it lies by now.
    """
    config = Run(run).config() if is_run(run) else None
    if config is None and (text is None or with_train):
        raise FolderError(f"{run} is a model folder and has no text of its own; give one with --text, or name the run")
    if config is None or text is None:
        own = None if config is None else same_text(Run(run), config, remedy="name where it is now with --text")
        if own is not None:
            return _part(own, split, with_train)
        assert text is not None
    other = open_text(text, CorpusConfig(split=(1.0, 0.0, 0.0), encoding=encoding))
    if config is not None:
        found = _own(other, text, config)
        if found is not None:
            return _part(found, split, with_train)
    if split is not None:
        raise FolderError(
            f"{shown(text)} is not the text that {run} was begun with, so it has no {split} part; leave out --split, or --text"
        )
    train = same_text(Run(run), config).train if config is not None and with_train else None
    return other.text, other.name, train


def _part(own: Corpus, split: str | None, with_train: bool) -> tuple[Text, str, Text | None]:
    name = split or "validation"
    return own.part(name), f"the {name} part of {own.name}", own.train if with_train else None


def _own(other: Corpus, text: str, config: RunConfig) -> Corpus | None:
    """`other`, read from `text`, as the run's own text; None if it is another."""
    if text != "-" and (config.corpus.shuffle or config.corpus.encoding != "utf-8"):  # the run may have read it so
        try:
            other = open_text(text, config.corpus)
        except CharloomError:
            return None
    own = replace(other, split=config.corpus.split, name=config.text.name)
    return own if own.text.sha256 == config.text.sha256 else None

"""Descriptions of a run or a model: what it is, and how it compares with simpler models."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from charloom import records
from charloom.applications.compress import Codec
from charloom.baselines import Baseline, baselines
from charloom.corpus import Corpus, Text
from charloom.errors import CharloomError, FolderError, shown
from charloom.evaluation import Score, evaluate
from charloom.kept import kept
from charloom.language_model import LanguageModel
from charloom.model_files import is_run
from charloom.runs import Run, RunConfig, load
from charloom.settings import CorpusConfig
from charloom.texts import is_there, open_text, reopen

ELSEWHERE = "record where it is now with: charloom train --resume --run {run} --text NEW"
"""What to do about a run whose text was moved, where the verb has no option of its own for it."""


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


def compare(model: LanguageModel, train: Text, held_out: Text) -> list[Baseline]:
    """What simple models and compressors reach on `held_out`, primed with `train`."""
    return baselines(
        model.encode(train),
        model.encode(held_out),
        outputs=model.network.outputs,
        characters=held_out.characters,
        raw_train=bytes(train.data),
        raw=bytes(held_out.data),
    )


def proof(codec: Codec, model: LanguageModel, text: Text, carried: Score) -> dict[str, float]:
    """The carried score in nats next to the bytes of the coded text, verified by decoding.

    Of a text that is several, ends that stand for no character are left out of both.
    """
    nats = evaluate(model, Text(text.data, text.characters)).nats if text.ends else carried.nats
    made = codec.compress(bytes(text.data))
    return {
        "nats": nats,
        "coded_bytes": made.coded_bytes,
        "file_bytes": len(made.data),
        "excess": made.coded_bytes * 8 * math.log(2) / nats - 1 if nats else 0.0,
    }


def describe(path: Path) -> dict[str, Any]:
    """What a run directory or a model folder is, as plain values."""
    model = load(path)
    facts: dict[str, Any] = {
        "path": str(path),
        "kind": "run" if is_run(path) else "model",
        "network": records.plain(model.config.network),
        "parameters": model.network.parameter_count(),
        "vocabulary": model.vocabulary.kind,
        "symbols": model.vocabulary.boundary,
        "documents": model.config.documents,
        "ends_texts": model.config.predicts_end,
    }
    if not is_run(path):
        return facts
    run = Run(path)
    config, metrics = run.config(), run.metrics()
    last = next((line for line in reversed(metrics) if "loss_nats" in line), None)
    final = next((line for line in reversed(metrics) if "final" in line), None)
    validations = [line for line in metrics if "validation" in line]
    return facts | {
        "text": records.plain(config.text),
        "split": list(config.corpus.split),
        "training": records.plain(config.training),
        "plan": records.plain(config.plan),
        "step": last["step"] if last else 0,
        "characters_seen": last["characters_seen"] if last else 0,
        "seconds": run.seconds(),
        "kept": records.plain(kept(metrics)),
        "training_loss_nats": last["loss_nats"] if last else None,
        "validation": final["final"] if final else validations[-1]["validation"] if validations else None,
    }

"""What can be said of a run or a model: what it is, and how it does beside simpler things."""

import math
from pathlib import Path
from typing import Any

from charloom import records
from charloom.applications.compress import Codec
from charloom.baselines import Baseline, baselines
from charloom.corpus import Corpus, Text
from charloom.errors import FolderError, shown
from charloom.evaluation import Score, evaluate
from charloom.kept import kept
from charloom.language_model import LanguageModel
from charloom.model_files import is_run
from charloom.runs import Run, RunConfig, load
from charloom.settings import CorpusConfig
from charloom.texts import open_text, reopen


def same_text(run: Run, config: RunConfig) -> Corpus:
    """The run's text, which must be the one it was begun with."""
    corpus = reopen(config.text.source, run.path / "text.txt", config.corpus, config.text.name)
    if corpus.text.sha256 != config.text.sha256:
        raise FolderError(
            f"the text {shown(config.text.source)} has changed since {run.path} was begun; restore it, or begin a new run"
        )
    return corpus


def text_to_evaluate(
    run: Path, split: str, text: str | None, encoding: str, *, with_train: bool
) -> tuple[Text, str, Text | None]:
    """The text to score, what to call it, and the run's training text where it is asked for. Raises `CharloomError`."""
    config = Run(run).config() if is_run(run) else None
    if config is None and (text is None or with_train):
        raise FolderError(f"{run} is a model folder and has no text of its own; give one with --text, or name the run")
    own = same_text(Run(run), config) if config is not None and (text is None or with_train) else None
    train = own.train if own is not None and with_train else None
    if text is not None:
        other = open_text(text, CorpusConfig(split=(1.0, 0.0, 0.0), encoding=encoding))
        return other.text, other.name, train
    assert own is not None, "a run has a text"
    return own.part(split), f"the {split} part of {own.name}", train


def compare(model: LanguageModel, train: Text, held_out: Text) -> list[Baseline]:
    """What simple models and compressors reach on `held_out`, told of `train`."""
    return baselines(
        model.encode(train),
        model.encode(held_out),
        outputs=model.network.outputs,
        characters=held_out.characters,
        raw_train=bytes(train.data),
        raw=bytes(held_out.data),
    )


def proof(codec: Codec, model: LanguageModel, text: Text, carried: Score) -> dict[str, float]:
    """The carried score in nats beside the bytes that the text is coded in, after decoding it again.

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

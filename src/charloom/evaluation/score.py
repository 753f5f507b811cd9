"""How well a model predicts a text it was not trained on.

A score is a sum: nats over symbols, each symbol of the text counted once, none left out. Ratios are taken at the end.
Everything is computed in float32, whatever the precision of training.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.data.batches import IGNORED, Batch, Streams, rows, spans
from charloom.data.corpus import Text
from charloom.data.vocabulary import Ids
from charloom.errors import NotFiniteError, SettingsError, TextError, arguments
from charloom.evaluation.dynamic_evaluation import LEARNING_RATE, SEGMENT, Learner
from charloom.models.language_model import CHUNK, LanguageModel
from charloom.models.network import CharRNN, State, reading

ROWS = 64
FOLDS = 16


@dataclass(frozen=True)
class Score:
    """The sum of surprisals over a text, and what it is a sum of. Scores of two texts add."""

    nats: float
    symbols: int
    "Predictions that were made; ends of texts are among them where the model predicts them."
    correct: int
    "Predictions whose most probable symbol was the right one."
    characters: int
    bytes: int
    "Length in UTF-8."

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.nats + other.nats,
            self.symbols + other.symbols,
            self.correct + other.correct,
            self.characters + other.characters,
            self.bytes + other.bytes,
        )

    @property
    def nats_per_character(self) -> float:
        return self.nats / self.characters

    @property
    def bits_per_character(self) -> float:
        return self.nats / self.characters / math.log(2)

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte of UTF-8."""
        return self.nats / self.bytes / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp(nats per character): among how many equally likely characters the model hesitates, so to speak."""
        return math.exp(min(self.nats_per_character, 700.0))

    @property
    def accuracy(self) -> float:
        """Share of symbols whose most probable prediction was right."""
        return self.correct / self.symbols

    def summary(self) -> dict[str, float]:
        """The ratios by their names in JSON."""
        names = ("nats_per_character", "bits_per_character", "bits_per_byte", "perplexity", "accuracy")
        return {name: getattr(self, name) for name in names}


def evaluate(model: LanguageModel, text: str | Text, *, context: int | None = None, chunk: int = CHUNK) -> Score:
    """The score of a text: every character once.

    Without `context` the state is carried: the text is read from its beginning, in order, and the state is never reset
    (with documents: at the beginning of each). With `context` it is fresh: the text is cut every `context` symbols, and
    each window starts with a zero state and the one symbol before it.

    Raises `TextError` for an empty text or an unseen character.
    """
    text = _to_score(text)
    arguments.kind(model, LanguageModel, "the model", "give a language model, as charloom.load(RUN) does")
    ids = model.encode(text)
    batches = carried_batches(model, ids, chunk) if context is None else _windows(model, ids, context, chunk)
    return _score(model, batches, text.characters, text.bytes)


def evaluate_dynamic(
    model: LanguageModel, text: str | Text, *, learning_rate: float = LEARNING_RATE, segment: int = SEGMENT
) -> Score:
    """The score of a text, carried, of a copy of the model that learns from each segment after predicting it.

    See `charloom.evaluation.dynamic_evaluation`. Not to be compared with static figures.
    Raises `TextError`, `SettingsError`, `NotFiniteError`.
    """
    if segment < 1 or not 0 <= learning_rate < math.inf:
        raise SettingsError(f"segment is {segment} and learning rate {learning_rate}; give at least 1, and at least 0")
    text = _to_score(text)
    learner, state = Learner(model.network, learning_rate), State()
    total = Score(0.0, 0, 0, text.characters, text.bytes)
    for batch in in_order(model, model.encode(text), segment):
        targets = batch.targets.to(model.network.device)
        inputs = batch.inputs.to(model.network.device)
        logits, state = learner.read(inputs, targets, None if batch.begins else state)
        nats = float(_nats(logits, targets).double().sum())
        if not math.isfinite(nats):
            raise NotFiniteError
        total += Score(nats, batch.symbols, int((logits.argmax(-1) == targets).sum()), 0, 0)
    return total


def evaluate_folded(model: LanguageModel, text: Text) -> Score:
    """A quick estimate: as carried, but with the text folded into 16 rows, each of which starts with a zero state."""
    ids = model.encode(text)
    return _score(model, folded_batches(model, ids), text.characters, text.bytes)


def evaluate_pieces(
    model: LanguageModel, text: Text, places: Sequence[tuple[int, int]]
) -> tuple[Score, NDArray[np.float64]]:
    """The score of some pieces of a text, and the nats (pieces,) of each; `places`: their first characters and their ends.

    The pieces are read side by side, each from a zero state and the symbol before it.
    """
    boundary, lines = model.vocabulary.boundary, model.config.documents != "none"
    parts, starts, lengths, owners = list[Ids](), list[int](), list[int](), list[int]()
    characters, size, length = 0, 0, 0
    for number, (first, stop) in enumerate(places):
        before, piece = text.slice(max(0, first - 1), first), text.slice(first, stop)
        parts += [model.encode(before), ids := model.encode(piece)]
        found = spans(ids, boundary) if lines else (np.zeros(1, np.int64), np.array([len(ids)]))
        length += len(parts[-2])
        starts += (found[0] + length).tolist()
        lengths += found[1].tolist()
        owners += [number] * len(found[0])
        characters, size, length = characters + piece.characters, size + piece.bytes, length + len(ids)
    joined, first_symbols, row_lengths = np.concatenate(parts), np.array(starts), np.array(lengths)
    nats, total = np.zeros(len(places)), Score(0.0, 0, 0, characters, size)
    order = np.argsort(-row_lengths, kind="stable")
    with reading(model.network):
        for group in range(0, len(order), ROWS):
            chosen = order[group : group + ROWS]
            state: State | None = None
            for batch in _walk(joined, first_symbols[chosen], row_lengths[chosen], 256, boundary):
                losses, hits, state = _losses(model.network, batch, state)
                np.add.at(nats, np.array(owners)[chosen], losses.cpu().double().sum(0).numpy())
                total += Score(0.0, batch.symbols, hits, 0, 0)
    if not np.isfinite(nats).all():
        raise NotFiniteError
    return total + Score(float(nats.sum()), 0, 0, 0, 0), nats


def surprisal(model: LanguageModel, text: str) -> NDArray[np.float64]:
    """Nats (characters,) by which each character of `text` surprised the model, state carried; their sum is the score.

    With a vocabulary of bytes a character's surprisal is the sum over its bytes.
    """
    arguments.kind(model, LanguageModel, "the model", "give a language model, as charloom.load(RUN) does")
    ids = model.encode(text)
    parts = []
    with reading(model.network):
        state: State | None = None
        for batch in in_order(model, ids, CHUNK):
            losses, _, state = _losses(model.network, batch, state)
            parts.append(losses[batch.targets != IGNORED].double().cpu().numpy())
    nats = np.concatenate(parts) if parts else np.zeros(0)
    if model.vocabulary.kind == "bytes":
        starts = np.flatnonzero((np.frombuffer(text.encode(), np.uint8) & 0xC0) != 0x80)
        return np.add.reduceat(nats, starts) if len(starts) else nats
    return nats


def in_order(model: LanguageModel, ids: Ids, chunk: int) -> Iterator[Batch]:
    """Batches of one row in the order of the text; each document begins one where the model knows documents."""
    boundary = model.vocabulary.boundary
    if model.config.documents == "none":
        starts, lengths = np.zeros(1, np.int64), np.array([len(ids)], np.int64)
    else:
        starts, lengths = spans(ids, boundary)
    for start, length in zip(starts, lengths, strict=True):
        yield from _walk(ids, np.array([start]), np.array([length]), chunk, boundary)


def carried_batches(model: LanguageModel, ids: Ids, chunk: int) -> Iterator[Batch]:
    """The text in one row; or, with documents, many documents side by side, each from its own beginning."""
    if model.config.documents == "none":
        return in_order(model, ids, chunk)
    starts, lengths = spans(ids, model.vocabulary.boundary)
    return side_by_side(ids, starts, lengths, chunk, model.vocabulary.boundary)


def _windows(model: LanguageModel, ids: Ids, context: int, chunk: int) -> Iterator[Batch]:
    """Windows of `context` symbols side by side; a document's end ends its window too."""
    arguments.whole("context", context)
    if context < 1:
        raise SettingsError(f"context is {context}; it must be at least 1")
    context = min(context, max(1, len(ids)))
    if model.config.documents == "none":
        cuts = np.arange(0, len(ids), context)
        lengths = np.minimum(context, len(ids) - cuts)
    else:
        starts, sizes = spans(ids, model.vocabulary.boundary)
        windows = -(-sizes // context)
        number = np.arange(int(windows.sum())) - np.repeat(np.cumsum(windows) - windows, windows)
        cuts = np.repeat(starts, windows) + number * context
        lengths = np.minimum(context, np.repeat(starts + sizes, windows) - cuts)
    return side_by_side(ids, cuts, lengths, chunk, model.vocabulary.boundary)


def folded_batches(model: LanguageModel, ids: Ids) -> Iterator[Batch]:
    """Sixteen rows of about the same length, read side by side."""
    if model.config.documents != "none":
        return carried_batches(model, ids, 256)
    streams = Streams(ids, boundary=model.vocabulary.boundary, batch_size=FOLDS, sequence_length=256)
    return (streams[k] for k in range(len(streams)))


def side_by_side(
    ids: Ids, starts: NDArray[np.int64], lengths: NDArray[np.int64], chunk: int, boundary: int
) -> Iterator[Batch]:
    """Parts of a text in batches of rows, the longest first, those of one length in their order."""
    order = np.argsort(-lengths, kind="stable")
    for first in range(0, len(order), ROWS):
        chosen = order[first : first + ROWS]
        yield from _walk(ids, starts[chosen], lengths[chosen], min(chunk, 256), boundary)


def _walk(
    ids: Ids, starts: NDArray[np.int64], lengths: NDArray[np.int64], chunk: int, boundary: int
) -> Iterator[Batch]:
    longest = int(lengths.max()) if len(lengths) else 0
    for first in range(0, longest, chunk):
        yield rows(ids, starts, lengths, first, min(first + chunk, longest), boundary=boundary)


def _to_score(text: str | Text) -> Text:
    text = text if isinstance(text, Text) else Text.of(text)
    if text.characters == 0:
        raise TextError("there is no character to score: the text is empty; give a longer one")
    return text


def _score(model: LanguageModel, batches: Iterator[Batch], characters: int, size: int) -> Score:
    nats, symbols, correct = 0.0, 0, 0
    with reading(model.network):
        state: State | None = None
        for batch in batches:
            losses, hits, state = _losses(model.network, batch, state)
            nats += float(losses.double().sum()) if losses.device.type != "mps" else float(losses.cpu().double().sum())
            symbols += batch.symbols
            correct += hits
    if not math.isfinite(nats):
        raise NotFiniteError
    return Score(nats, symbols, correct, characters, size)


def _losses(network: CharRNN, batch: Batch, state: State | None) -> tuple[torch.Tensor, int, State]:
    """Nats (T, B) of each target, zero where it is ignored; how many were predicted; the state after."""
    device = network.device
    targets = batch.targets.to(device)
    logits, state = network(batch.inputs.to(device), None if batch.begins else state)
    hits = int((logits.argmax(-1) == targets).sum())
    return _nats(logits, targets), hits, state


def _nats(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Nats (T, B) of each target, zero where it is ignored."""
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return losses.view(targets.shape)

"""How well a model predicts a text it was not trained on.

A score is a sum of nats over symbols; each symbol of the text counts once and none is left out. Ratios are computed at
the end.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.data.batches import IGNORED, spans
from charloom.data.ends import heads
from charloom.data.stored_ids import AnyIds
from charloom.data.text import Text, in_memory
from charloom.data.text_sources import AnyText, as_text
from charloom.data.vocabulary import Ids
from charloom.errors import NotFiniteError, SettingsError, TextError, arguments
from charloom.evaluation.dynamic_evaluation import LEARNING_RATE, SEGMENT, Learner
from charloom.evaluation.reading import (
    ROWS,
    Predicted,
    carried_batches,
    folded_batches,
    in_order,
    longest_first,
    read,
    side_by_side,
    window_batches,
)
from charloom.machine.notebook import table
from charloom.models.language_model import CHUNK, AnyModel, LanguageModel, as_model
from charloom.models.network import State


@dataclass(frozen=True)
class Score:
    """The sum of the surprisals of a text, and the counts to divide it by. Scores of two texts can be added."""

    nats: float
    symbols: int
    "Predictions made, including the ends of texts if the model predicts them."
    correct: int
    "Predictions whose most probable symbol was the true one."
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
        """Nats for each character of the text."""
        return self.nats / self.characters

    @property
    def bits_per_character(self) -> float:
        """Bits for each character of the text."""
        return self.nats / self.characters / math.log(2)

    @property
    def bits_per_byte(self) -> float:
        """Bits for each byte of UTF-8."""
        return self.nats / self.bytes / math.log(2)

    @property
    def perplexity(self) -> float:
        """exp(nats per character): the number of equally likely characters that would be as hard to predict."""
        return math.exp(min(self.nats_per_character, 700.0))

    @property
    def accuracy(self) -> float:
        """Share of symbols whose most probable prediction was the true one."""
        return self.correct / self.symbols

    def _repr_markdown_(self) -> str:
        return table(
            f"{self.characters:,} characters, each counted once",
            {
                "bits per character": f"{self.bits_per_character:.4f}",
                "nats per character": f"{self.nats_per_character:.4f}",
                "perplexity": f"{self.perplexity:.3f}",
                "accuracy": f"{self.accuracy:.1%}",
            },
        )

    def summary(self) -> dict[str, float]:
        """The ratios by their names in JSON."""
        names = ("nats_per_character", "bits_per_character", "bits_per_byte", "perplexity", "accuracy")
        return {name: getattr(self, name) for name in names}


def evaluate(model: AnyModel, text: AnyText, *, context: int | None = None, chunk: int = CHUNK) -> Score:
    """Score a text: every character counts once. The model or the text may be given as a path.

    Without `context` the state is carried: the text is read in order from its beginning and the state is never reset,
    except where one of several texts begins. With `context` the state is fresh: the text is cut every `context`
    symbols, and each window starts from a zero state and the one symbol before it.

    Raises `TextError` for an empty text or an unseen character, `SettingsError` for a context below 1,
    `NotFiniteError`.
    """
    model, text = as_model(model), text_to_score(text)
    ids = model.ids(text)
    if context is None:
        return _score(read(model, carried_batches(model, ids, chunk)), text)
    check_context(context)
    return _score(read(model, window_batches(model, ids, context, chunk)), text)


def check_context(context: int) -> None:
    """Raise `SettingsError` for a context below 1, and for what is no whole number."""
    arguments.whole("context", context)
    if context < 1:
        raise SettingsError(f"context is {context}; it must be at least 1")


def evaluate_dynamic(
    model: AnyModel, text: AnyText, *, learning_rate: float = LEARNING_RATE, segment: int = SEGMENT
) -> Score:
    """The carried score of a copy of the model that learns from each segment after predicting it.

    See `charloom.evaluation.dynamic_evaluation`. Do not compare it with the score of a model that does not learn.
    Raises `TextError`, `SettingsError`, `NotFiniteError`.
    """
    if segment < 1 or not 0 <= learning_rate < math.inf:
        raise SettingsError(f"segment is {segment} and learning rate {learning_rate}; give at least 1, and at least 0")
    model, text = as_model(model), text_to_score(text)
    return _score(_read_while_learning(model, model.ids(text), learning_rate, segment), text)


def _read_while_learning(model: LanguageModel, ids: AnyIds, learning_rate: float, segment: int) -> Iterator[Predicted]:
    """As `read`, with a copy of the network that takes a step after each batch."""
    learner = Learner(model.network, learning_rate)
    state: State | None = None
    for batch in in_order(model, ids, segment):
        inputs, targets = (part.to(model.network.device) for part in (batch.inputs, batch.targets))
        logits, state = learner.read(inputs, targets, None if batch.begins else state)
        yield Predicted(0, batch.symbols, targets, logits)


def evaluate_folded(model: LanguageModel, text: Text) -> Score:
    """A quick estimate: the carried score of the text folded into 16 rows that each start from a zero state."""
    return _score(read(model, folded_batches(model, model.ids(text))), text)


def evaluate_pieces(
    model: LanguageModel, text: Text, places: Sequence[tuple[int, int]]
) -> tuple[Score, NDArray[np.float64]]:
    """The score of some pieces of a text, and the nats (pieces,) of each; `places`: where each begins and ends, in
    characters.

    The pieces are read side by side, each from a zero state and the symbol before it. Raises `NotFiniteError`.
    """
    return _side_by_side(
        model, ((model.encode(text.slice(max(0, a - 1), a)), text.slice(a, b)) for a, b in places), len(places)
    )


def _side_by_side(
    model: LanguageModel, pieces: Iterable[tuple[Ids, Text]], count: int
) -> tuple[Score, NDArray[np.float64]]:
    """The score of `count` texts, and the nats (count,) of each; the ids before a text are not predicted."""
    boundary = model.vocabulary.boundary
    parts, starts, lengths, owners = list[Ids](), list[int](), list[int](), list[int]()
    characters, size, read_so_far = 0, 0, 0
    for number, (before, piece) in enumerate(pieces):
        parts += [before, ids := model.encode(piece)]
        begins, sizes = spans(ids, boundary)
        read_so_far += len(parts[-2])
        starts += (begins + read_so_far).tolist()
        lengths += sizes.tolist()
        owners += [number] * len(begins)
        characters, size, read_so_far = characters + piece.characters, size + piece.bytes, read_so_far + len(ids)
    row_lengths = np.array(lengths)
    owners_in_order = np.array(owners)[longest_first(row_lengths)]
    batches = side_by_side(np.concatenate(parts), np.array(starts), row_lengths, CHUNK, boundary)
    nats, symbols, correct = np.zeros(count), 0, 0
    for predicted in read(model, batches):
        group = slice(predicted.group * ROWS, (predicted.group + 1) * ROWS)
        np.add.at(nats, owners_in_order[group], predicted.nats.cpu().double().sum(0).numpy())
        symbols, correct = symbols + predicted.symbols, correct + predicted.correct
    if not np.isfinite(nats).all():
        raise NotFiniteError
    return Score(float(nats.sum()), symbols, correct, characters, size), nats


def evaluate_side_by_side(model: LanguageModel, texts: Iterable[str]) -> Score:
    """The score of short texts, none of them empty, read side by side.

    Each is read from a zero state and the boundary, as if it were the only one. Raises `NotFiniteError`.
    """
    texts = list(texts)
    boundary = np.array([model.vocabulary.boundary], model.vocabulary.dtype)
    return _side_by_side(model, ((boundary, Text.of(text)) for text in texts), len(texts))[0]


def surprisal(model: AnyModel, text: AnyText) -> NDArray[np.float64]:
    """The surprisal of each character of `text` in nats (characters,), with the state carried; their sum is the score.

    With a byte vocabulary a character's surprisal is the sum over its bytes. Raises `TextError` for an unseen
    character.
    """
    model, text = as_model(model), as_text(text)
    text = Text(text.data, text.characters)  # without the ends of several texts: they are no characters
    parts = [
        predicted.nats[predicted.targets != IGNORED].double().cpu().numpy()
        for predicted in read(model, in_order(model, model.ids(text), CHUNK))
    ]
    nats = np.concatenate(parts) if parts else np.zeros(0)
    if model.vocabulary.kind == "bytes":
        starts = np.flatnonzero(heads(in_memory(text.data)))
        return np.add.reduceat(nats, starts) if len(starts) else nats
    return nats


def text_to_score(text: AnyText) -> Text:
    """The text, unless it is empty. Raises `TextError`."""
    text = as_text(text)
    if text.characters == 0:
        raise TextError("there is no character to score: the text is empty; give a longer one")
    return text


def _score(predictions: Iterable[Predicted], text: Text) -> Score:
    """The sum over all predictions for a text. Raises `NotFiniteError`."""
    nats, symbols, correct = 0.0, 0, 0
    for predicted in predictions:
        nats += float(predicted.nats.cpu().double().sum())
        symbols, correct = symbols + predicted.symbols, correct + predicted.correct
        if not math.isfinite(nats):
            raise NotFiniteError
    return Score(nats, symbols, correct, text.characters, text.bytes)

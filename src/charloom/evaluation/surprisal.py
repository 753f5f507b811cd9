"""What a model expected at each character of a text, and how much the character surprised it.

The state is carried: the text is read once from its beginning, one chunk at a time, so memory does not grow with its
length. The surprisals add up to the carried score of `charloom.evaluate`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from charloom.data.batches import IGNORED
from charloom.data.stored_ids import AnyIds
from charloom.data.text_sources import AnyText
from charloom.errors import NotFiniteError, SettingsError
from charloom.evaluation.reading import in_order, read
from charloom.evaluation.score import Score, text_to_score
from charloom.models.language_model import CHUNK, AnyModel, LanguageModel, as_model


class Surprise(NamedTuple):
    """One character of a text; "", or the newline it replaces, where the model had to predict the end of a text."""

    character: str
    nats: float
    "-log p; with a byte vocabulary the sum over the character's bytes."
    rank: int
    "1 if no symbol was more probable than the true one; with bytes the worst rank of the character's bytes."
    top: tuple[tuple[str, float], ...]
    "The most probable symbols and their probabilities; with bytes those for the character's first byte, such as <e6>."


class Surprises:
    """A record for each character of a text, in order: iterate once, then `score` is the score of the whole text."""

    def __init__(self, model: AnyModel, text: AnyText, *, candidates: int = 5) -> None:
        """Raises `TextError` for an empty text or an unseen character, `SettingsError` for a negative number of
        candidates."""
        if candidates < 0:
            raise SettingsError(f"candidates is {candidates}; it must be at least 0")
        model, text = as_model(model), text_to_score(text)
        self._model, self._ids = model, model.ids(text)
        self._candidates = min(candidates, model.network.outputs)
        self._names = [_name(model, symbol) for symbol in range(len(model.vocabulary))]
        self.score = Score(0.0, 0, 0, text.characters, text.bytes)
        "Sums over the text read so far; characters and bytes are those of the whole text."

    def __iter__(self) -> Iterator[Surprise]:
        symbols = self._symbols()
        if self._model.vocabulary.kind == "bytes":
            return _characters(symbols, self._model)
        return (surprise for _, surprise in symbols)

    def _symbols(self) -> Iterator[tuple[int, Surprise]]:
        """The id and the record of each predicted symbol. Raises `NotFiniteError`."""
        for targets, logs in predicted(self._model, self._ids):
            true = logs.gather(1, targets[:, None])
            hits = int((logs.argmax(1) == targets).sum())
            best = logs.topk(self._candidates, dim=1)
            nats = -true[:, 0].double()
            if not bool(torch.isfinite(nats).all()):
                raise NotFiniteError
            self.score += Score(float(nats.sum()), len(targets), hits, 0, 0)
            rows = (targets, nats, (logs > true).sum(1) + 1, best.indices, best.values.exp())
            for symbol, nat, rank, places, shares in zip(*(part.tolist() for part in rows), strict=True):
                top = tuple((self._names[place], share) for place, share in zip(places, shares, strict=True))
                yield symbol, Surprise(self._names[symbol], nat, rank, top)


def predicted(model: LanguageModel, ids: AnyIds) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The ids (n,) of the next symbols of a text and log p (n, V) of all symbols in their place, one chunk at a time.

    The state is carried; where one of several texts begins, it is zero.
    """
    for part in read(model, in_order(model, ids, CHUNK)):
        kept = part.targets[:, 0] != IGNORED
        logs = torch.log_softmax(part.logits[:, 0].float(), -1).cpu()
        yield part.targets[kept, 0].cpu(), logs[kept.cpu()]


def _name(model: LanguageModel, symbol: int) -> str:
    """How a symbol is displayed: the character itself; the boundary as the newline it replaces, or as nothing."""
    if symbol == model.vocabulary.boundary:
        return "\n" if model.config.documents == "lines" else ""
    if model.vocabulary.kind == "bytes" and symbol < 128:
        return chr(symbol)
    return model.vocabulary.symbol(symbol)


def _characters(symbols: Iterator[tuple[int, Surprise]], model: LanguageModel) -> Iterator[Surprise]:
    """Combine the records of bytes into those of characters."""
    decoder, boundary = model.vocabulary.decoder(), model.vocabulary.boundary
    nats, rank, top = 0.0, 0, tuple[tuple[str, float], ...]()
    for symbol, surprise in symbols:
        nats, rank, top = nats + surprise.nats, max(rank, surprise.rank), top or surprise.top
        text = surprise.character if symbol == boundary else decoder.push(symbol)
        if text or symbol == boundary:
            yield Surprise(text, nats, rank, top)
            nats, rank, top = 0.0, 0, ()

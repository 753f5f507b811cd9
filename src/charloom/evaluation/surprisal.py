"""What a model expected at each character of a text, and how much the character surprised it.

The state is carried: the text is read once from its beginning, a chunk at a time, so that its length costs no memory. The
surprises add up to the carried score of `charloom.evaluate`.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from charloom.data.batches import IGNORED
from charloom.data.corpus import Text
from charloom.data.vocabulary import Ids
from charloom.errors import NotFiniteError, SettingsError, TextError
from charloom.evaluation.score import Score, in_order
from charloom.models.language_model import CHUNK, LanguageModel
from charloom.models.network import State, reading


class Surprise(NamedTuple):
    """One character of a text; where the model had to predict the end of a text, "" or the newline that the end replaces."""

    character: str
    nats: float
    "-log p; with a vocabulary of bytes the sum over the character's bytes."
    rank: int
    "1 where no symbol was more probable than the true one; with bytes the worst rank of the character's bytes."
    top: tuple[tuple[str, float], ...]
    "The most probable symbols and their probabilities; with bytes those at the character's first byte, as in <e6>."


class Surprises:
    """A record for each character of a text, in order: iterate once; then `score` is that of the whole text."""

    def __init__(self, model: LanguageModel, text: str | Text, *, candidates: int = 5) -> None:
        """Raises `TextError` for an empty text or an unseen character, `SettingsError` for fewer than no candidates."""
        text = Text.of(text) if isinstance(text, str) else text
        if candidates < 0:
            raise SettingsError(f"candidates is {candidates}; it must be at least 0")
        if text.characters == 0:
            raise TextError("there is no character to score: the text is empty; give a longer one")
        self._model, self._ids = model, model.encode(text)
        self._candidates = min(candidates, model.network.outputs)
        self._names = [_name(model, symbol) for symbol in range(len(model.vocabulary))]
        self.score = Score(0.0, 0, 0, text.characters, text.bytes)
        "Sums over what has been read so far; characters and bytes are those of the whole text."

    def __iter__(self) -> Iterator[Surprise]:
        symbols = self._symbols()
        if self._model.vocabulary.kind == "bytes":
            return _characters(symbols, self._model)
        return (found for _, found in symbols)

    def _symbols(self) -> Iterator[tuple[int, Surprise]]:
        """The id and the record of each symbol that is predicted."""
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


def predicted(model: LanguageModel, ids: Ids) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The ids (n,) of the next symbols of a text and log p (n, V) of all that could stand there, a chunk at a time.

    The state is carried; with documents it is reset at the beginning of each.
    """
    network, state = model.network, State()
    for batch in in_order(model, ids, CHUNK):
        with reading(network):
            logits, state = network(batch.inputs.to(network.device), None if batch.begins else state)
            kept = batch.targets[:, 0] != IGNORED
            logs = torch.log_softmax(logits[:, 0].float(), -1).cpu()[kept]
        yield batch.targets[kept, 0], logs


def _name(model: LanguageModel, symbol: int) -> str:
    """How a symbol is shown: the character itself; the boundary as the newline it replaces, or as nothing."""
    if symbol == model.vocabulary.boundary:
        return "\n" if model.config.documents == "lines" else ""
    if model.vocabulary.kind == "bytes" and symbol < 128:
        return chr(symbol)
    return model.vocabulary.symbol(symbol)


def _characters(symbols: Iterator[tuple[int, Surprise]], model: LanguageModel) -> Iterator[Surprise]:
    """Bytes put together to characters."""
    decoder, boundary = model.vocabulary.decoder(), model.vocabulary.boundary
    nats, rank, top = 0.0, 0, tuple[tuple[str, float], ...]()
    for symbol, found in symbols:
        nats, rank, top = nats + found.nats, max(rank, found.rank), top or found.top
        text = found.character if symbol == boundary else decoder.push(symbol)
        if text or symbol == boundary:
            yield Surprise(text, nats, rank, top)
            nats, rank, top = 0.0, 0, ()

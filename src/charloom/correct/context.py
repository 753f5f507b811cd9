"""A character model's judgement of words in context: each state is read once, and many continuations are scored
together."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.data.text_ids import newline_id
from charloom.data.vocabulary import UNSEEN
from charloom.generation.sampling import log_probabilities
from charloom.generation.side_by_side import surprisals
from charloom.generation.writer import Model, Writer
from charloom.models.state import Arrays

_STAND_INS = {
    **dict.fromkeys("‘’‚‛′`´", "'"),
    **dict.fromkeys("“”„«»″", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    "…": "...",
}
"""What a character is read as if the model does not know it."""


class Context:
    """A model that can read texts with characters it does not know."""

    def __init__(self, model: Model) -> None:
        self._writer = Writer.of(model)
        self._vocabulary = self._writer.vocabulary
        self._newline = newline_id(self._vocabulary)
        self._lines = self._writer.config.documents == "lines"
        self._read_as = dict[str, str]()

    def knows(self, text: str) -> bool:
        """Whether the model knows every character of it."""
        if self._vocabulary.kind == "bytes":
            return not any(0xD800 <= ord(character) < 0xE000 for character in text)
        codes = np.array([ord(character) for character in text], np.int64)
        return bool((self._vocabulary.find(codes) != UNSEEN).all())

    def legible(self, text: str) -> str:
        """The text as the model can read it: unknown characters are replaced by similar ones or spaces, or left out."""
        for character in set(text) - self._read_as.keys():
            self._read_as[character] = self._stand_in(character)
        return "".join([self._read_as[character] for character in text])

    def _stand_in(self, character: str) -> str:
        if self.knows(character):
            return character
        if character == "\r":
            return ""
        bare = "".join(part for part in unicodedata.normalize("NFKD", character) if not unicodedata.combining(part))
        for other in (_STAND_INS.get(character, ""), bare, " "):
            if other and self.knows(other):
                return other
        return ""

    def begin(self) -> Arrays:
        """The state at the beginning of a text."""
        return self._writer.read("")

    def read(self, text: str, state: Arrays) -> Arrays:
        """The state after a text, which must be legible."""
        return self._writer.read(text, state)

    def nats(self, state: Arrays, continuations: Sequence[str]) -> NDArray[np.float64]:
        """Surprisal (B,) of each continuation after the same state; in a model of lines, up to the end of the line."""
        texts = [self._ids(text) for text in continuations]
        rows = self._writer.stepper.take_up([np.repeat(part, len(texts), axis=1) for part in state])
        return surprisals(self._writer, rows, texts)

    def steps(self, state: Arrays, word: str) -> NDArray[np.float64]:
        """log p (T + 1, V) of all symbols in place of each symbol of a word, and after the word."""
        ids = self._ids(word)
        rows, logs = self._writer.stepper.take_up(state), list[NDArray[np.float64]]()
        for place in range(len(ids) + 1):
            logs.append(log_probabilities(self._writer.logits(rows))[0])
            if place < len(ids):
                rows.advance(ids[place : place + 1])
        return np.array(logs)

    def symbol(self, character: str) -> int | None:
        """The id of a character; None unless it is a single symbol that the model knows."""
        if not self.knows(character) or (self._vocabulary.kind == "bytes" and ord(character) > 127):
            return None
        return int(self._vocabulary.encode(character)[0])

    @property
    def symbols(self) -> int:
        """Symbols that can be predicted."""
        return self._writer.stepper.outputs

    def _ids(self, text: str) -> NDArray[np.int64]:
        ids = self._vocabulary.encode(text).astype(np.int64)
        if self._lines and self._newline is not None:
            ends = np.flatnonzero(ids == self._newline)
            if len(ends):
                ids = ids[: ends[0] + 1]
                ids[-1] = self._vocabulary.boundary
        return ids

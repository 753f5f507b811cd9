"""A model's symbols as clients see them: each id has its own name, and text becomes ids and text again."""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from charloom.data.text_ids import newline_id
from charloom.data.vocabulary import Ids, Vocabulary
from charloom.errors import TextError
from charloom.models.tokenizer_files import BOUNDARY
from charloom.settings import DocumentKind


class Symbols:
    """Names of symbols, and conversion both ways; the boundary is written as in the tokenizer of a model folder."""

    def __init__(self, vocabulary: Vocabulary, documents: DocumentKind) -> None:
        self.vocabulary = vocabulary
        newline = newline_id(vocabulary)
        self._newline = newline if documents == "lines" else None
        self.boundary_name = BOUNDARY if self._newline is None else "\n"
        self.names = [self._name(symbol) for symbol in range(len(vocabulary))]
        "One string for each id, all different: a character, a byte above 127 as <e6>, the boundary."

    def _name(self, symbol: int) -> str:
        if symbol == self.vocabulary.boundary:
            return self.boundary_name
        if symbol == self._newline:  # never occurs: the boundary replaces it
            return "<0a>"
        if self.vocabulary.kind == "bytes" and symbol < 128:
            return chr(symbol)
        return self.vocabulary.symbol(symbol)

    def encode(self, text: str) -> Ids:
        """Ids (T,) of a text, the name of the boundary in it being one symbol. Raises `TextError`."""
        vocabulary = self.vocabulary
        if self._newline is not None:
            ids = vocabulary.encode(text)
            return np.where(ids == self._newline, vocabulary.boundary, ids)
        parts, offset = list[Ids](), 0
        for number, part in enumerate(text.split(BOUNDARY)):
            if number:
                parts.append(np.array([vocabulary.boundary]))
            parts.append(vocabulary.encode(part, offset=offset))
            offset += len(part) + len(BOUNDARY)
        return np.concatenate(parts)

    def check(self, ids: Iterable[int]) -> None:
        """Raise `TextError` for an id that no symbol has."""
        largest = self.vocabulary.boundary
        wrong = next((symbol for symbol in ids if not 0 <= symbol <= largest), None)
        if wrong is not None:
            raise TextError(f"id {wrong} stands for no symbol of this model; its ids are 0 to {largest}")

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, boundaries by their name; invalid UTF-8 becomes U+FFFD."""
        reader = Reader(self)
        return "".join([reader.push(int(symbol)) for symbol in ids]) + reader.finish()


class Reader:
    """Symbols in, text out, with the number of characters that came out: the offset of the next symbol."""

    def __init__(self, symbols: Symbols, offset: int = 0) -> None:
        self._symbols, self._decoder, self.offset = symbols, symbols.vocabulary.decoder(), offset

    def push(self, symbol: int) -> str:
        """The text that this symbol completes."""
        if symbol == self._symbols.vocabulary.boundary:
            text = self._decoder.finish() + self._symbols.boundary_name
        else:
            text = self._decoder.push(symbol)
        self.offset += len(text)
        return text

    def finish(self) -> str:
        """What is left of an unfinished character."""
        text = self._decoder.finish()
        self.offset += len(text)
        return text


@lru_cache(maxsize=64)
def symbols_of(vocabulary: Vocabulary, documents: DocumentKind) -> Symbols:
    """The symbols of a model, prepared once."""
    return Symbols(vocabulary, documents)

"""The copy of its text that a run keeps if the text cannot be read again from its source."""

import itertools
import json
from collections.abc import Iterator

import numpy as np

from charloom.data.corpus import Corpus
from charloom.data.text import Text
from charloom.settings import CorpusConfig


def copy_of(corpus: Corpus, config: CorpusConfig) -> Iterator[bytes | memoryview]:
    """The text in pieces of a file that gives the same text if it is read with the same settings."""
    if not config.column:
        yield from corpus.text.byte_pieces()
        return
    for text in _lines(corpus.text) if config.shuffle else _texts(corpus.text):
        yield json.dumps({config.column: text}, ensure_ascii=False).encode() + b"\n"


def _texts(text: Text) -> Iterator[str]:
    """The texts that it consists of."""
    begun, place = "", 0
    for piece in text.pieces():
        low, high = np.searchsorted(text.ends, (place, place + len(piece)), side="right")
        cuts = [0, *(text.ends[low:high] - place).tolist()]
        for start, stop in itertools.pairwise(cuts):
            yield begun + piece[start:stop]
            begun = ""
        begun += piece[cuts[-1] :]
        place += len(piece)
    if begun:
        yield begun


def _lines(text: Text) -> Iterator[str]:
    """Its lines, each with its newline."""
    rest = ""
    for piece in text.pieces():
        *lines, rest = (rest + piece).split("\n")
        yield from (f"{line}\n" for line in lines)
    if rest:
        yield rest

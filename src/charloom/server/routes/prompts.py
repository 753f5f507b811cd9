"""Prompts as symbols to read."""

from dataclasses import dataclass

import numpy as np

from charloom.data.vocabulary import Ids
from charloom.server.routes.completion_request import Prompt
from charloom.server.routes.symbols import Symbols


@dataclass(frozen=True, eq=False)
class Opened:
    """A prompt as it is read."""

    ids: Ids
    "What is read (T,), at least one symbol."
    added: bool
    "Whether the boundary at the beginning is not from the client."

    @property
    def own(self) -> Ids:
        """The symbols that the client sent."""
        return self.ids[1:] if self.added else self.ids


def opened(symbols: Symbols, prompt: Prompt) -> list[Opened]:
    """The texts of a request. A text begins at the boundary; ids are read exactly as they are, from a zero state.

    Raises `TextError` for an unseen character or an id that no symbol has.
    """
    if prompt is None or isinstance(prompt, str):
        return [_text(symbols, prompt or "")]
    if not prompt or isinstance(prompt[0], int):
        return [_ids(symbols, prompt)]  # type: ignore[arg-type]
    return [_text(symbols, each) if isinstance(each, str) else _ids(symbols, each) for each in prompt]


def _text(symbols: Symbols, text: str) -> Opened:
    ids, boundary = symbols.encode(text).astype(np.int64), symbols.vocabulary.boundary
    if len(ids) and ids[0] == boundary:
        return Opened(ids, added=False)
    return Opened(np.concatenate(([boundary], ids)), added=True)


def _ids(symbols: Symbols, ids: list[int]) -> Opened:
    symbols.check(ids)
    if not ids:
        return _text(symbols, "")
    return Opened(np.array(ids, np.int64), added=False)

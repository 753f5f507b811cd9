"""Writing text: the model's distribution, a draw, a character, again.

The prompt is always read, whole; the length counts new characters only; a stop string is never given out, not even in
part; the same seed gives the same text. An empty prompt starts from the boundary symbol, as every text does.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.encoding import newline_id
from charloom.errors import SettingsError
from charloom.language_model import LanguageModel
from charloom.network import State, reading
from charloom.sampling import REPETITION_WINDOW, distribution, draw
from charloom.settings import SamplingConfig

StopReason = Literal["length", "stop", "end"]


@dataclass(frozen=True)
class Piece:
    """Some new text, and, on the last piece, why it is the last."""

    text: str
    stop_reason: StopReason | None = None


def generate(
    model: LanguageModel,
    prompt: str = "",
    *,
    length: int | None = 500,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    greedy: bool = False,
    stop: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[str]:
    """New text that continues `prompt`, in pieces, as it is made; the prompt is not repeated.

    At most `length` new characters, exactly as many where neither a stop string nor the end of the text comes first.
    `length=None` never ends by itself: where the model ends a text, a newline is given and another text begins.

    >>> print("".join(charloom.generate(model, "ROMEO:", length=300, temperature=0.8, seed=1)))  # doctest: +SKIP

    Raises `SettingsError` for a setting outside its range, `TextError` for a prompt with an unseen character.
    """
    config = SamplingConfig(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        greedy=greedy,
    )
    pieces = generate_pieces(model, prompt, config, length=length, stop=stop, seed=seed)
    return (piece.text for piece in pieces if piece.text)


def generate_pieces(
    model: LanguageModel,
    prompt: str,
    config: SamplingConfig,
    *,
    length: int | None = 500,
    stop: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[Piece]:
    """As `generate`, with the reason on the last piece. Settings and prompt are checked before the first piece is asked for."""
    if length is not None and length < 0:
        raise SettingsError(f"length is {length}; it must be at least 0")
    if seed < 0:
        raise SettingsError(f"seed is {seed}; it must be at least 0")
    if any(not text for text in stop):
        raise SettingsError("a stop string is empty; give it at least one character")
    return _write(model, _prompt_ids(model, prompt), config, length, stop, seed)


def _prompt_ids(model: LanguageModel, prompt: str) -> list[int]:
    """The boundary and the prompt; with documents only the last line is the text that is being continued."""
    ids = [int(symbol) for symbol in model.encode(prompt)]
    boundary = model.vocabulary.boundary
    while boundary in ids:
        ids = ids[ids.index(boundary) + 1 :]
    return [boundary, *ids]


def _write(
    model: LanguageModel, prompt: list[int], config: SamplingConfig, length: int | None, stop: Sequence[str], seed: int
) -> Iterator[Piece]:
    boundary = model.vocabulary.boundary
    uniform = np.random.Generator(np.random.PCG64(seed))
    recent: deque[int] = deque(prompt[1:], maxlen=REPETITION_WINDOW)
    decoder, gate = model.vocabulary.decoder(), StopGate(stop)
    written = 0
    if length == 0:
        yield Piece("", "length")
        return
    state: State | None = None
    logits, state = _read(model, prompt, state)
    impossible = _never_drawn(model)
    while True:
        logits[impossible] = NEVER
        probabilities = distribution(logits, config, list(recent))
        symbol = draw(probabilities, float(uniform.random()))
        if symbol == boundary:
            text = decoder.finish()
            if length is not None:
                text, stopped = gate.push(text)
                yield Piece(text, "stop") if stopped else Piece(text + gate.finish(), "end")
                return
            text += "\n"
            state = None
        else:
            text = decoder.push(symbol)
            recent.append(symbol)
        if length is not None:
            text = text[: length - written]
        written += len(text)
        text, stopped = gate.push(text)
        if stopped:
            yield Piece(text, "stop")
            return
        if written == length:
            yield Piece(text + gate.finish(), "length")
            return
        if text:
            yield Piece(text)
        logits, state = _read(model, [symbol], state)


NEVER = -1e30
"""A logit so low that its symbol has no probability at all."""


def _never_drawn(model: LanguageModel) -> list[int]:
    """Symbols that stand in no text of this kind: in a model of lines the newline, for which the boundary stands."""
    if model.config.documents == "none":
        return []
    newline = newline_id(model.vocabulary)
    return [] if newline is None else [newline]


def _read(model: LanguageModel, ids: list[int], state: State | None) -> tuple[NDArray[np.float32], State]:
    """Logits (V,) after `ids`, and the state. A single symbol is read without oneDNN, whose set-up costs more than it."""
    network = model.network
    column = torch.tensor(ids, device=network.device)[:, None]
    with reading(network), _onednn(len(ids) > 1):
        logits, state = network(column, state)
    return logits[-1, 0].float().cpu().numpy().copy(), state


@contextmanager
def _onednn(wanted: bool) -> Iterator[None]:
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = before and wanted  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before


class StopGate:
    """Holds back what may be the beginning of a stop string, and lets through what is not.

    It reads a character at a time and remembers the longest tail of the text that begins a stop string, so that `aab` is
    found in `aaab`.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held = ""

    def push(self, text: str) -> tuple[str, bool]:
        """What may be given out now, and whether a stop string is complete; it is not part of what is given out."""
        out = []
        for character in text:
            self._held += character
            found = [stop for stop in self._stop if self._held.endswith(stop)]
            if found:
                out.append(self._held[: -max(map(len, found))])
                self._held = ""
                return "".join(out), True
            keep = self._beginning()
            out.append(self._held[: len(self._held) - keep])
            self._held = self._held[len(self._held) - keep :]
        return "".join(out), False

    def finish(self) -> str:
        """What was held back and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held

    def _beginning(self) -> int:
        """Length of the longest tail of what is held that begins a stop string."""
        longest = min(len(self._held), max(map(len, self._stop), default=0))
        for size in range(longest, 0, -1):
            tail = self._held[-size:]
            if any(stop.startswith(tail) for stop in self._stop):
                return size
        return 0

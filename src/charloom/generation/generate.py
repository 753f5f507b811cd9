"""Writing a text: the model's distribution, a draw, a character, again.

The prompt is always read, whole; the length counts new characters only; a stop string is never given out, not even in
part; the same seed gives the same text. An empty prompt starts from the boundary symbol, as every text does.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from charloom.errors import SettingsError, arguments
from charloom.generation.stopping import Outlet, StopReason
from charloom.generation.writer import Model, Writer
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array


class Piece(NamedTuple):
    """Some new text, and, on the last piece, why it is the last."""

    text: str
    stop_reason: StopReason | None = None


def generate(
    model: Model,
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
    state: Sequence[Any] | None = None,
) -> Iterator[str]:
    """New text that continues `prompt`, in pieces, as it is made; the prompt is not repeated.

    At most `length` new characters, exactly as many where neither a stop string nor the end of the text comes first.
    `length=None` never ends by itself: where the model ends a text, a newline is given and another text begins.
    With `state`, from `model.read(text)`, it continues from there without reading that text again (the repetition penalty
    looks at prompt and new text alone).

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
    pieces = generate_pieces(model, prompt, config, length=length, stop=stop, seed=seed, state=state)
    return (piece.text for piece in pieces if piece.text)


def generate_pieces(
    model: Model,
    prompt: str,
    config: SamplingConfig,
    *,
    length: int | None = 500,
    stop: Sequence[str] = (),
    seed: int = 0,
    state: Sequence[Any] | None = None,
) -> Iterator[Piece]:
    """As `generate`, with the reason on the last piece. Settings and prompt are checked before the first piece is asked for."""
    check(length, stop, [seed])
    writer = Writer.of(model)
    (ids,) = writer.prompts([prompt], state)
    return _write(writer, ids, state, config, length, stop, seed)


def check(length: int | None, stop: Sequence[str], seeds: Sequence[int]) -> None:
    """Raise `SettingsError` for what no text can be written with."""
    for name, value in (("length", length), *(("seed", seed) for seed in seeds)):
        if value is not None or name == "seed":
            arguments.whole(name, value)
    if isinstance(stop, str):
        raise SettingsError(f"stop is {stop!r}; it takes a list of strings, as in stop=[{stop!r}]")
    arguments.texts(stop, "stop")
    if length is not None and length < 0:
        raise SettingsError(f"length is {length}; it must be at least 0")
    for seed in seeds:
        if seed < 0:
            raise SettingsError(f"seed is {seed}; it must be at least 0")
    if any(not text for text in stop):
        raise SettingsError("a stop string is empty; give it at least one character")


def _write(
    writer: Writer,
    ids: Array,
    state: Sequence[Any] | None,
    config: SamplingConfig,
    length: int | None,
    stop: Sequence[str],
    seed: int,
) -> Iterator[Piece]:
    if length == 0:
        yield Piece("", "length")
        return
    outlet = Outlet(writer.vocabulary, length, stop)
    uniform = np.random.Generator(np.random.PCG64(seed))
    for symbol in writer.symbols(ids, state, config, uniform, length=length):
        text, reason = outlet.push(symbol)
        if text or reason:
            yield Piece(text, reason)
        if reason:
            return

"""Generating a text: predict, draw a symbol, read it, repeat.

The whole prompt is read; the length counts new characters only; a stop string never appears in the output, not even in
part; the same seed gives the same text. An empty prompt starts from the boundary symbol, as every text does.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Unpack

import numpy as np

from charloom.errors import SettingsError, arguments
from charloom.generation.sampling import SamplingKeywords, with_sampling_keywords
from charloom.generation.stopping import Outlet, StopReason
from charloom.generation.writer import Model, Writer
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

MOST_LENGTH = 10**12
"""Characters that can be asked for; at the speed of a fast machine they take months."""


class Piece(NamedTuple):
    """Some new text, and on the last piece the reason why the text ends."""

    text: str
    stop_reason: StopReason | None = None


class TextStream(Iterator[str]):
    """The pieces of a text as they are written."""

    def __init__(self, pieces: Iterator[Piece], seed: int) -> None:
        self.seed = seed
        "What the symbols are drawn with: the same seed gives the same text."
        self._pieces = (piece.text for piece in pieces if piece.text)

    def __next__(self) -> str:
        return next(self._pieces)


@with_sampling_keywords
def generate(
    model: Model,
    prompt: str = "",
    *,
    length: int | None = 500,
    stop: Sequence[str] = (),
    seed: int | None = 0,
    state: Sequence[Any] | None = None,
    **sampling: Unpack[SamplingKeywords],
) -> TextStream:
    """Generate text that continues `prompt`, and yield it in pieces; the prompt is not repeated.

    There are `length` new characters, or fewer if a stop string or the end of the text comes first. With `length=None`
    the text never ends: where the model ends it, a newline is written and a new text begins. `state`, from
    `model.read(text)`, continues after that text without reading it again; the repetition penalty then sees only the
    prompt and the new text.

    The symbols are drawn as `SamplingConfig` describes: `temperature` (1.0), `top_k` (0, off), `top_p` (1.0, off),
    `min_p` (0.0, off), `repetition_penalty` (1.0, off), and `greedy` (False), which always takes the most probable
    symbol. The same `seed` gives the same text; `seed=None` draws a new one, the `seed` of the result.

    >>> print("".join(charloom.generate(model, "ROMEO:", length=300, temperature=0.8, seed=1)))  # doctest: +SKIP

    Raises `SettingsError` for a setting outside its range, `TextError` for a prompt with an unseen character.
    """
    seed = new_seed() if seed is None else seed
    config = SamplingConfig(**sampling)
    return TextStream(generate_pieces(model, prompt, config, length=length, stop=stop, seed=seed, state=state), seed)


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
    """Like `generate`, with the reason on the last piece; settings and prompt are checked at once."""
    check(length, stop, [seed])
    writer = Writer.of(model)
    (ids,) = writer.prompts([prompt], state)
    return _write(writer, ids, state, config, length, stop, seed)


def new_seed() -> int:
    """A seed that nobody has chosen: 0 <= seed < 2**32."""
    return secrets.randbelow(1 << 32)


def check(length: int | None, stop: Sequence[str], seeds: Sequence[int]) -> None:
    """Raise `SettingsError` for a length, stop string or seed that no text can be generated with."""
    for name, value in (("length", length), *(("seed", seed) for seed in seeds)):
        if value is not None or name == "seed":
            arguments.whole(name, value)
    if isinstance(stop, str):
        raise SettingsError(f"stop is {stop!r}; it takes a list of strings, as in stop=[{stop!r}]")
    arguments.texts(stop, "stop")
    if length is not None and length < 0:
        raise SettingsError(f"length is {length}; it must be at least 0")
    if length is not None and length > MOST_LENGTH:
        raise SettingsError(f"length is above {MOST_LENGTH:,}; give at most that, or write an endless text")
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

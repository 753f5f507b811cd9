"""Many texts at once: they share each pass over the weights, and each has its own prompt, seed and stop rule.

Each text is the one that `charloom.generate` writes with the same prompt and seed. The only exception: products of
several rows add in another order, so a draw that falls almost exactly between two symbols may go the other way.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from charloom.errors import NotFiniteError, SettingsError, arguments
from charloom.generation.generate import check, new_seed
from charloom.generation.numpy_steps import StepRows
from charloom.generation.sampling import (
    REPETITION_WINDOW,
    SamplingKeywords,
    distributions,
    draws,
    with_sampling_keywords,
)
from charloom.generation.stopping import Outlet, StopReason
from charloom.generation.writer import Model, Writer
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

ROWS = 64
"""Texts written side by side."""

BLOCK = 32
"""Symbols written before finished texts are taken out."""


@dataclass(frozen=True)
class Sample:
    """A generated text."""

    prompt: str
    text: str
    "Without the prompt."
    stop_reason: StopReason
    seconds: float
    "From the start of its batch until it was complete."
    seed: int | None = None
    "What it was drawn with."

    def record(self) -> dict[str, object]:
        """The text as a JSON value."""
        return {
            "prompt": self.prompt,
            "text": self.text,
            "characters": len(self.text),
            "stop_reason": self.stop_reason,
            "seconds": self.seconds,
        }


@with_sampling_keywords
def generate_many(
    model: Model,
    prompts: Sequence[str],
    *,
    length: int = 500,
    stop: Sequence[str] = (),
    seed: int | None = 0,
    seeds: Sequence[int] | None = None,
    **sampling: Unpack[SamplingKeywords],
) -> list[Sample]:
    """Generate one text for each prompt and return them in the same order.

    Text i is drawn with `seeds[i]`, or with `seed + i`; `seed=None` draws a new seed. To continue one prompt several
    times, repeat it. The other settings, such as `temperature` and `top_p`, are those of `generate`.

    Raises `SettingsError` for a setting outside its range, `TextError` for a prompt with an unseen character.
    """
    config = SamplingConfig(**sampling)
    arguments.texts(prompts, "generate_many")
    seed = new_seed() if seed is None else seed
    arguments.whole("seed", seed)
    seeds = range(seed, seed + len(prompts)) if seeds is None else seeds
    return list(write_samples(model, prompts, config, length=length, stop=stop, seeds=seeds))


def write_samples(
    model: Model,
    prompts: Sequence[str],
    config: SamplingConfig,
    *,
    length: int,
    stop: Sequence[str],
    seeds: Sequence[int],
) -> Iterator[Sample]:
    """Like `generate_many`, but one text after the other; settings and prompts are checked at once.

    Raises `SettingsError`.
    """
    if len(seeds) != len(prompts):
        raise SettingsError(f"there are {len(prompts)} prompts and {len(seeds)} seeds; give one for each")
    if length is None:
        raise SettingsError("texts that never end cannot be written together; give a length")
    check(length, stop, seeds)
    writer = Writer.of(model)
    ids = writer.prompts(prompts)
    return (
        sample
        for first in range(0, len(prompts), ROWS)
        for sample in _write_batch(
            writer,
            [
                _Growing(writer, prompts[i], ids[i], length, stop, seeds[i])
                for i in range(first, min(first + ROWS, len(prompts)))
            ],
            config,
        )
    )


class _Growing:
    """A text in the making."""

    def __init__(self, writer: Writer, prompt: str, ids: Array, length: int, stop: Sequence[str], seed: int) -> None:
        self.ids, self.outlet = ids, Outlet(writer.vocabulary, length, stop)
        self.recent: deque[int] = deque(ids[1:].tolist()[-REPETITION_WINDOW:], maxlen=REPETITION_WINDOW)
        self.reason: StopReason | None = None if length else "length"
        self._uniform, self._numbers = np.random.Generator(np.random.PCG64(seed)), np.empty(0)
        self._prompt, self._seed, self._pieces, self._seconds = prompt, seed, [""], 0.0

    def numbers(self, count: int) -> Array:
        """The next uniform numbers (count,), one for each symbol; `push` uses them up."""
        missing = count - len(self._numbers)
        if missing > 0:
            self._numbers = np.concatenate((self._numbers, self._uniform.random(missing)))
        return self._numbers[:count]

    def push(self, symbols: list[int], began: float) -> None:
        self._numbers = self._numbers[len(symbols) :]
        for symbol in symbols:
            text, self.reason = self.outlet.push(symbol)
            self._pieces.append(text)
            if self.reason:
                self._seconds = time.monotonic() - began
                return

    def sample(self) -> Sample:
        assert self.reason is not None
        return Sample(self._prompt, "".join(self._pieces), self.reason, self._seconds, self._seed)


def _write_batch(writer: Writer, texts: list[_Growing], config: SamplingConfig) -> list[Sample]:
    began = time.monotonic()
    rows, growing = writer.begin([text.ids for text in texts]), texts
    while growing:
        staying = [row for row, text in enumerate(growing) if text.reason is None]
        if len(staying) < len(growing):
            rows, growing = rows.keep(np.array(staying, np.int64)), [growing[row] for row in staying]
            continue
        symbols = _write_block(writer, rows, growing, config)
        for text, row in zip(growing, symbols.tolist(), strict=True):
            text.push(row, began)
    return [text.sample() for text in texts]


def _write_block(writer: Writer, rows: StepRows, growing: list[_Growing], config: SamplingConfig) -> Array:
    """The next symbols (B, block) of all rows; fewer if a logit is not finite, for that text may end before."""
    block = min(BLOCK, max(text.outlet.missing for text in growing))
    uniforms = np.array([text.numbers(block) for text in growing])
    symbols = np.empty((len(growing), block), np.int64)
    for step in range(block):
        try:
            probabilities = distributions(writer.logits(rows), config, [text.recent for text in growing])
        except NotFiniteError:
            if step == 0:
                raise
            return symbols[:, :step]
        drawn = draws(probabilities, uniforms[:, step])
        symbols[:, step] = drawn
        if config.repetition_penalty != 1:
            for text, symbol in zip(growing, drawn.tolist(), strict=True):
                text.recent.append(symbol)
        rows.advance(drawn)
    return symbols

"""Many texts at once: they share each reading of the weights, and each has its own prompt, seed and stop rule.

Each text is what `charloom.generate` writes with the same prompt and seed, unless a draw falls so near to the border between
two symbols that the other order of additions in a product of several rows tips it.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from charloom.errors import NotFiniteError, SettingsError, arguments
from charloom.generation.generate import check
from charloom.generation.numpy_steps import StepRows
from charloom.generation.sampling import REPETITION_WINDOW, distributions, draws
from charloom.generation.stopping import Outlet, StopReason
from charloom.generation.writer import Model, Writer
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

ROWS = 64
"""Texts that are written side by side."""

BLOCK = 32
"""Symbols that each text grows by before it is seen which of them have ended."""


@dataclass(frozen=True)
class Sample:
    """A text that was written."""

    prompt: str
    text: str
    "Without the prompt."
    stop_reason: StopReason
    seconds: float
    "From the beginning of its batch until it was complete."


def generate_many(
    model: Model,
    prompts: Sequence[str],
    *,
    length: int = 500,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    greedy: bool = False,
    stop: Sequence[str] = (),
    seed: int = 0,
    seeds: Sequence[int] | None = None,
) -> list[Sample]:
    """A text for each prompt, in their order; text i is drawn with `seeds[i]`, or `seed + i`.

    For several texts that continue one prompt, give it several times. The settings are those of `generate`.
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
    arguments.texts(prompts, "generate_many")
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
    """As `generate_many`, one after the other. Settings and prompts are checked before the first is asked for."""
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
    """A text that is being written."""

    def __init__(self, writer: Writer, prompt: str, ids: Array, length: int, stop: Sequence[str], seed: int) -> None:
        self.ids, self.outlet = ids, Outlet(writer.vocabulary, length, stop)
        self.recent: deque[int] = deque(ids[1:].tolist()[-REPETITION_WINDOW:], maxlen=REPETITION_WINDOW)
        self.reason: StopReason | None = None if length else "length"
        self._uniform, self._numbers = np.random.Generator(np.random.PCG64(seed)), np.empty(0)
        self._prompt, self._pieces, self._seconds = prompt, [""], 0.0

    def numbers(self, count: int) -> Array:
        """The next numbers to draw with, a number for each symbol that is still to be pushed."""
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
        return Sample(self._prompt, "".join(self._pieces), self.reason, self._seconds)


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
    """The next symbols (B, block) of all rows; they are fewer where a row explodes, which may have ended before."""
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

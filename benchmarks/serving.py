"""What serving costs: one text and 64 texts compared with `charloom generate`, the first character, the longest wait.

Usage: python benchmarks/serving.py [--rounds 5] [--seconds 2] [--model english] [--output JSON]

The sides take turns, each in a process of its own without torch, and the medians of all rounds are compared:

- generate: `charloom generate`, one text, and `--samples 64`
- engine: the same texts from the engine of the server, within its process

Measured are characters per second, the milliseconds to the first character after a prompt of 100 characters on an idle
machine, and for the engine the longest wait of 63 readers while a prompt of 20,000 characters joins them. Models are
english (1x768) and an untrained 1x512 over 65 symbols.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from charloom.generation.batched_generation import write_samples
from charloom.generation.generate import generate_pieces
from charloom.generation.writer import Writer
from charloom.server.batching.engine import ModelEngine
from charloom.server.batching.jobs import Job
from charloom.settings import NetworkConfig, SamplingConfig
from machine import machine, title

TEXTS = 64
LENGTH = 500
"""Characters of a text."""

PROMPT = 100
LONG_PROMPT = 20_000

Measures = dict[str, float]


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--model", action="append", help="a RUN; repeat it for several (default: english and 1x512)")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(SIDES[options.side](Writer.load(options.model[0]), options.seconds)))
        return
    print(title())
    with tempfile.TemporaryDirectory() as folder:
        models = options.model or ["english", fresh(Path(folder))]
        results = {Path(model).name: compared(model, options.rounds, options.seconds) for model in models}
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


def fresh(folder: Path) -> str:
    """A folder with an untrained 1x512."""
    from charloom.generation.speed import fresh_model  # with torch, which the processes that are timed do without
    from writing import save

    path = folder / "1x512"
    path.mkdir()
    save(fresh_model(NetworkConfig(hidden_size=512, layers=1)), path)
    return str(path)


def compared(model: str, rounds: int, seconds: float) -> dict[str, Measures]:
    """Medians of every side, shown as they come out."""
    found: dict[str, list[Measures]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side in SIDES:
            command = [sys.executable, __file__, "--side", side, "--model", model, "--seconds", str(seconds)]
            found[side].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    medians = {
        side: {name: statistics.median(each[name] for each in measures) for name in measures[0]}
        for side, measures in found.items()
    }
    print(f"\n{Path(model).name}, medians of {rounds} rounds")
    for side, measures in medians.items():
        for name, value in measures.items():
            base = medians["generate"].get(name)
            share = f"  {value / base:.0%} of generate" if base and side != "generate" and "second" in name else ""
            print(f"  {side:10} {name:45} {value:10,.1f}{share}")
    return medians


def by_generate(writer: Writer, seconds: float) -> Measures:
    """`charloom generate`, and with `--samples`."""
    prompt, config = prompt_of(writer, PROMPT), SamplingConfig()

    def text(given: str, length: int) -> None:
        for _ in generate_pieces(writer, given, config, length=length, seed=1):
            pass

    def texts() -> None:
        samples = write_samples(writer, [prompt[:4]] * TEXTS, config, length=LENGTH, stop=(), seeds=range(TEXTS))
        assert all(len(sample.text) == LENGTH for sample in samples)

    return {
        "characters a second, one text": LENGTH / median(lambda: text(prompt[:4], LENGTH), seconds),
        f"characters a second, {TEXTS} texts": TEXTS * LENGTH / median(texts, seconds),
        "milliseconds to the first character": 1000 * median(lambda: text(prompt, 1), seconds / 2),
    }


def by_engine(writer: Writer, seconds: float) -> Measures:
    """The engine of the server, its readers in the same process."""
    engine = ModelEngine(writer)

    async def text(given: str, length: int, seed: int = 1) -> float:
        """Write and take a text; the longest time between two pieces."""
        last, longest = 0.0, 0.0
        async for piece in engine.submit(Job(writer.prompts([given])[0], length, seed=seed)):
            if piece.text:
                now = time.perf_counter()
                longest, last = max(longest, now - last if last else 0.0), now
        return longest

    async def measures() -> Measures:
        while not engine.ready():
            await asyncio.sleep(0.01)
        return await served(text, prompt_of(writer, LONG_PROMPT), seconds)

    async def whole() -> Measures:
        try:
            return await measures()
        finally:
            await engine.close(grace=0)

    return asyncio.run(whole())


async def served(text: Callable[..., Awaitable[float]], prompt: str, seconds: float) -> Measures:
    """Measures of anything that writes texts side by side: `text(prompt, length, seed)` takes one to its end and
    returns the longest time between two pieces."""

    async def one() -> None:
        await text(prompt[:4], LENGTH, 1)

    async def first() -> None:
        await text(prompt[:PROMPT], 1, 1)

    async def texts() -> None:
        await asyncio.gather(*[text(prompt[:4], LENGTH, seed) for seed in range(TEXTS)])

    async def joined() -> float:
        waits = [text(prompt[:4], LENGTH, seed) for seed in range(TEXTS - 1)]
        return max(await asyncio.gather(*waits, text(prompt, 1, 0)))

    return {
        "characters a second, one text": LENGTH / await median_of(one, seconds),
        f"characters a second, {TEXTS} texts": TEXTS * LENGTH / await median_of(texts, seconds),
        "milliseconds to the first character": 1000 * await median_of(first, seconds / 2, pause=0.05),
        "longest wait of a reader, milliseconds": 1000 * await joined(),
    }


def prompt_of(writer: Writer, size: int) -> str:
    """A prompt of that size, written by the model itself."""
    pieces = generate_pieces(writer, "", SamplingConfig(), length=PROMPT, seed=7)
    text = "".join(piece.text for piece in pieces)
    return (text * (size // PROMPT + 1))[:size]


def median(do: Callable[[], object], seconds: float) -> float:
    """Median duration of what fits into `seconds`, at least three, after one that is not timed."""

    async def soon() -> None:
        do()

    return asyncio.run(median_of(soon, seconds))


async def median_of(do: Callable[[], Awaitable[object]], seconds: float, pause: float = 0.0) -> float:
    """The same of something asynchronous, with a pause before each."""
    await do()
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while len(durations) < 3 or time.perf_counter() < end:
        await asyncio.sleep(pause)
        began = time.perf_counter()
        await do()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)


SIDES: dict[str, Callable[[Writer, float], Measures]] = {"generate": by_generate, "engine": by_engine}

if __name__ == "__main__":
    main()

"""How many more rows a second do two workers answer than one?

Usage: python benchmarks/workers.py [--rounds 5] [--workers 2] [--rows 20000] [--paragraphs 120] [--text FILE]
                                    [--output JSON]

`charloom.many.predict` with the ready-made classifier `languages` on lines, and `charloom.many.correct` with `english`
on paragraphs, of the same text. One and several workers take turns. What is timed are whole calls, with the start of
the processes and the loading of the models, and the time from the first result to the last, which is the speed at which
a long file is answered. Each line has the medians, and the ratio of each round, sorted: rounds are pairs.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from charloom import many
from machine import machine, title


def timed(results: Iterator[Any]) -> tuple[float, float, int]:
    """Seconds of the whole call, seconds from the first result to the last, and how many results there are."""
    began = time.perf_counter()
    first = last = began
    count = 0
    for count, _ in enumerate(results, 1):
        last = time.perf_counter()
        first = last if count == 1 else first
    return last - began, last - first, count


def compare(name: str, call: Callable[[int], Iterator[Any]], workers: int, rounds: int) -> dict[str, Any]:
    """The rows a second of one worker and of several, in pairs."""
    found: dict[str, list[tuple[float, float]]] = {"one": [], "several": []}
    for number in range(rounds):
        for kind in ("one", "several") if number % 2 == 0 else ("several", "one"):
            whole, steady, count = timed(call(1 if kind == "one" else workers))
            found[kind].append((count / whole, (count - 1) / max(steady, 1e-9)))
    result: dict[str, Any] = {"work": name, "rows": count, "workers": workers}
    for place, what in enumerate(("whole call", "once started")):
        one, several = ([each[place] for each in found[kind]] for kind in ("one", "several"))
        ratios = sorted(b / a for a, b in zip(one, several, strict=True))
        result[what] = {"one": statistics.median(one), "several": statistics.median(several), "ratios": ratios}
        speeds = f"{statistics.median(one):>10,.1f} rows/s with 1, {statistics.median(several):>10,.1f} with {workers}"
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:<18} {what:<13} {speeds}: x{statistics.median(ratios):.2f} ({each})", flush=True)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--paragraphs", type=int, default=120)
    parser.add_argument("--text", type=Path, default=Path("../shared/data/text/moby-dick.txt"))
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    text = options.text.read_text("utf-8")
    lines = [line for line in text.split("\n") if line.strip()]
    lines = (lines * (options.rows // len(lines) + 1))[: options.rows]
    parts = [part for part in text.split("\n\n") if len(part) > 400][: options.paragraphs]
    parts = [part.replace(" the ", " teh ", 1) for part in parts]
    print(title())
    results = [
        compare(
            "classify predict",
            lambda workers: many.predict("languages", lines, workers=workers),
            options.workers,
            options.rounds,
        ),
        compare(
            "correct",
            lambda workers: many.correct("english", parts, workers=workers),
            options.workers,
            options.rounds,
        ),
    ]
    if options.output is not None:
        options.output.write_text(json.dumps({"machine": machine(), "results": results}, indent=1))


if __name__ == "__main__":
    main()

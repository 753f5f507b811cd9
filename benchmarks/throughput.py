"""Does training from the command line cost anything over a bare loop, and what share of the machine's peak does it
reach?

Usage: python benchmarks/throughput.py [--seconds 60] [--rounds 3] [--output FILE.json]

Alternates between the bare loop of benchmarks/bare_loop.py (1x512 LSTM, batch 32, sequence length 128, AdamW) and
`charloom train` with the same network and optimizer on the embedded corpus. charloom's characters a second count
everything from the first step to the end: validations, checkpoints, the final figure. The peak is that of one large
bfloat16 (otherwise float32) product.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from bare_loop import STEPS, STREAMS, TIME, Plain, reference_seconds
from charloom.machine.hardware import choose_precision
from machine import machine, title
from time_to_quality import measured

TEXT = "python-docs"
SAME = ["--preset", "reference"]


def peak(kind: torch.dtype, size: int = 2048) -> float:
    """Multiplications and additions a second of one square product, the fastest of many."""
    left, right = (torch.randn(size, size).to(kind) for _ in range(2))
    times = []
    for _ in range(30):
        began = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Training speed against a bare loop and against the machine's peak.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    kind = torch.bfloat16 if choose_precision("auto", "cpu", "lstm", 512).name == "bfloat16" else torch.float32
    characters = STEPS * STREAMS * TIME
    bare, ours = [], []
    for _ in range(options.rounds):
        bare.append(characters / reference_seconds(options.seconds / 2))
        ours.append(measured(TEXT, options.seconds, 1, SAME)["characters_per_second"])
    most = peak(kind)
    work = 6 * sum(parameter.numel() for name, parameter in Plain().named_parameters() if "embed" not in name)
    ratios = [mine / plain for mine, plain in zip(ours, bare, strict=True)]
    print(title())
    print(
        f"bare loop      {statistics.median(bare):10,.0f} characters a second, "
        f"{statistics.median(bare) * work / most:.0%} of peak"
    )
    print(
        f"charloom train {statistics.median(ours):10,.0f} characters a second, "
        f"{statistics.median(ours) * work / most:.0%} of peak"
    )
    print(
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}); peak {most / 1e9:,.0f} "
        f"GFLOP/s in {kind}"
    )
    if options.output:
        report = {"machine": machine(), "bare": bare, "charloom": ours, "ratios": ratios, "peak": most, "work": work}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""How good a model does a time budget buy, from a quarter of R to fifteen times R?

Usage: python benchmarks/time_to_quality.py [--shares 0.25,0.75,1] [--seeds 3] [--text tiny-shakespeare] [--output
FILE.json]
                                            [-- FLAGS OF charloom train]

R is the time of a plain loop for the reference recipe here (benchmarks/bare_loop.py), measured before and after. A run
is the whole command `charloom train TEXT --time-budget D`, with D a little below the share of R, so that the command
ends within it. The figures are those of `charloom evaluate`: every character of the last tenth once.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bare_loop import reference_seconds
from machine import machine, title


def charloom(*arguments: str) -> tuple[dict, float]:
    """The JSON of a command, and the seconds that the whole command took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "charloom", *arguments, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout), time.perf_counter() - began


def measured(text: str, seconds: float, seed: int, flags: list[str]) -> dict:
    """One run within `seconds`, and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        length = ["--time-budget", f"{seconds:.1f}s", "--training.seed", str(seed)]
        done, spent = charloom("train", text, "--run", run, "--from", "none", *length, *flags)
        score, _ = charloom("evaluate", run)
        network = json.loads((Path(run) / "config.json").read_text())["network"]
    return {
        "budget": seconds,
        "seed": seed,
        "seconds": spent,
        "network": f"{network['layers']}x{network['hidden_size']}",
        "steps": done["steps"],
        "characters_per_second": done["characters_per_second"],
        "carried": score["carried"]["nats_per_character"],
        "fresh_256": score["fresh"]["nats_per_character"],
    }


def main() -> None:
    arguments = sys.argv[1:]
    flags = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    parser = argparse.ArgumentParser(description="Quality for a time budget.")
    parser.add_argument("--shares", default="0.25,0.75,1")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--text", default="tiny-shakespeare")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments[: len(arguments) - len(flags) - bool(flags)])
    shares = [float(share) for share in options.shares.split(",")]
    before, runs = reference_seconds(), []
    for seed in range(1, options.seeds + 1):
        for share in shares:
            row = {"share": share, **measured(options.text, 0.98 * share * before, seed, flags)}
            runs.append(row)
            print(row, file=sys.stderr, flush=True)
    after = reference_seconds()
    print(f"{options.text} on {title()}; R = {before:.0f} s before, {after:.0f} s after; nats per character")
    print("share of R   network    carried (range)              fresh-256   seconds in R")
    for share in shares:
        rows = [row for row in runs if row["share"] == share]
        carried, fresh = ([row[name] for row in rows] for name in ("carried", "fresh_256"))
        spent = statistics.median(row["seconds"] for row in rows) / ((before + after) / 2)
        print(
            f"{share:<12g} {rows[0]['network']:<10} {statistics.median(carried):.4f} ({min(carried):.4f} to "
            f"{max(carried):.4f})"
            f"   {statistics.median(fresh):.4f}      {spent:.2f}"
        )
    if options.output:
        report = {"machine": machine(), "text": options.text, "R": [before, after], "flags": flags, "runs": runs}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Does `charloom train` reach the reference figure, in the time that a plain loop needs?

Usage: python benchmarks/reference_recipe.py [--text tiny-shakespeare] [--output FOLDER]

It measures R (benchmarks/bare_loop.py) before and after, trains the preset `reference`, then trains with `--time-budget R`
and no other setting, and prints both figures on the last tenth of the text, carried and fresh, with the ratios of times.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bare_loop import reference_seconds


def charloom(*arguments: str) -> tuple[dict, float]:
    """The JSON of a command, and the seconds that the whole command took."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "charloom", *arguments, "--json"], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout), time.perf_counter() - began


def report(name: str, run: str, seconds: float, reference: float) -> dict:
    """Both protocols of a finished run, and its time in R."""
    result, _ = charloom("evaluate", run)
    carried, fresh = (result[way]["nats_per_character"] for way in ("carried", "fresh"))
    print(
        f"{name}: {seconds:.0f} s = {seconds / reference:.2f} R, carried {carried:.4f}, fresh-256 {fresh:.4f} nats per character"
    )
    return {"name": name, "seconds": seconds, "share_of_R": seconds / reference, "carried": carried, "fresh_256": fresh}


def main() -> None:
    parser = argparse.ArgumentParser(description="Time to quality of the reference recipe.")
    parser.add_argument("--text", default="tiny-shakespeare")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    folder = options.output or Path(tempfile.mkdtemp(prefix="charloom-"))
    folder.mkdir(exist_ok=True)
    rows, before = [], reference_seconds()
    _, seconds = charloom("train", options.text, "--preset", "reference", "--run", str(folder / "reference"))
    after = reference_seconds()
    reference = (before + after) / 2
    print(
        f"R on this machine ({platform.processor() or platform.machine()}): {before:.0f} s before, {after:.0f} s after"
    )
    rows.append(report("preset reference", str(folder / "reference"), seconds, reference))
    budget = f"{round(reference)}s"
    _, seconds = charloom("train", options.text, "--time-budget", budget, "--run", str(folder / "budget"))
    rows.append(report(f"time budget {budget}", str(folder / "budget"), seconds, reference))
    (folder / "reference.json").write_text(json.dumps({"R": [before, after], "rows": rows}, indent=2) + "\n")
    print(folder / "reference.json")


if __name__ == "__main__":
    main()

"""The main task from start to finish: write with a ready-made model, train on the embedded corpus, write, measure.

Usage: python benchmarks/demo.py [--time-budget 100s]      (make demo)

It runs the same commands that a user types, and shows them.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

TEXT = "python-docs"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "charloom", *arguments]


def show(*arguments: str) -> None:
    print(f"\n$ charloom {shlex.join(arguments)}", flush=True)


def new_folder() -> Path:
    """runs/demo, or the first free one of runs/demo-2, runs/demo-3, …."""
    number = 1
    while (path := Path("runs") / (f"demo-{number}" if number > 1 else "demo")).exists():
        number += 1
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description="Write, train and measure on the text that comes with Python.")
    parser.add_argument("--time-budget", default="100s")
    ready = ["generate", "english", "--prompt", "It was ", "--length", "300", "--temperature", "0.7", "--seed", "1"]
    show(*ready)
    subprocess.run(command(*ready), check=True)

    run = str(new_folder())
    train = ["train", TEXT, "--run", run, "--from", "none", "--time-budget", parser.parse_args().time_budget]
    show(*train)
    subprocess.run(command(*train), check=True)

    write = ["generate", run, "--prompt", "The ", "--length", "500", "--temperature", "0.7", "--seed", "1"]
    show(*write)
    subprocess.run(command(*write), check=True)

    measure = ["evaluate", run, "--baselines"]
    show(*measure)
    with tempfile.TemporaryFile("w+") as output:
        subprocess.run(command(*measure, "--json"), check=True, stdout=output)
        output.seek(0)
        result = json.load(output)
    model = result["carried"]["bits_per_character"]
    figures = {name: entry["bits_per_character"] for name, entry in result["baselines"].items()}
    print(f"bits per character on {result['characters']:,} characters that it was not trained on:")
    for name, bits in sorted({"this model": model, **figures}.items(), key=lambda item: item[1]):
        print(f"  {name:<12} {bits:6.3f}")

    print("\nTry next:")
    print(f'  {sys.prefix}/bin/charloom generate {run} --prompt "Lists " --temperature 1.0 --seed 2')
    print(f"  {sys.prefix}/bin/charloom plot {run} --output loss.png")
    print(f"  {sys.prefix}/bin/charloom train my.txt --time-budget 4m        (your own text)")
    print(f"\nbits per character: {model:.3f} (xz {figures['xz']:.3f}, 5-gram {figures['5-gram']:.3f})")


if __name__ == "__main__":
    main()

"""How soon after its start does `charloom generate` show its first character?

Usage: python benchmarks/first_character.py [RUN] [--rounds 21] [--against CHARLOOM] [--output FILE.json]

RUN is `english` unless another is named. Timed is the whole command, from the start of its process to the first byte
after the prompt, with everything in the system's file cache. With `--against`, another installation's command takes
turns with this one's. No torch: the command runs once more with Python's list of imports.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import machine, title

PROMPT = "It was"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(program: str, run: str) -> float:
    """From the start of the process to its first character."""
    began, seen = time.perf_counter(), b""
    command = [program, "generate", run, "--prompt", PROMPT, "--length", "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        while len(seen) <= len(PROMPT):
            piece = os.read(process.stdout.fileno(), 100)
            if not piece:
                raise SystemExit(f"{' '.join(command)} wrote only {seen!r}")
            seen += piece
        return time.perf_counter() - began


def imports_torch(run: str) -> bool:
    """Whether writing imports torch."""
    command = [sys.executable, "-X", "importtime", "-m", "charloom", "generate", run, "--length", "50"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True, env=ENVIRONMENT).stderr
    return any(line.split("|")[-1].strip() == "torch" for line in listed.splitlines())


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds from the start of a command to its first character.")
    parser.add_argument("run", nargs="?", default="english")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--against", default=None)
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    programs = [str(Path(sys.executable).with_name("charloom")), *([options.against] if options.against else [])]
    found: dict[str, list[float]] = {program: [] for program in programs}
    for program in programs:
        seconds(program, options.run)  # the first start compiles
    for _ in range(options.rounds):
        for program in programs:
            found[program].append(seconds(program, options.run))
    print(title())
    for program, times in found.items():
        middle, least, most = statistics.median(times), min(times), max(times)
        print(f"{program}: {middle:.3f} s ({least:.3f} to {most:.3f}, {len(times)} starts)")
    with_torch = imports_torch(options.run)
    print(f"torch is {'' if with_torch else 'not '}imported")
    if options.output:
        report = {"machine": machine(), "seconds": found, "torch": with_torch}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

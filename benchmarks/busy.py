"""How much speed is left next to one busy process?

Usage: python benchmarks/busy.py [--rounds 3] [--steps 60] [--networks 1x128,1x256,1x512,2x64-rnn-relu] [--length 3000]
                                 [--text tiny-shakespeare] [--output JSON]

Alternates between running alone and next to a process that burns one processor (a loop in Python). Whole commands are
timed: `charloom train TEXT --steps N` for several networks (LSTM, except 2x64) and `charloom generate` with a 1x512 of
random weights, for a text short enough for numpy and one for the compiled loop. Each line has the seconds alone, next
to the busy process, and the ratio: medians and the range of the rounds. On Linux it also shows how many processors
other processes used: figures taken next to other work are worth little.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from charloom.generation.speed import fresh_model
from charloom.settings import NetworkConfig
from machine import machine, title
from writing import save


@contextmanager
def busy() -> Iterator[int]:
    """A process that burns one processor; yields its id."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        time.sleep(0.5)
        try:
            yield process.pid
        finally:
            process.kill()


def commands(networks: list[str], steps: int, length: int, text: str, folder: Path) -> dict[str, list[str]]:
    """The commands that are measured, by name."""
    found = {}
    for network in networks:
        shape, _, cell = network.partition("-")
        layers, size = shape.split("x")
        sizes = ["--network.layers", layers, "--network.hidden-size", size, "--network.cell", cell or "lstm"]
        found[f"train {network}"] = ["train", text, "--steps", str(steps), *sizes]
    for count in (length, 20 * length):
        found[f"generate {count:,}"] = ["generate", str(folder), "--length", str(count)]
    return found


def seconds(arguments: list[str]) -> tuple[float, float]:
    """Seconds that a whole command takes, and how many processors all other processes used."""
    with tempfile.TemporaryDirectory() as run:
        more = ["--run", str(Path(run) / "run")] if arguments[0] == "train" else []
        began, used, own = time.perf_counter(), _used(), os.times()
        done = subprocess.run([sys.executable, "-m", "charloom", *arguments, *more], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"busy.py: charloom {' '.join(arguments)} failed: {done.stderr}")
        taken, now = time.perf_counter() - began, os.times()
    ours = now.children_user + now.children_system - own.children_user - own.children_system
    return taken, max(0.0, (_used() - used - ours) / taken)


def _used() -> float:
    """Seconds of all processors that were used since the machine started; 0 if the system does not report them."""
    try:
        line = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _, _, interrupts, soft, _ = map(int, line)
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed next to one busy process.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--networks", default="1x128,1x256,1x512,2x64-rnn-relu")
    parser.add_argument("--length", type=int, default=3000)
    parser.add_argument("--text", default="tiny-shakespeare")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    print(title())
    report = {}
    with tempfile.TemporaryDirectory() as folder:
        save(fresh_model(NetworkConfig()), Path(folder))
        networks = [name for name in options.networks.split(",") if name]
        for name, command in commands(networks, options.steps, options.length, options.text, Path(folder)).items():
            seconds(command)  # warms up: reads files from the disk, and compiles
            alone, crowded = [], []
            for _ in range(options.rounds):
                alone.append(seconds(command))
                with busy():
                    taken, others = seconds(command)
                    crowded.append((taken, max(0.0, others - 1)))
            ratios = [quiet / loaded for (quiet, _), (loaded, _) in zip(alone, crowded, strict=True)]
            report[name] = {"alone": alone, "crowded": crowded, "ratios": ratios}
            print(
                f"{name:20} alone {statistics.median(taken for taken, _ in alone):6.2f} s, next to it "
                f"{statistics.median(taken for taken, _ in crowded):6.2f} s, ratio {statistics.median(ratios):.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f}); others used "
                f"{max(other for _, other in alone + crowded):.2f}",
                flush=True,
            )
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "commands": report}, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Is training in two processes of one thread faster than in one process of two threads, and what do they send?

Usage: python benchmarks/processes.py [--steps 40] [--rounds 3] [--units 512] [--batch 32]
                                       [--output FILE.json]

Both train the same network on the same batches (a 1xUNITS LSTM on the embedded corpus, Muon), in turns. A round's
figure is the time of the second half of the steps, so starting, planning and saving do not count. The bytes are those
of the loopback device in /proc/net/dev (Linux), compared with what follows from the shapes; nothing else should use it
meanwhile.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine, title

TEXT = "python-docs"


def arguments(steps: int, units: int, run: Path, *, batch: int = 32) -> list[str]:
    """The arguments of one training."""
    return [
        *("train", TEXT, "--steps", str(steps), "--run", str(run), "--json", "--from", "none"),
        *("--network.hidden-size", str(units), "--network.embedding-size", "128"),
        *("--training.batch-size", str(batch), "--training.sequence-length", "128", "--training.optimizer", "muon"),
        *("--training.validations", "1", "--save-every", "1h", "--device", "cpu"),
    ]


def command(processes: int, port: int = 29611) -> list[str]:
    """What starts charloom."""
    if processes == 1:
        return [sys.executable, "-m", "charloom"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    return [*launcher, "--master-port", str(port), "-m", "charloom", "--"]


def seconds_per_step(run: Path) -> float:
    """The mean time of a step in the second half of a run."""
    lines = [json.loads(line) for line in (run / "clock.jsonl").read_text().splitlines()]
    half, last = lines[len(lines) // 2], lines[-1]
    return float((last["seconds"] - half["seconds"]) / (last["step"] - half["step"]))


def sent() -> int:
    """Bytes that the loopback device has sent since the machine started."""
    (line,) = (line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split(":")[1].split()[8])


def train(processes: int, threads: int, steps: int, units: int, batch: int) -> tuple[float, int, dict[str, object]]:
    """Seconds per step, bytes sent over the loopback device, and the figures of one training."""
    with tempfile.TemporaryDirectory() as folder:
        run, before = Path(folder) / "run", sent()
        done = subprocess.run(
            [*command(processes), *arguments(steps, units, run, batch=batch)],
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        return seconds_per_step(run), sent() - before, json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description="Two processes of one thread against one process of two threads.")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    one, two, figures = [], [], {}
    for _ in range(options.rounds):
        one.append(train(1, 2, options.steps, options.units, options.batch)[0])
        seconds, many_bytes, figures = train(2, 1, options.steps, options.units, options.batch)
        two.append(seconds)
    few_bytes = train(2, 1, options.steps // 2, options.units, options.batch)[1]
    counted = (many_bytes - few_bytes) / (options.steps - options.steps // 2)
    derived = 2 * 4 * int(str(figures["parameters"]))  # around a ring each of N sends 2 (N - 1) / N times the gradient
    ratios = [alone / together for alone, together in zip(one, two, strict=True)]
    print(title())
    print(f"1 process, 2 threads   {statistics.median(one) * 1e3:8.1f} ms a step")
    print(f"2 processes, 1 thread  {statistics.median(two) * 1e3:8.1f} ms a step")
    print(f"speed of two processes {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"sent a step            {counted / 1e6:8.2f} MB counted, {derived / 1e6:.2f} MB derived")
    if options.output:
        report = {"machine": machine(), "one": one, "two": two, "counted": counted, "derived": derived}
        options.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

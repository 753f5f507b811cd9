"""What a study costs in addition to its trials: for each trial, for reading 500 of them back, and for a whole sweep.

Usage: python benchmarks/study_overhead.py [--sweep] [--text FILE] [--budget 20s]

Overhead of a trial: the time of a study of four trials, each 500 steps of a tiny network, minus the seconds that their
runs record from the first step to the last figure, and minus the time of the same command with nothing left to train;
divided by four. The rest is process start, import, reading the text, and measuring each model. Reading: 500 copies of
one of those runs, as outcomes and as runs, in a process that must not import torch. --sweep runs 4 learning rates, 4
hidden sizes, 3 numbers of layers and 5 sequence lengths with two seeds on TEXT and compares the time with the sum of
its budgets.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from charloom.data.datasets import dataset
from machine import title

TINY = ("--network.hidden-size", "8", "--network.embedding-size", "4", "--training.batch-size", "8")
SWEEP = (
    *("--learning-rates", "3e-4,1e-3,3e-3,1e-2", "--hidden-sizes", "64,128,256,512"),
    *("--layers", "1,2,3", "--sequence-lengths", "16,32,64,128,256", "--seeds", "2"),
)

READING = """
import sys, time
from pathlib import Path
from charloom.study.tables import row
from charloom.study.folders import StudyFolder
from charloom.study.outcomes import measure
from charloom.study.curves import settings_of
from charloom.study.trials import Trial
folder = StudyFolder(Path(sys.argv[1]))
study = folder.study()
trials = tuple(Trial(path.name, study.network, study.training) for path in sorted((folder.path / "trials").iterdir()))
began = time.perf_counter()
rows = [row(point) for point in settings_of(folder.outcomes(trials))]
outcomes = time.perf_counter() - began
began = time.perf_counter()
figures = [measure(folder.run(trial.name)) for trial in trials]
runs = time.perf_counter() - began
assert rows and len(figures) == 500 and "torch" not in sys.modules
print(outcomes, runs)
"""


def study(folder: Path, *arguments: str) -> tuple[dict[str, list[dict[str, float]]], float]:
    """The output of a study, and how long its command took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "charloom", "study", *arguments, "--json", "--run", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout), time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="What a study costs in addition to its trials.")
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--text", default=None)
    parser.add_argument("--budget", default="20s")
    options = parser.parse_args()
    print(title())
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        text = folder / "text.txt"
        text.write_bytes(next(data for _, data in dataset("python-docs").read() if len(data) > 20_000)[:20_000])
        characters = 500 * 8 * 32
        lists = ("--learning-rates", "0.01,0.02,0.03", "--training.sequence-length", "32", *TINY)
        found, seconds = study(folder / "tiny", str(text), *lists, "--characters", str(characters))
        _, again = study(folder / "tiny", str(text), *lists, "--characters", str(characters))
        results = [json.loads(path.read_text()) for path in (folder / "tiny" / "logs").glob("*.json")]
        count = len(results)
        overhead = (seconds - again - sum(result["seconds"] for result in results)) / count
        print(f"overhead of a trial: {overhead:.2f} s; of the study itself, its report included: {again:.2f} s")
        trials, outcomes = folder / "tiny" / "trials", folder / "tiny" / "outcomes"
        first = sorted(trials.iterdir())[0]
        for number in range(500 - count):
            shutil.copytree(first, trials / f"copy-{number}", ignore=shutil.ignore_patterns("checkpoints", "model"))
            shutil.copy(outcomes / f"{first.name}.json", outcomes / f"copy-{number}.json")
        done = subprocess.run(
            [sys.executable, "-c", READING, str(folder / "tiny")], capture_output=True, text=True, check=True
        )
        as_outcomes, as_runs = map(float, done.stdout.split())
        print(f"500 finished runs: {as_outcomes:.2f} s into the table, {as_runs:.2f} s if each run itself is read")
        if options.sweep:
            found, seconds = study(folder / "sweep", options.text or str(text), *SWEEP, "--budget", options.budget)
            budget = found["budget_seconds"]
            total = budget * len(found["trials"])
            print(
                f"a sweep of {len(found['trials'])} trials at {budget:g} s: {seconds:.0f} s, "
                f"{seconds / total:.3f} times the sum of its budgets"
            )


if __name__ == "__main__":
    main()

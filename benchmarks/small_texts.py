"""Small texts: `charloom train` with a time budget on the first n kilobytes of a text, compared with n-grams.

Usage: python benchmarks/small_texts.py TEXT... [--kilobytes 100] [--seconds 60] [--seeds 2] [--from MODEL]
                                                [--forgets FILE] [-- FLAG...]

A run is a whole command; its figure is that of the part's last tenth, carried, which was not trained on. Flags after
`--` are added to the command. The n-grams use modified Kneser-Ney smoothing and the same nine tenths; the best order is
chosen on the end of those. MODEL is a run, a model folder, a ready-made model, auto or none. With
--forgets, a column says what FILE, a text of another kind, costs the model afterwards.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import title


def charloom(*arguments: object) -> Any:
    """The JSON that a command prints."""
    command = [sys.executable, "-m", "charloom", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"COLUMNS": "200"})
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def measured(part: Path, folder: Path, seconds: float, flags: list[str], seed: int) -> dict[str, Any]:
    """One command: its figure in nats per character, its plan, and the step it kept."""
    run, began = folder / f"{part.stem}-{seed}", time.monotonic()
    length = ("--time-budget", f"{seconds:g}s", "--training.seed", seed)
    done = charloom("train", part, "--run", run, *length, *flags)
    wall = time.monotonic() - began
    config = json.loads((run / "config.json").read_text())
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    best = min(
        (line for line in lines if "validation" in line), key=lambda line: line["validation"]["nats_per_character"]
    )
    plan, network = config["plan"], config["network"]
    return {
        "nats": round(done["validation"]["nats_per_character"], 4),
        "network": f"{network['cell']} {network['layers']}x{network['hidden_size']}",
        "readings": round(done["steps"] / plan["steps_per_epoch"], 1),
        "kept": f"{best['step']:,} of {plan['steps']:,}",
        "seconds": round(wall, 1),
        "run": run,
    }


def forgotten(run: Path, text: Path | None) -> str:
    """A column: what another text costs the model now."""
    if text is None:
        return ""
    try:
        score = charloom("evaluate", run, "--text", text)["carried"]["nats_per_character"]
    except SystemExit:
        return " it has characters that the model lacks |"
    return f" {score:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality of small texts, whole commands.")
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--kilobytes", default="100")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--from", dest="parent", default="auto")
    parser.add_argument("--forgets", type=Path)
    parser.add_argument("flags", nargs="*")
    own = sys.argv[1:]
    split = own.index("--") if "--" in own else len(own)
    options = parser.parse_args(own[:split])
    flags = [*own[split + 1 :], "--from", options.parent]
    print(title())
    print(f"{options.seconds:g} s; flags: {' '.join(flags) or 'none'}\n")
    other = f" {options.forgets.stem} |" if options.forgets else ""
    print(f"| text | KB | seed | nats | 5-gram | best n-gram | network | readings | kept step | seconds |{other}")
    print("|---" * (10 + bool(other)) + "|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for text in options.texts:
            whole = text.read_text("utf-8-sig").replace("\r\n", "\n")
            for kilobytes in (int(word) for word in options.kilobytes.split(",")):
                part = Path(name) / f"{text.stem}-{kilobytes}.txt"
                part.write_text(whole[: 1000 * kilobytes], "utf-8")
                grams: dict[str, float] = {}
                for seed in range(1, options.seeds + 1):
                    row = measured(part, Path(name), options.seconds, flags, seed)
                    if not grams:
                        found = charloom("evaluate", row["run"], "--baselines")["baselines"]
                        grams = {
                            order: one["bits_per_character"] * math.log(2)
                            for order, one in found.items()
                            if "gram" in order
                        }
                    best = min(grams, key=grams.__getitem__)
                    figures = f"{row['nats']:.4f} | {grams['5-gram']:.4f} | {grams[best]:.4f} ({best})"
                    print(
                        f"| {text.stem} | {kilobytes} | {seed} | {figures} | {row['network']} | {row['readings']:g} | "
                        f"{row['kept']} | {row['seconds']:g} |{forgotten(row['run'], options.forgets)}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()

"""Quality on text that nothing was chosen on: no recipe, no setting, no checkpoint.

Usage: python benchmarks/held_out_that_chose_nothing.py TEXT... [--rotate TEXT...] [--seconds 66] [--seeds 2]
                                                        [--megabytes 1]

`charloom train TEXT --split 0.85,0.05,0.1 --time-budget D`, with no other settings. The checkpoint is chosen on the
validation part, a twentieth; the figure is that of the test part, the last tenth, which is read once, at the end. The
recipes were found on the last tenth of Tiny Shakespeare and on small parts of Great Expectations, so those texts may
not be used directly: with --rotate, the first tenth of a text is moved to its end and becomes the test part.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import title


def charloom(*arguments: object) -> Any:
    """The JSON that a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "charloom", *map(str, arguments), "--json"], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality on text that nothing was chosen on.")
    parser.add_argument("texts", nargs="*", type=Path)
    parser.add_argument("--rotate", nargs="*", type=Path, default=[])
    parser.add_argument("--seconds", type=float, default=66.0)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--megabytes", type=float, default=1.0, help="characters read of each text, in millions")
    options = parser.parse_args()
    print(title())
    print(f"{options.seconds:g} s; nats per character of the test part, a tenth\n")
    print("| text | characters | seed | network | carried | fresh-256 | best n-gram | best compressor |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for text in [*options.texts, *options.rotate]:
            whole = text.read_text("utf-8-sig").replace("\r\n", "\n")[: int(1e6 * options.megabytes)]
            tenth = len(whole) // 10
            rotated = text in options.rotate
            part = Path(name) / f"{text.stem}{'-rotated' if rotated else ''}.txt"
            part.write_text(whole[tenth:] + whole[:tenth] if rotated else whole, "utf-8")
            others: dict[str, float] = {}
            for seed in range(1, options.seeds + 1):
                run = Path(name) / f"{part.stem}-{seed}"
                how = ("--split", "0.85,0.05,0.1", "--time-budget", f"{options.seconds:g}s", "--training.seed", seed)
                charloom("train", part, "--run", run, "--from", "none", *how)
                network = json.loads((run / "config.json").read_text())["network"]
                score = charloom("evaluate", run, "--split", "test", *([] if others else ["--baselines"]))
                if not others:
                    nats = {kind: one["bits_per_character"] * math.log(2) for kind, one in score["baselines"].items()}
                    grams = [kind for kind in nats if "gram" in kind]
                    rest = [kind for kind in nats if kind not in grams and kind != "uniform"]
                    others = {kind: nats[kind] for kind in (min(grams, key=nats.get), min(rest, key=nats.get))}
                gram, compressor = (f"{nats:.4f} ({kind})" for kind, nats in others.items())
                print(
                    f"| {part.stem} | {len(whole):,} | {seed} | {network['layers']}x{network['hidden_size']} | "
                    f"{score['carried']['nats_per_character']:.4f} | {score['fresh']['nats_per_character']:.4f} | "
                    f"{gram} | {compressor} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()

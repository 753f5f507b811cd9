"""The longest run in the course: Tiny Shakespeare with a time budget, into course/record.json.

Usage: python benchmarks/course_record.py [--time-budget 229s] [--text tiny-shakespeare] [--output course/record.json]

The default budget is R, the time of a plain loop for the reference recipe on this machine (benchmarks/bare_loop.py).
The run is `charloom train TEXT --time-budget D`, nothing else set; the figures are those of `charloom evaluate` on the
last tenth of the text, carried and fresh; the sample is what `charloom generate` writes with one seed, not chosen among
several.
"""

import argparse
import json
import tempfile
from pathlib import Path

from bare_loop import reference_seconds
from charloom.durations import seconds
from machine import machine
from time_to_quality import charloom

RECORD = Path(__file__).resolve().parents[1] / "course" / "record.json"
CONTEXT = 256


def record(text: str, budget: float) -> dict:
    """Train, evaluate and write; returns the results."""
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        trained, spent = charloom("train", text, "--run", run, "--from", "none", "--time-budget", f"{budget:.1f}s")
        score, _ = charloom("evaluate", run, "--context", str(CONTEXT), "--baselines")
        sample, _ = charloom(
            "generate", run, "--prompt", "ROMEO:", "--length", "500", "--temperature", "0.7", "--seed", "1"
        )
        config = json.loads((Path(run) / "config.json").read_text())
    network = config["network"]
    return {
        "text": {key: config["text"][key] for key in ("name", "sha256", "characters")},
        "budget": budget,
        "seconds": spent,
        "network": f"{network['layers']}x{network['hidden_size']} {network['cell'].upper()}",
        "parameters": trained["parameters"],
        "steps": trained["steps"],
        "characters_seen": trained["characters_seen"],
        "scored_characters": score["characters"],
        "carried": score["carried"],
        "fresh": score["fresh"],
        "context": CONTEXT,
        "baselines": {name: entry["bits_per_character"] for name, entry in score["baselines"].items()},
        "sample": sample["prompt"] + sample["text"],
        "machine": machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the record of the course's longest run.")
    parser.add_argument("--time-budget", default=None, help="such as 229s or 4m (default: R, measured here)")
    parser.add_argument("--text", default="tiny-shakespeare", help="the corpus's name, or the path of its file")
    parser.add_argument("--output", type=Path, default=RECORD)
    options = parser.parse_args()
    reference = None if options.time_budget else reference_seconds()
    found = record(options.text, reference or seconds(options.time_budget))
    options.output.write_text(
        json.dumps({"reference_seconds": reference, **found}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    print(
        f"{found['network']}, {found['seconds']:.0f} s: {found['carried']['nats_per_character']:.4f} nats carried, "
        f"{found['fresh']['nats_per_character']:.4f} fresh; written to {options.output}"
    )


if __name__ == "__main__":
    main()

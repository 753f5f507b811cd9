"""Does it scale? Characters a second and nats per character against the size of the network and of the text.

Usage: python benchmarks/scaling.py TEXT... [--seconds 60] [--sizes 128,256,512,768] [--megabytes 0.5,1,2,4,8]
                                    [--output docs]

A run is `charloom train` with a time budget. Networks: the whole text and a given size, otherwise the recipe. Texts:
the first n megabytes and the recipe alone. Each part is scored on its own last tenth, so nats are comparable along a
line of networks, but only roughly along a line of texts. Writes scaling-network.png, scaling-text.png and scaling.json.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from machine import machine, title
from time_to_quality import measured


def draw(rows: list[dict], what: str, label: str, path: Path, seconds: float, *, comparable: bool) -> None:
    """Speed on the left, quality on the right, one line per text; `comparable`: each line is scored on one text."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    speed, quality = figure.subplots(1, 2)
    for text in dict.fromkeys(row["text"] for row in rows):
        line = [row for row in rows if row["text"] == text]
        across = [row[what] for row in line]
        speed.plot(across, [row["characters_per_second"] for row in line], "o-", label=text)
        quality.plot(across, [row["carried"] for row in line], "o-", label=text)
    for axes, name in ((speed, "characters a second, training"), (quality, f"nats per character after {seconds:g} s")):
        axes.set(xlabel=label, ylabel=name, xscale="log")
        axes.set_xticks(
            sorted({row[what] for row in rows}), [f"{value:g}" for value in sorted({row[what] for row in rows})]
        )
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    texts = list(dict.fromkeys(row["text"] for row in rows))
    best = {
        text: min((row for row in rows if row["text"] == text), key=lambda row: row["carried"])[what] for text in texts
    }
    slower = [
        max(line) / min(line) for line in ([r["characters_per_second"] for r in rows if r["text"] == t] for t in texts)
    ]
    if comparable:
        found = "Lowest loss at " + ", ".join(f"{value:g} on {text}" for text, value in best.items())
    else:
        found = "Each point is scored on its own last tenth, so the losses are not comparable"
    figure.suptitle(f"{found}; speed differs up to {max(slower):.1f} times", size=10)
    speed.set_ylim(bottom=0)
    speed.legend(frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed and quality against the sizes of network and text.")
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sizes", default="128,256,512,768")
    parser.add_argument("--megabytes", default="0.5,1,2,4,8")
    parser.add_argument("--output", type=Path, default=Path("docs"))
    options = parser.parse_args()
    networks, texts = [], []
    with tempfile.TemporaryDirectory() as folder:
        for text in options.texts:
            whole = text.read_text("utf-8-sig")
            for size in (int(word) for word in options.sizes.split(",")):
                row = measured(str(text), options.seconds, 1, ["--network.hidden-size", str(size)])
                networks.append({"text": text.stem, "units": size, **row})
                print(networks[-1], file=sys.stderr, flush=True)
            for megabytes in (float(word) for word in options.megabytes.split(",")):
                if megabytes * 1e6 > len(whole):
                    continue
                part = Path(folder) / f"{text.stem}-{megabytes:g}.txt"
                part.write_text(whole[: int(megabytes * 1e6)], "utf-8")
                row = measured(str(part), options.seconds, 1, [])
                texts.append({"text": text.stem, "megabytes": megabytes, **row})
                print(texts[-1], file=sys.stderr, flush=True)
    print(title())
    draw(
        networks, "units", "units of the LSTM", options.output / "scaling-network.png", options.seconds, comparable=True
    )
    draw(
        texts,
        "megabytes",
        "million characters of text",
        options.output / "scaling-text.png",
        options.seconds,
        comparable=False,
    )
    report = {"machine": machine(), "seconds": options.seconds, "networks": networks, "texts": texts}
    (options.output / "scaling.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""How small does a model make the text that it was not trained on, beside what people use to compress text?

Usage: python benchmarks/compression.py RUN [--no-adaptive] [--output FILE.json]

The file is the run's own validation text. `xz -9e`, `bz2 -9` and `zstd --ultra -22` take it alone, and once more with what
they can be told of the training text: `zstd --patch-from` is made for that; xz and bz2 are given both texts in a row, and
what the first takes alone is subtracted, with a window that holds both. Ours is `charloom compress`, the whole file with
header and checksum, decoded again (times: coding alone, and the check). zstd is left out where there is none.
"""

import argparse
import bz2
import json
import lzma
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from charloom.reports import same_text
from charloom.runs import Run
from machine import machine, title


def xz(data: bytes) -> int:
    """Bytes of `xz -9e`."""
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def zstd(file: Path, told: Path | None = None) -> int:
    """Bytes of `zstd --ultra -22`, told of another file or not."""
    command = [
        "zstd",
        "--ultra",
        "-22",
        "--quiet",
        "--stdout",
        *(["--patch-from", str(told)] if told else []),
        str(file),
    ]
    return len(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def ours(run: Path, file: Path, adaptive: bool) -> dict[str, Any]:
    """What `charloom compress --json` says."""
    command = [sys.executable, "-m", "charloom", "compress", str(run), str(file), "--force", "--json"]
    done = subprocess.run([*command, *(["--adaptive"] if adaptive else [])], check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compressed sizes of a run's validation text.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--no-adaptive", action="store_true")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    run = Run(options.run)
    corpus = same_text(run, run.config())
    print(title())
    with tempfile.TemporaryDirectory() as folder:
        train, held_out = Path(folder) / "train", Path(folder) / "held-out"
        train.write_bytes(bytes(corpus.train.data))
        held_out.write_bytes(bytes(corpus.validation.data))
        raw, before = held_out.read_bytes(), train.read_bytes()
        rows: list[dict[str, Any]] = []

        def row(name: str, size: int, **more: Any) -> None:
            rows.append({"name": name, "bytes": size, "bits_per_byte": 8 * size / len(raw), **more})
            timed = f"  {len(raw) / more['seconds']:,.0f} bytes/s" if "seconds" in more else ""
            print(
                f"{name:<42}{size:>9,} bytes  {size / len(raw):6.1%}  {8 * size / len(raw):.3f} bits a byte{timed}",
                flush=True,
            )

        row("xz -9e", xz(raw))
        row("bz2 -9", len(bz2.compress(raw, 9)))
        row("xz -9e, told of the training text", xz(before + raw) - xz(before))
        row("bz2 -9, told of the training text", len(bz2.compress(before + raw, 9)) - len(bz2.compress(before, 9)))
        if shutil.which("zstd"):
            row("zstd --ultra -22", zstd(held_out))
            row("zstd --ultra -22 --patch-from the training text", zstd(held_out, train))
        for adaptive in (False,) if options.no_adaptive else (False, True):
            made = ours(options.run, held_out, adaptive)
            name = "charloom compress" + (" --adaptive" if adaptive else "")
            row(
                name,
                made["compressed_bytes"],
                **{key: made[key] for key in ("coded_bytes", "nats", "seconds", "check_seconds")},
            )
    if options.output:
        options.output.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()

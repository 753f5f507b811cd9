"""How small does a model compress text that it was not trained on, compared with common compressors?

Usage: python benchmarks/compression.py RUN [--no-adaptive] [--output FILE.json]

The file is the run's own validation text. Each compressor takes it alone, and once more primed with the training text:
the size of both in a row minus that of the training text, compress(train + held-out) - compress(train). xz, PPMd and
zpaq get all of the training text, bz2 the end of it that fits into one block with the held-out text, and zstd all of it
through `--patch-from`, which is made for that. Ours is `charloom compress`: the whole file with header and checksum,
decoded again (times: coding alone, and the check). PPMd (pyppmd), zpaq and zstd are skipped if they are not installed.

PPMd and zpaq learn while they code, as `--adaptive` does; the others and plain `compress` do not. The size of the model
is not counted, and no compressor needs training.
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

from charloom.evaluation.baselines import bz2_priming
from charloom.evaluation.predictive_compressors import predictive_compressors
from charloom.training.runs import Run
from charloom.training.texts import same_text
from machine import machine, title


def xz(data: bytes) -> int:
    """Bytes of `xz -9e`."""
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))


def zstd(file: Path, told: Path | None = None) -> int:
    """Bytes of `zstd --ultra -22`, primed with another file or not."""
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
    """The output of `charloom compress --json`."""
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
                f"{name:<52}{size:>9,} bytes  {size / len(raw):6.1%}  {8 * size / len(raw):.3f} bits a byte{timed}",
                flush=True,
            )

        tail = bz2_priming(before, raw)
        for name, size, priming in (
            ("xz -9e", xz, before),
            ("bz2 -9", lambda data: len(bz2.compress(data, 9)), tail),
            *((name, size, before) for name, size in predictive_compressors().items()),
        ):
            row(name, size(raw))
            all_of_it = "the training text" if priming == before else f"its last {len(priming):,} bytes"
            row(f"{name}, primed with {all_of_it}", size(priming + raw) - size(priming))
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

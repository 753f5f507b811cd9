"""charloom compress"""

import sys
import time
from pathlib import Path

from charloom.cli import files
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError

ENDING = ".cl"


def compress(
    run: str,
    file: Path,
    /,
    *,
    output: Path | None = None,
    adaptive: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Compress a file with a model, losslessly.

    Writes FILE.cl in the same folder. Any file can be compressed; text like the model's training text becomes smallest.
    The result is decoded as a check before it is written.

    Parameters
    ----------
    run
        A run directory or a model folder. Decompressing needs the same model: keep a copy of a run's model/ if you
        train the run further.
    file
        The file to compress; - for standard input. FILE.cl may not open on another machine, with another numpy or
        torch, or with another number of threads, where sums are rounded differently: keep the original too.
    output
        Name of the compressed file; - for standard output, with the report on standard error.
    adaptive
        Let the model keep learning from what it has coded: a smaller file that takes several times as long.
    force
        Overwrite an existing file.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json
    from charloom.compress.codec import Codec

    if output is None and str(file) == HYPHEN:
        raise SettingsError(
            "standard input has no name; name the compressed file with --output, or give - for standard output"
        )
    aside = str(output) == HYPHEN
    if aside and sys.stdout.isatty():
        raise SettingsError("a compressed file cannot be shown on a terminal; redirect standard output, or name a file")
    with files.pieces(file) as data:
        target = None if aside else files.target(output or file.with_name(file.name + ENDING), force=force)
        codec = Codec(run)
        began = time.monotonic()
        compressed = codec.encode(data, adaptive=adaptive)
    coded = time.monotonic()
    codec.check(compressed)
    checked = time.monotonic()
    if target is None:
        files.write_output([compressed.data])
    else:
        files.write(target, compressed.data)
    name = "-" if target is None else str(target)
    result = {
        "output": name,
        "original_bytes": compressed.original_bytes,
        "compressed_bytes": len(compressed.data),
        "coded_bytes": compressed.coded_bytes,
        "symbols": compressed.symbols,
        "escapes": compressed.escapes,
        "nats": compressed.nats,
        "adaptive": adaptive,
        "seconds": coded - began,
        "check_seconds": checked - coded,
    }
    share = (
        f", {8 * len(compressed.data) / compressed.original_bytes:.3f} bits a byte" if compressed.original_bytes else ""
    )
    report = sys.stderr if target is None else sys.stdout
    if json:
        print_json(result, file=report)
    else:
        where = "standard output" if target is None else name
        print(f"{where}: {compressed.original_bytes:,} bytes became {len(compressed.data):,}{share}", file=report)

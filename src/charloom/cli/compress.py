"""charloom compress"""

import sys
import time
from pathlib import Path

from charloom.cli import files
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError

ENDING = ".cl"


def compress(
    run: Path,
    file: Path,
    /,
    *,
    output: Path | None = None,
    adaptive: bool = False,
    force: bool = False,
    json: bool = False,
) -> None:
    """Compress a file with a model, losslessly.

    Writes FILE.cl beside it. Any file can be compressed; text like the one that the model learned from becomes
    smallest. The file is decoded again before it is written.

    Parameters
    ----------
    run
        A run directory or a model folder. The same model is needed to decompress: keep a copy of a run's model/ if the run
        is to be trained on.
    file
        The file to compress; - for standard input. FILE.cl may not open on another machine, with another numpy or torch, or
        with another number of threads, where sums are rounded differently: keep the original too.
    output
        Another name for the compressed file; - for standard output, with the report on standard error.
    adaptive
        Let the model keep learning from what it has coded: a smaller file, in several times the time.
    force
        Overwrite an existing file.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json
    from charloom.compress.codec import Codec
    from charloom.models.model_folder import model_folder, read_model

    if output is None and str(file) == HYPHEN:
        raise SettingsError("say with --output what the compressed file is to be called; - is standard output")
    aside = str(output) == HYPHEN
    if aside and sys.stdout.isatty():
        raise SettingsError("a compressed file is nothing for a terminal; redirect standard output, or name a file")
    with files.pieces(file) as data:
        target = None if aside else files.target(output or file.with_name(file.name + ENDING), force=force)
        codec = Codec(read_model(model_folder(run)))
        began = time.monotonic()
        made = codec.encode(data, adaptive=adaptive)
    coded = time.monotonic()
    codec.check(made)
    checked = time.monotonic()
    if target is None:
        files.write_output([made.data])
    else:
        files.write(target, made.data)
    name = "-" if target is None else str(target)
    told = {
        "output": name,
        "original_bytes": made.original_bytes,
        "compressed_bytes": len(made.data),
        "coded_bytes": made.coded_bytes,
        "symbols": made.symbols,
        "escapes": made.escapes,
        "nats": made.nats,
        "adaptive": adaptive,
        "seconds": coded - began,
        "check_seconds": checked - coded,
    }
    share = f", {8 * len(made.data) / made.original_bytes:.3f} bits a byte" if made.original_bytes else ""
    report = sys.stderr if target is None else sys.stdout
    if json:
        print_json(told, file=report)
    else:
        shown = "standard output" if target is None else name
        print(f"{shown}: {made.original_bytes:,} bytes became {len(made.data):,}{share}", file=report)

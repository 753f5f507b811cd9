"""charloom compress"""

import sys
import time
from pathlib import Path

from charloom.cli import files
from charloom.cli.archived import ENDING, figures, sentence
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError


def compress(
    run: str,
    file: Path,
    /,
    *,
    output: Path | None = None,
    adaptive: bool = False,
    workers: int | None = None,
    force: bool = False,
    json: bool = False,
) -> None:
    """Compress a file, or each file of a folder, with a model, losslessly.

    Writes FILE.cl in the same folder. Any file can be compressed; text like the model's training text becomes smallest.
    The result is decoded as a check before it is written. In a folder, files that have their FILE.cl already are left
    out, so an interrupted call is continued by the same command; a file that has changed since, or a FILE.cl of another
    model, is refused.

    Parameters
    ----------
    run
        A run directory or a model folder. Decompressing needs the same model: keep a copy of a run's model/ if you
        train the run further.
    file
        The file or folder to compress; - for standard input. FILE.cl may not open on another machine, with another
        numpy or torch, or with another number of threads, where sums are rounded differently: keep the original too.
    output
        Name of the compressed file; - for standard output, with the report on standard error. For a folder: the folder
        of the compressed files.
    adaptive
        Let the model keep learning from what it has coded: a smaller file that takes several times as long.
    workers
        How many processes share the files of a folder; each loads the model once and computes with one thread.
    force
        Overwrite an existing file.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json
    from charloom.compress.codec import Codec

    if file.is_dir():
        from charloom.cli.compress_folder import compress_folder

        compress_folder(run, file, output, workers, adaptive=adaptive, force=force, json=json)
        return
    if workers is not None:
        raise SettingsError("a file is coded in order, by one process; leave out --workers, or name a folder")
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
    times = {"seconds": coded - began, "check_seconds": checked - coded}
    name, report = ("-", sys.stderr) if target is None else (str(target), sys.stdout)
    if json:
        print_json(figures(name, compressed, adaptive) | times, file=report)
    else:
        print(sentence("standard output" if target is None else name, compressed), file=report)

"""charloom decompress"""

import sys
import time
from pathlib import Path

from charloom.cli import files
from charloom.cli.archived import ENDING
from charloom.cli.sources import HYPHEN
from charloom.errors import FolderError, SettingsError


def decompress(run: str, file: Path, /, *, output: Path | None = None, force: bool = False, json: bool = False) -> None:
    """Decompress a file.

    Parameters
    ----------
    run
        The model that it was compressed with, wherever it is now.
    file
        The compressed file, FILE.cl; - for standard input. It may not open on another machine, with another numpy or
        torch, or with another number of threads; the message then says what it was made with.
    output
        Name of the decompressed file instead of FILE; - for standard output, with the report on standard error.
    force
        Overwrite an existing file.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json
    from charloom.compress.codec import Codec

    if output is None and file.suffix != ENDING:
        named = "standard input" if str(file) == HYPHEN else file
        raise SettingsError(f"{named} does not end in {ENDING}; name the decompressed file with --output")
    data = files.read(file)
    target = None if str(output) == HYPHEN else files.target(output or file.with_suffix(""), force=force)
    codec = Codec(run)
    began = time.monotonic()
    try:
        original = codec.decode(data)
        size = files.write_output(original) if target is None else files.write(target, original)
    except FolderError as error:
        named = "standard input" if str(file) == HYPHEN else file
        raise FolderError(f"{named} cannot be decompressed: {error}") from None
    seconds = time.monotonic() - began
    report = sys.stderr if target is None else sys.stdout
    if json:
        print_json({"output": "-" if target is None else str(target), "bytes": size, "seconds": seconds}, file=report)
    else:
        print(f"{'standard output' if target is None else target}: {size:,} bytes", file=report)

"""Compressors that, like a language model, predict each symbol from those before it: PPMd and zpaq, if installed.

Both learn while they code, so compare them with `--adaptive` and `--dynamic`. Neither is a dependency: pyppmd is under
the LGPL, and zpaq is a program.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PPMD_ORDER = 6

_PPMD_MEMORY = 256 << 20

ZPAQ_LARGEST = 16_000_000
"""Most bytes of training text given to zpaq, which takes 2 to 3 seconds per megabyte."""


def predictive_compressors() -> dict[str, Callable[[bytes], int]]:
    """The installed compressors by name; each returns the compressed size of its argument in bytes."""
    compressors: dict[str, Callable[[bytes], int]] = {}
    try:
        import pyppmd

        def ppmd(data: bytes) -> int:
            packed = pyppmd.compress(data, max_order=PPMD_ORDER, mem_size=_PPMD_MEMORY, variant="I")
            return len(packed)

        compressors[f"PPMd order {PPMD_ORDER}"] = ppmd
    except ImportError:
        pass
    program = shutil.which("zpaq")
    if program:
        compressors["zpaq -m5"] = lambda data: _zpaq(program, data)
    return compressors


def predictive_sizes(train: bytes, held_out: bytes) -> Iterator[tuple[str, int, str]]:
    """Name, bytes that `held_out` adds after the training text, and how much of that text was used.

    Left out are failures, and a difference that is no size: zpaq chooses its model by the data, so a few hundred bytes
    more can make an archive smaller.
    """
    for name, size in predictive_compressors().items():
        known, knew = train, "the training text (compressed in front)"
        if name.startswith("zpaq") and len(train) > ZPAQ_LARGEST:
            known, knew = train[-ZPAQ_LARGEST:], f"the last {ZPAQ_LARGEST // 1_000_000} MB of the training text"
        try:
            added = size(known + held_out) - size(known)
        except (OSError, MemoryError, subprocess.CalledProcessError):
            continue
        if added > 0:
            yield name, added, knew


def _zpaq(program: str, data: bytes) -> int:
    """Size in bytes of an archive of one file, including about 1,000 for the archive itself."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(data)
        command = [program, "add", "data.zpaq", "data", "-method", "5", "-threads", "1"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return (Path(folder) / "data.zpaq").stat().st_size

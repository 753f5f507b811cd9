"""Compressors that do what a language model does, predict each symbol from those before it: PPMd and zpaq, where installed.

Both learn while they code, so their neighbour among charloom's figures is `--adaptive`. Neither is needed by anything else:
pyppmd is under the LGPL, and zpaq is a program.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

PPMD_ORDER = 6

_PPMD_MEMORY = 256 << 20

ZPAQ_LARGEST = 16_000_000
"""Bytes of training text that zpaq gets at most: it takes 2 to 3 seconds for a megabyte."""


def predictive_compressors() -> dict[str, Callable[[bytes], int]]:
    """Those that are installed, by name; each gives the bytes that some data is compressed to."""
    found: dict[str, Callable[[bytes], int]] = {}
    try:
        import pyppmd

        def ppmd(data: bytes) -> int:
            packed = pyppmd.compress(data, max_order=PPMD_ORDER, mem_size=_PPMD_MEMORY, variant="I")
            return len(packed)

        found[f"PPMd order {PPMD_ORDER}"] = ppmd
    except ImportError:
        pass
    program = shutil.which("zpaq")
    if program:
        found["zpaq -m5"] = lambda data: _zpaq(program, data)
    return found


def predictive_sizes(train: bytes, held_out: bytes) -> Iterator[tuple[str, int, str]]:
    """Name, bytes that `held_out` adds behind the training text, and how much of that was used; what fails is left out."""
    for name, size in predictive_compressors().items():
        known, knew = train, "the training text (compressed in front)"
        if name.startswith("zpaq") and len(train) > ZPAQ_LARGEST:
            known, knew = train[-ZPAQ_LARGEST:], f"the last {ZPAQ_LARGEST // 1_000_000} MB of the training text"
        try:
            added = size(known + held_out) - size(known)
        except (OSError, MemoryError, subprocess.CalledProcessError):
            continue
        yield name, added, knew


def _zpaq(program: str, data: bytes) -> int:
    """Bytes of an archive of one file, about 1,000 of them for the archive itself."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").write_bytes(data)
        command = [program, "add", "data.zpaq", "data", "-method", "5", "-threads", "1"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return (Path(folder) / "data.zpaq").stat().st_size

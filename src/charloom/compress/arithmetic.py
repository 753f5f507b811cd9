"""A short description of what a machine computes with, stored in archives so that a refusal can say what differs.

It is only a description. Whether two machines compute the same sums is decided by `Codec`, which computes some.
"""

import platform
import struct
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from charloom.errors import FolderError

_FORMAT = struct.Struct("<BBBBBBHH14s")

SIZE = _FORMAT.size
"""Size of a packed description in bytes."""

_SYSTEMS = ("another system", "Linux", "macOS", "Windows")
_PROCESSORS = ("another processor", "x86-64", "arm64")
_EXTENSIONS = ("no vector extension that is listed", "AVX2", "AVX-512", "NEON", "SVE", "VSX", "LSX", "RVV")
"""Positions in these lists are stored in archives, so new names go to the end."""

_EXTENSION_NAMES = (
    ("AVX512", 2),
    ("X86_V4", 2),
    ("AVX2", 1),
    ("FMA3", 1),
    ("X86_V3", 1),
    ("SVE", 4),
    ("NEON", 3),
    ("ASIMD", 3),
    ("VSX", 5),
    ("LSX", 6),
    ("RVV", 7),
)
"""Names as numpy and torch spell them, the strongest extension first, and their positions in `_EXTENSIONS`."""


@dataclass(frozen=True)
class Arithmetic:
    """The libraries, instructions and threads that a model was computed with; `torch` is None if it was not used."""

    system: int
    processor: int
    numpy: tuple[int, int]
    numpy_extension: int
    blas_kernel: str
    "OpenBLAS's name for the processor that its kernel is written for, or another library's own name; empty if unknown."
    blas_threads: int
    "0 if unknown."
    torch: tuple[int, int] | None = None
    torch_extension: int = 0
    torch_threads: int = 0

    def pack(self) -> bytes:
        """`SIZE` bytes."""
        torch = self.torch or (0, 0)
        return _FORMAT.pack(
            self.system << 4 | self.processor,
            self.numpy_extension << 4 | self.torch_extension,
            *self.numpy,
            *torch,
            self.blas_threads,
            self.torch_threads,
            self.blas_kernel.encode(),
        )

    @classmethod
    def unpack(cls, data: bytes) -> "Arithmetic":
        """The description in `SIZE` bytes. Raises `FolderError` for bytes that `pack` does not write."""
        place, extensions, *versions, blas_threads, torch_threads, kernel = _FORMAT.unpack(data)
        name = kernel.rstrip(b"\0")
        torch = (versions[2], versions[3])
        arithmetic = cls(
            place >> 4,
            place & 15,
            (versions[0], versions[1]),
            extensions >> 4,
            name.decode("ascii", "replace"),
            blas_threads,
            torch if torch != (0, 0) else None,
            extensions & 15,
            torch_threads,
        )
        listed = (
            arithmetic.system < len(_SYSTEMS)
            and arithmetic.processor < len(_PROCESSORS)
            and max(arithmetic.numpy_extension, arithmetic.torch_extension) < len(_EXTENSIONS)
            and name.isascii()
            and arithmetic.blas_kernel.isprintable()
            and (arithmetic.torch is not None or arithmetic.torch_extension == arithmetic.torch_threads == 0)
        )
        if not listed:
            raise FolderError("it names a machine that this version does not know; use a newer charloom")
        return arithmetic

    def words(self) -> list[str]:
        """Each part in words."""
        parts = [
            f"{_SYSTEMS[self.system]} on {_PROCESSORS[self.processor]}",
            f"numpy {self.numpy[0]}.{self.numpy[1]} with {_EXTENSIONS[self.numpy_extension]}",
            f"matrix products of {self.blas_kernel or 'an unknown library'} in {_threads(self.blas_threads)}",
        ]
        if self.torch is not None:
            extension = _EXTENSIONS[self.torch_extension]
            parts.append(f"torch {self.torch[0]}.{self.torch[1]} with {extension} in {_threads(self.torch_threads)}")
        return parts


def arithmetic_here(*, with_torch: bool) -> Arithmetic:
    """What this process computes with at this moment."""
    kernel, threads = _blas()
    extensions = np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])
    of_torch: dict[str, Any] = {}
    if with_torch:
        import torch

        of_torch = {
            "torch": _version(torch.__version__),
            "torch_extension": _extension([torch.backends.cpu.get_cpu_capability()]),
            "torch_threads": min(torch.get_num_threads(), 65535),
        }
    systems, processors = {"linux": 1, "darwin": 2, "win32": 3}, {"x86_64": 1, "amd64": 1, "arm64": 2, "aarch64": 2}
    return Arithmetic(
        systems.get(sys.platform, 0),
        processors.get(platform.machine().lower(), 0),
        _version(np.__version__),
        _extension(extensions),
        kernel,
        threads,
        **of_torch,
    )


def difference(there: Arithmetic, here: Arithmetic) -> str:
    """Where two machines differ, as far as an archive says."""
    theirs, ours = there.words(), here.words()
    pairs = [(one, other) for one, other in zip(theirs, ours, strict=True) if one != other]
    if not pairs:
        return f"made with {', '.join(theirs)}, like this one; the processors or versions differ in finer ways"
    return f"made with {', '.join(one for one, _ in pairs)}; here {', '.join(other for _, other in pairs)}"


def remedy(there: Arithmetic, here: Arithmetic) -> str:
    """What may help to open an archive that was made elsewhere."""
    if (
        there != here
        and there.blas_threads
        and replace(there, blas_threads=here.blas_threads, torch_threads=here.torch_threads) == here
    ):
        counts = [f"OPENBLAS_NUM_THREADS={there.blas_threads}"]
        counts += [f"OMP_NUM_THREADS={there.torch_threads}"] if there.torch else []
        return f"decompress it with {' and '.join(counts)} set"
    return "decompress it there"


def _blas() -> tuple[str, int]:
    """The kernel name of the library that computes numpy's matrix products, and its number of threads."""
    from threadpoolctl import threadpool_info  # of the extra compress, as the coder is

    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    libraries.sort(key=lambda library: "numpy" not in library["filepath"])  # scipy may bring another
    if not libraries:
        return "", 0
    name = str(libraries[0].get("architecture") or libraries[0]["internal_api"])
    return name.encode("ascii", "replace")[:14].decode(), min(int(libraries[0]["num_threads"] or 0), 65535)


def _extension(names: list[str]) -> int:
    upper = [name.upper() for name in names]
    return next((place for known, place in _EXTENSION_NAMES if any(known in name for name in upper)), 0)


def _version(text: str) -> tuple[int, int]:
    major, minor = (int(part) for part in text.split(".")[:2])
    return min(major, 255), min(minor, 255)


def _threads(count: int) -> str:
    return "an unknown number of threads" if count == 0 else "1 thread" if count == 1 else f"{count} threads"

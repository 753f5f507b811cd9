"""The device and precision for training, chosen by what the machine supports, never by timing it.

Timings differ on a busy day. The same machine must always choose the same, or no run could be repeated.
"""

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn

from charloom.errors import SettingsError, did_you_mean
from charloom.errors.options import option
from charloom.settings import Cell, Device, Precision


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why in a few words."""

    name: str
    reason: str


def choose_device(wanted: Device) -> Choice:
    """The device to train on. Raises `SettingsError` if the requested one is unknown or not available."""
    _known("device", wanted, Device)
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        name = next(name for name in ("cuda", "mps", "cpu") if there[name])
        return Choice(name, "the first of cuda, mps and cpu that is here")
    if not there[wanted]:
        here = ", ".join(name for name, present in there.items() if present)
        raise SettingsError(f"device {wanted} is not available here; use {option('device', 'auto')}, or one of: {here}")
    return Choice(wanted, "as asked for")


def choose_precision(wanted: Precision, device: str, cell: Cell, hidden_size: int) -> Choice:
    """float32, or bfloat16 for the products of training (autocast). Scores are always computed in float32.

    On a CPU, bfloat16 pays off if the processor multiplies bfloat16 natively (AVX512_BF16 or AMX): measured on Zen 4, a
    training step takes 0.61 of the time of float32 for an LSTM, 0.66 for a GRU and plain RNNs (docs/lab-log.md).
    Raises `SettingsError`.
    """
    _known("precision", wanted, Precision)
    if wanted == "float32":
        return Choice(wanted, "as asked for")
    if device == "cuda":
        capable, what = torch.cuda.is_bf16_supported(including_emulation=False), "the GPU"
    elif device == "cpu":
        capable, what = _processor_multiplies_bfloat16(), "the processor"
        if capable and cell == "lstm" and hidden_size >= _SUSPECT_SIZE and not _gradient_is_right(hidden_size):
            gradient = f"the bfloat16 gradient of an LSTM of {hidden_size:,} units"
            why = f"{gradient} is wrong in torch {torch.__version__} on the CPU"
            if wanted == "bfloat16":
                raise SettingsError(f"{why}; use {option('precision', 'auto')}, or fewer than {_SUSPECT_SIZE:,} units")
            return Choice("float32", why)
    else:
        capable, what = False, device
    if wanted == "bfloat16":
        if not capable:
            raise SettingsError(f"bfloat16 is not supported by {what}; use {option('precision', 'auto')}")
        return Choice(wanted, "as asked for")
    if capable:
        return Choice("bfloat16", f"{what} multiplies bfloat16 itself")
    return Choice("float32", f"{what} does not multiply bfloat16 itself")


def _known(name: str, wanted: object, choices: object) -> None:
    """Raise `SettingsError` unless `wanted` is one of the choices."""
    if wanted not in get_args(choices):
        raise SettingsError(f"{name} is {wanted!r}{did_you_mean(str(wanted), get_args(choices))}")


def _processor_multiplies_bfloat16() -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch before get_capabilities
    return bool(probe and probe())


_SUSPECT_SIZE = 1024

TRUSTED_SIZE = 960
"""The largest LSTM whose bfloat16 gradient was correct on every processor."""


def _gradient_is_right(hidden_size: int) -> bool:
    """Whether bfloat16 gives an LSTM of this size the same gradient as float32.

    On processors with AMX, torch 2.13 gets it wrong from 1,024 units on: the gradient of the input is off by its whole
    length (docs/lab-log.md). This is tested rather than listed, so that a fixed torch is trusted again.
    """
    inputs = torch.randn(2, 1, 16, generator=torch.Generator().manual_seed(0))
    with torch.random.fork_rng(devices=[]):
        layer = nn.LSTM(16, hidden_size)
    gradients = []
    for enabled in (False, True):
        leaf = inputs.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output, _ = layer(leaf)
        (gradient,) = torch.autograd.grad(output.float().square().sum(), leaf)
        gradients.append(gradient)
    exact, rounded = gradients
    return bool((exact - rounded).norm() < 0.1 * exact.norm())


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # <malloc.h>


def prepare_processor() -> None:
    """Flush denormal numbers to zero, and keep freed memory for the next step. Both apply to the whole process.

    With denormals, an LSTM's step has been seen to take twenty times as long (oneDNN #561). A step allocates and frees
    the same hundred megabytes; glibc returns each large block to the system and requests it again, page by page, which
    took more than a quarter of a training step (docs/lab-log.md). Other C libraries are left alone.
    """
    torch.set_flush_denormal(True)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for parameter, size in ((_M_MMAP_THRESHOLD, 1 << 30), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 1 << 26)):
        mallopt(parameter, size)


def environment(device: str, processes: int = 1) -> dict[str, str]:
    """Everything that may change the last bits of a result."""
    return {
        "torch": torch.__version__,
        "processes": str(processes),
        "threads": str(torch.get_num_threads()),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }


def peak_memory(device: str) -> int | None:
    """Peak memory of this process in bytes, on the device it trains on; None if the system does not report it."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():  # here, `getrusage` includes the parent process
        kilobytes = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(kilobytes[0]) * 1024 if kilobytes else None
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def machine() -> dict[str, Any]:
    """A description of the machine: processor, threads, memory, versions."""
    name = platform.processor() or platform.machine()
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        models = [line.split(":", 1)[1].strip() for line in listing.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    able = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    extensions = [word for word in ("avx2", "avx512_f", "avx512_bf16", "amx_bf16") if able.get(word)]
    return {
        "processor": name,
        "extensions": extensions,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": sys.version.split()[0],
        "torch": torch.__version__,
    }

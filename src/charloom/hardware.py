"""Where and in which numbers a network is trained: decided by what the machine can do, never by a race.

A race would decide differently on a busy day; the same machine must always decide the same, or no run could be repeated.
"""

from dataclasses import dataclass

import torch

from charloom.errors import SettingsError
from charloom.settings import Cell, Device, Precision


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why in a few words."""

    name: str
    reason: str


def choose_device(wanted: Device) -> Choice:
    """The device to train on. Raises `SettingsError` if the wanted one is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        name = next(name for name in ("cuda", "mps", "cpu") if there[name])
        return Choice(name, "the first of cuda, mps and cpu that is here")
    if not there[wanted]:
        here = ", ".join(name for name, present in there.items() if present)
        raise SettingsError(f"device {wanted} is not available here; use --device auto, or one of: {here}")
    return Choice(wanted, "as asked for")


def choose_precision(wanted: Precision, device: str, cell: Cell) -> Choice:
    """float32, or bfloat16 for the products of training (autocast). Scores are always computed in float32.

    On a CPU, bfloat16 pays where the processor multiplies bfloat16 itself (AVX512_BF16 or AMX): measured on Zen 4, a
    training step takes 0.61 of float32's time for an LSTM, 0.66 for a GRU and for plain RNNs (docs/lab-log.md).
    """
    if wanted == "float32":
        return Choice(wanted, "as asked for")
    if device == "cuda":
        capable, what = torch.cuda.is_bf16_supported(including_emulation=False), "this GPU"
    elif device == "cpu":
        capable, what = _processor_multiplies_bfloat16(), "this processor"
    else:
        capable, what = False, f"{device} for a {cell}"
    if wanted == "bfloat16":
        if not capable:
            raise SettingsError(f"bfloat16 is not supported by {what}; use --precision auto")
        return Choice(wanted, "as asked for")
    if capable:
        return Choice("bfloat16", f"{what} multiplies bfloat16 itself")
    return Choice("float32", f"{what} does not multiply bfloat16 itself")


def _processor_multiplies_bfloat16() -> bool:
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    if capabilities:
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch before get_capabilities
    return bool(probe and probe())


def prepare_processor() -> None:
    """Flush denormal numbers to zero: with them an LSTM's step was seen to take twenty times as long (oneDNN #561)."""
    torch.set_flush_denormal(True)


def environment(device: str) -> dict[str, str]:
    """What, if it changes, may change the last bits of a result."""
    return {
        "torch": torch.__version__,
        "threads": str(torch.get_num_threads()),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
    }

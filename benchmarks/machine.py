"""What a figure was measured on, for every benchmark's report."""

import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch


def machine() -> dict[str, Any]:
    """The machine in words and numbers."""
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


def title() -> str:
    """The machine on one line."""
    known = machine()
    return (
        f"{known['processor']} ({', '.join(known['extensions'])}), {known['threads']} threads, {known['system']}, "
        f"Python {known['python']}, torch {known['torch']}"
    )

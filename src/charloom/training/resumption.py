"""What a resumed run has to deal with: lines written after its checkpoint, and perhaps another machine."""

from collections.abc import Sequence
from pathlib import Path

from charloom.storage import atomic_files
from charloom.storage.atomic_files import Disk
from charloom.training.runs import read_lines


def changes(was: dict[str, str], now: dict[str, str]) -> Sequence[str]:
    """One sentence if the machine changed, since then the last bits of the result may too."""
    changed = [f"{name} {was[name]} -> {now[name]}" for name in now if name in was and was[name] != now[name]]
    return (
        [f"since the last checkpoint {', '.join(changed)}; the results may differ in their last bits"]
        if changed
        else []
    )


def cut(disk: Disk, path: Path, size: int, notices: list[str]) -> int:
    """Cut off what was written after the checkpoint; gives the size that is left."""
    there = path.stat().st_size if path.exists() else 0
    if there < size:
        notices.append(f"{path} has {there:,} of {size:,} bytes; the lines that are missing cannot be made again")
        return there
    if there > size:
        atomic_files.append(disk, path, b"", at=size)
    return size


def clock_bytes(path: Path, step: int) -> int:
    """Bytes of the lines up to `step`: what came after it is done again."""
    if not path.exists():
        return 0
    entries = read_lines(path)
    lines = path.read_bytes().splitlines(keepends=True)
    return sum(len(line) for line, entry in zip(lines, entries, strict=False) if entry["step"] <= step)

"""Outputs of calls that were interrupted."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from charloom.storage.atomic_files import Disk

Command = Callable[..., subprocess.CompletedProcess[str]]


def finished(charloom: Command, command: Sequence[object], out: Path) -> tuple[bytes, bytes]:
    """What a call writes, and the mark that lies next to it meanwhile."""
    marks = list[bytes]()
    remove = Disk.remove

    def seen(disk: Disk, path: Path) -> None:
        marks.append(path.read_bytes())
        remove(disk, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Disk, "remove", seen)
        done = charloom(*command)
    assert done.returncode == 0, done.stderr
    assert not list(out.parent.glob("*.partial*"))
    (mark,) = marks
    return out.read_bytes(), mark


def interrupted(out: Path, written: bytes, mark: bytes) -> None:
    """Leave what a call leaves that was killed."""
    out.unlink(missing_ok=True)
    out.with_name(out.name + ".partial").write_bytes(written)
    out.with_name(out.name + ".partial.json").write_bytes(mark)

"""A training that its launcher starts again resumes the run that it made; any other run is never taken for it."""

from pathlib import Path

from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.machine.launch import Launch
from charloom.storage import atomic_files
from charloom.storage.atomic_files import Disk

MARK = "launch.txt"
"""The file that says which launcher made a run; it is there before the run has a configuration."""


def demand_name(launch: Launch, run: Path | None) -> None:
    """Raise `SettingsError` if the launcher may start the training again, and it would not know its run."""
    if launch.may_restart and run is None:
        raise SettingsError(
            f"torchrun may start this training again, which must then know its run; name one with {option('run')}"
        )


def mark(disk: Disk, run: Path, launch: Launch) -> None:
    """Record that this launcher makes the run. Raises `StorageError`."""
    if launch.may_restart:
        atomic_files.replace(disk, run / MARK, f"{launch.mark}\n".encode())


def is_ours(run: Path | None, launch: Launch | None) -> bool:
    """Whether this training was started again by the launcher that made the run, which has a configuration."""
    if run is None or launch is None or not launch.restarts:
        return False
    try:
        return (run / "config.json").exists() and (run / MARK).read_text().strip() == launch.mark
    except (OSError, UnicodeDecodeError):
        return False

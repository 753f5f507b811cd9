"""What a launcher such as torchrun tells each of the processes that it starts; read without torch."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from charloom.errors import SettingsError

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """One of several processes that were started together."""

    rank: int
    "The number of this process, from 0; process 0 leads."
    count: int
    "How many processes there are, on all machines."
    local_rank: int
    "The number of this process on its machine."
    address: str
    "Where the processes meet."
    restarts: int
    "How often the launcher has started all of them again."
    may_restart: bool
    "Whether the launcher starts them again if one of them fails."
    parent: int = field(default_factory=os.getppid)
    "The launcher's process."

    @property
    def command(self) -> str:
        """How to start as many processes again, up to charloom's own arguments."""
        here = os.environ.get("LOCAL_WORLD_SIZE")
        how = f"--nproc-per-node {self.count}" if here == str(self.count) else "(as before)"
        return f"torchrun {how} -m charloom --"  # without the hyphens it takes --run for an option of its own

    @property
    def mark(self) -> str:
        """The same for all starts by one launcher process, and for no other launcher."""
        import socket  # a command that trains alone does without

        try:  # numbers of processes are used again, so the moment of its start belongs to it
            began = Path(f"/proc/{self.parent}/stat").read_text().rsplit(")", 1)[1].split()[19]
        except (OSError, IndexError):
            began = ""
        return f"{os.environ.get('TORCHELASTIC_RUN_ID', '')} {socket.gethostname()} {self.parent} {began}".strip()


def launch() -> Launch | None:
    """What the launcher said; None if this process trains alone. Raises `SettingsError`."""
    if not _launched():
        return None
    rank, count = _number("RANK"), _number("WORLD_SIZE")
    if count <= 1:
        return None
    if rank >= count:
        raise SettingsError(f"RANK is {rank}, but WORLD_SIZE is {count}; start the processes with torchrun")
    return Launch(
        rank,
        count,
        _number("LOCAL_RANK"),
        f"{os.environ['MASTER_ADDR']}:{_number('MASTER_PORT')}",
        _number("TORCHELASTIC_RESTART_COUNT"),
        _number("TORCHELASTIC_MAX_RESTARTS") > 0,
    )


def speaks_for_its_machine() -> bool:
    """Whether this process is the one that reports what concerns all processes on its machine."""
    return os.environ.get("LOCAL_RANK", "0") == "0" or not _launched()


def quiet_processes() -> None:
    """Keep torch from printing pages about lost connections, which get one sentence; has to come before its import."""
    if _launched():
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")


def _launched() -> bool:
    return all(os.environ.get(name) for name in _VARIABLES)


def _number(name: str) -> int:
    text = os.environ.get(name, "0")
    if not text.isdecimal() or len(text) > 9:
        raise SettingsError(f"{name} is {text[:40]!r}, not a number; start the processes with torchrun")
    return int(text)

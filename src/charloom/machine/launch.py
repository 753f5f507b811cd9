"""What a launcher such as torchrun tells each of the processes that it starts; read without torch."""

import os
import socket

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def processes() -> int:
    """How many processes were started together, on all machines; 1 without a launcher."""
    return int(os.environ["WORLD_SIZE"]) if all(map(os.environ.get, _VARIABLES)) else 1


def local_rank() -> int:
    """The number of this process on its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0")) if processes() > 1 else 0


def restarts() -> int:
    """How often the launcher has started all processes again."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def may_restart() -> bool:
    """Whether the launcher starts all processes again if one of them fails."""
    return int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0


def launcher() -> str:
    """The same for all starts by one launcher, and for no other launcher that runs."""
    return f"{os.environ.get('TORCHELASTIC_RUN_ID', '')} {socket.gethostname()} {os.getppid()}"


def command() -> str:
    """How to start as many processes again, up to charloom's own arguments."""
    count = processes()
    if count == 1:
        return "charloom"
    how = f"--nproc-per-node {count}" if os.environ.get("LOCAL_WORLD_SIZE") == str(count) else "(as before)"
    return f"torchrun {how} -m charloom --"  # without the hyphens it takes --run for an option of its own


def quiet_processes() -> None:
    """Keep torch from printing pages about lost connections, which get one sentence; has to come before its import."""
    if processes() > 1:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

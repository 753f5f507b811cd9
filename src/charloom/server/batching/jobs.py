"""What the server asks of a model, and what it gets: the line between HTTP and the network."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from charloom.errors import CharloomError
from charloom.generation.stopping import StopReason
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array


class ServerBusy(CharloomError):
    """All rows are taken and the queue is full."""


@dataclass(frozen=True, eq=False)
class Job:
    """One text: symbols to read, then characters to write."""

    ids: Array
    """The symbols (T,) to read, at least one, from a zero state on: a text from its boundary on, a window of a text, or
    several texts, because nothing is remembered after a boundary."""
    length: int
    "Characters to write; 0 only reads."
    sampling: SamplingConfig = SamplingConfig()
    stop: tuple[str, ...] = ()
    seed: int = 0
    draws: int = 0
    "Random numbers of the seed that are already used up, for a text that continues."
    read_alternatives: int | None = None
    "How many of the most probable symbols to report at each symbol read after the first; None: report nothing of them."
    written_alternatives: int | None = None
    "The same for each symbol written."


class Symbol(NamedTuple):
    """A symbol read or written, and what the model expected in its place, without sampling settings."""

    id: int
    log_probability: float
    "In nats; NaN for a boundary where the model never ends a text, so that nothing is known."
    alternatives: tuple[tuple[int, float], ...]
    "The most probable symbols with their log-probabilities, the most probable first; of equal ones the lower id first."
    rank: int = 0
    "1 if no symbol was more probable; 0 if that was not counted."


class Piece(NamedTuple):
    """What is new since the piece before it."""

    read: tuple[Symbol, ...] = ()
    "Symbols of the prompt after the first, if they are to be reported."
    text: str = ""
    "Text that is certain: never a part of a stop string or half a character."
    written: tuple[Symbol, ...] = ()
    "The symbols of `text`, if they are to be reported."
    draws: int = 0
    "Random numbers used up so far, those before this job included."
    stop_reason: StopReason | None = None
    "On the last piece: why the text ends."


class Stream(Protocol):
    """A job that is queued or running."""

    def __aiter__(self) -> AsyncIterator[Piece]:
        """Pieces, each with everything that came since the one before; raises what went wrong, as `CharloomError`."""
        ...

    def cancel(self) -> None:
        """Give up the text: its place in the queue or its row is free at the next step. May be called at any time."""
        ...


class Engine(Protocol):
    """Runs the jobs of one model side by side."""

    def submit(self, job: Job) -> Stream:
        """Queue a job, from within an event loop. Raises `ServerBusy` at once if there is no place."""
        ...

    def busy(self) -> ServerBusy | None:
        """What `submit` would raise now because there is no place; None if there is one."""
        ...

    @property
    def running(self) -> int:
        """Rows that are taken."""
        ...

    @property
    def waiting(self) -> int:
        """Jobs that have no row yet."""
        ...

    async def close(self, *, grace: float) -> None:
        """Take no more jobs, let those that are here end for up to `grace` seconds, then stop."""
        ...

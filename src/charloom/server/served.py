"""What is served: models by name, and the bounds of a request: the line between routes and whatever loads models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from charloom.errors import CharloomError, did_you_mean, shown
from charloom.generation.writer import Writer
from charloom.server.batching.jobs import Engine

if TYPE_CHECKING:
    from charloom.classify.model import Classifier

Application = Literal["score", "activity", "complete", "correct", "classify"]
"""What can be asked of a model besides completions, each at the route of this name."""


class UnknownModelError(CharloomError):
    """No model has this name."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(f"no model is named {shown(name[:100])!r} here{did_you_mean(name[:100], known)}")


@dataclass(frozen=True, eq=False)
class Served:
    """A model as it is now: a request uses one such object from its beginning to its end.

    A language model has a writer and an engine that runs the same weights; a classifier has neither.
    """

    name: str
    created: int
    "When its weights were written, in seconds since 1970."
    place: str
    "The run or folder it was loaded from, as it was named."
    writer: Writer | None = None
    engine: Engine | None = None
    classifier: "Classifier | None" = None
    applications: tuple[Application, ...] = ()


class Registry(Protocol):
    """The models by name, which may be replaced by newer ones at any time."""

    def names(self) -> Sequence[str]:
        """All names, in the order in which the models were named when the server was started."""
        ...

    def get(self, name: str | None = None) -> Served:
        """The model of this name; None means the first language model. Raises `UnknownModelError`.

        A model is used at once or not at all: between this call and `Engine.submit` nothing is awaited, so a
        model that was replaced in the meantime is never asked.
        """
        ...


@dataclass(frozen=True)
class Limits:
    """The largest request. Every bound is in the schema and holds in fact."""

    body_bytes: int = 1 << 20
    "Bytes of a request's body."
    prompt: int = 65_536
    "Characters or ids of a prompt, or of a text to score."
    length: int = 100_000
    "Characters to write in a text."
    texts: int = 64
    "Texts of a request: prompts times n."
    stops: int = 16
    "Stop strings."
    stop_characters: int = 256
    "Characters of a stop string."
    top: int = 512
    "Alternatives reported for each symbol."
    reported: int = 262_144
    "Symbols, read and written in all texts of a request, times the alternatives for each, that one answer reports."
    seed: int = 2**63 - 1
    draws: int = 10**12
    "Random numbers that a text which continues has used up."
    activity: int = 8_192
    "Characters of a text along which hidden units are watched."
    units: int = 64
    "Hidden units whose activity an answer reports."

"""Whether a small text starts from the ready-made English model, decided by what that model says about the text."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charloom.data.text import Text
from charloom.errors import FolderError
from charloom.evaluation.score import evaluate_side_by_side
from charloom.models.language_model import LanguageModel, load_folder
from charloom.places.ready_made import ready_made
from charloom.training.recipes import times
from charloom.training.request import RunRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = "english"

SMALL = 1_000_000
"""Characters of training text beyond which a network learns the language by itself, given the time."""

MOST_BITS = 2.8
"""Bits per character below which a text counts as mostly English."""

NEAR_BITS = 2.2
"""Bits per character below which the parent helps however little time there is."""

FROM_PARENT, FROM_NOTHING = 1.0, 2.0
"""Epochs: a text that is not so near is learned better from nothing if the time allows for less than one of the parent,
a large network, but for at least two from nothing."""

UNKNOWN_BITS = 16.0
"""What a character that the parent does not know costs."""

PIECES, LENGTH = 8, 512
"""How many pieces of the text the parent reads, and how long each is."""


@dataclass(frozen=True)
class StartingPoint:
    """The parent to start from, if any, and why, in a clause."""

    parent: LanguageModel | None
    reason: str
    bits: float = 0.0
    "What the text costs the parent, per character."

    @property
    def near(self) -> bool:
        """Whether the text is so near to what the parent knows that the time need not be looked at."""
        return self.bits <= NEAR_BITS

    def without_time(self, epochs: float) -> "StartingPoint":
        """From nothing after all, because the time allows for so few epochs from the parent."""
        read = f"but this machine could train on it only {times(epochs)} from there in the time available"
        return StartingPoint(None, f"{_said(self.bits)}, {read}, so the run starts from nothing", self.bits)


def may_choose(request: RunRequest) -> bool:
    """Whether the request leaves it open where training starts.

    It does if a recipe chooses the settings, the network is not described, and the symbols are characters.
    """
    described = request.chosen is None or any(name.startswith("network.") for name in request.chosen)
    timed = request.length.steps is None and request.length.epochs is None
    return request.origin is None and timed and not described and request.corpus.vocabulary == "characters"


def starting_point(train: Text, request: RunRequest) -> StartingPoint | None:
    """Where the training of a small text starts; None if that is not to be decided here."""
    if not (request.automatic and may_choose(request)) or train.characters > SMALL:
        return None
    try:
        parent = load_folder(ready_made(PARENT).folder)
    except FolderError as error:  # nobody asked for it
        return StartingPoint(None, f"the run starts from nothing, because {error}")
    bits = bits_per_character(parent, train)
    if bits > MOST_BITS:
        why = "so it is not mostly English and the run starts from nothing"
        return StartingPoint(None, f"{_said(bits)}, {why}", bits)
    return StartingPoint(parent, f"{_said(bits)}, so the run starts from it", bits)


def _said(bits: float) -> str:
    return f"the ready-made model {PARENT!r} reads this text at {bits:.2f} bits per character"


def bits_per_character(model: LanguageModel, text: Text) -> float:
    """What pieces spread over the text cost the model, read side by side from nothing."""
    pieces = list(_pieces(text))
    known = set(model.vocabulary.characters)
    legible = ["".join(character for character in piece if character in known) for piece in pieces]
    unknown = sum(map(len, pieces)) - sum(map(len, legible))
    nats = evaluate_side_by_side(model, filter(None, legible)).nats if any(legible) else 0.0
    return (nats / math.log(2) + unknown * UNKNOWN_BITS) / max(1, sum(map(len, pieces)))


def _pieces(text: Text) -> "Iterator[str]":
    """Pieces of the text, the first at its beginning and the last at its end; all of it if it is shorter."""
    if text.characters <= PIECES * LENGTH:
        yield str(text)
        return
    for number in range(PIECES):
        first = number * (text.characters - LENGTH) // (PIECES - 1)
        yield str(text.slice(first, first + LENGTH))

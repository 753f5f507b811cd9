"""Which generated lines are new: names, for example, compared with the list that the model was trained on.

A line is repeated if the list contains it, alike if the list contains it apart from capitals, accents and spaces, and
new otherwise.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from charloom.data.text import Text
from charloom.generation.batched_generation import ROWS, Sample, write_samples
from charloom.generation.writer import Model, Writer
from charloom.settings import SamplingConfig

TRIES = 20
"""How many texts are drawn at most for each new line."""


def folded(line: str) -> str:
    """The line without capitals, accents and surrounding spaces, for finding similar ones."""
    parts = unicodedata.normalize("NFKD", line.casefold())
    return " ".join("".join(part for part in parts if not unicodedata.combining(part)).split())


class Lines:
    """A list of known lines; the empty line is always known."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.exact = frozenset(lines) | {""}
        self._folded = frozenset(map(folded, self.exact))

    @classmethod
    def of(cls, text: Text) -> "Lines":
        """The lines of a text."""
        return cls(str(text).split("\n"))

    def __len__(self) -> int:
        return len(self.exact) - 1

    def alike(self, line: str) -> bool:
        """Whether the list contains the line, or one that differs in capitals, accents and spaces only."""
        return line in self.exact or folded(line) in self._folded


@dataclass(frozen=True)
class Novelty:
    """How many lines of a list are new compared with another."""

    lines: int
    new: int
    "Neither in the list nor like a line in it."
    alike: int
    "In the list apart from capitals, accents and spaces."
    repeated: int
    "In the list exactly."
    distinct: int
    "Distinct lines."
    held_out: int
    "New lines that occur in another list, which was not trained on: real ones."
    characters: int
    "Of all lines together."

    def share(self, count: str) -> float:
        """One of the counts, as a share of the lines; 0 where there are none."""
        return float(getattr(self, count)) / max(1, self.lines)

    @cached_property
    def mean_length(self) -> float:
        """Mean characters per line; 0 for no lines."""
        return self.characters / max(1, self.lines)


def compare(lines: Sequence[str], known: Lines, held_out: Lines | None = None) -> Novelty:
    """Compare generated lines with known ones, and with held-out ones."""
    new = [line for line in lines if not known.alike(line)]
    repeated = sum(line in known.exact for line in lines)
    return Novelty(
        len(lines),
        len(new),
        len(lines) - len(new) - repeated,
        repeated,
        len(set(lines)),
        sum(line in held_out.exact for line in new) if held_out else 0,
        sum(map(len, lines)),
    )


def line_of(sample: Sample) -> str:
    """The generated line, including the part of it that the prompt gave."""
    return sample.prompt.rpartition("\n")[2] + sample.text.partition("\n")[0]


def new_samples(
    model: Model,
    prompts: Sequence[str],
    config: SamplingConfig,
    known: Lines,
    *,
    length: int,
    stop: Sequence[str] = (),
    seed: int = 0,
) -> Iterator[Sample]:
    """Generate a text with a new line for each prompt, all of them different, in the order of the prompts.

    A line that is not new is drawn again, at most `TRIES` times; a prompt that yields nothing new is left out. The
    first draw of text i has the seed `seed + i`, each further one `len(prompts)` more. Raises `SettingsError` for a
    setting outside its range, `TextError` for a prompt with an unseen character.
    """
    writer, taken = Writer.of(model), set[str]()
    for first in range(0, len(prompts), ROWS):
        places = range(first, min(first + ROWS, len(prompts)))
        fresh = dict[int, Sample]()
        for attempt in range(TRIES):
            open_ = [place for place in places if place not in fresh]
            if not open_:
                break
            written = write_samples(
                writer,
                [prompts[place] for place in open_],
                config,
                length=length,
                stop=stop,
                seeds=[seed + place + attempt * len(prompts) for place in open_],
            )
            for place, sample in zip(open_, written, strict=True):
                line = line_of(sample)
                if not known.alike(line) and (key := folded(line)) not in taken:
                    taken.add(key)
                    fresh[place] = sample
        yield from (fresh[place] for place in places if place in fresh)

"""The words of a text beside those of the training text: how many it knows, and how long they are."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from charloom.plotting import style

LONGEST = 15
"""Word lengths that are distinguished; the last one holds all longer words."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a text, in small letters: runs of letters, an apostrophe among them."""

    counts: Counter[str]

    @classmethod
    def of(cls, text: str) -> "Words":
        return cls(Counter(word.lower() for word in _WORD.findall(text)))

    @property
    def total(self) -> int:
        return self.counts.total()

    def known(self, to: "Words") -> float:
        """Share of these words that the others have, each counted as often as it occurs here; 1 without any."""
        return sum(times for word, times in self.counts.items() if word in to.counts) / (self.total or 1) or float(
            not self.total
        )

    def new(self, to: "Words", most: int) -> list[str]:
        """The commonest words that the others do not have."""
        return [word for word, _ in self.counts.most_common() if word not in to.counts][:most]

    @cached_property
    def lengths(self) -> list[float]:
        """Share of the words with 1, 2, ..., `LONGEST` and more letters."""
        made = [0.0] * LONGEST
        for word, times in self.counts.items():
            made[min(len(word), LONGEST) - 1] += times / self.total
        return made

    def apart(self, other: "Words") -> float:
        """Total variation between the lengths of both: 0 where they are the same, 1 where they share nothing."""
        return sum(abs(mine - theirs) for mine, theirs in zip(self.lengths, other.lengths, strict=True)) / 2


def draw(texts: dict[str, Words], title: str) -> bytes:
    """A PNG: how long the words of each text are."""
    picture = style.figure(7.5, 4)
    axes = style.axes(picture, title, "letters of a word", "share of the words")
    lengths = range(1, LONGEST + 1)
    for number, (name, words) in enumerate(texts.items()):
        axes.plot(
            lengths,
            words.lengths,
            color=style.COLOURS[number],
            marker=style.MARKERS[number],
            label=name,
            linestyle=("-", "--", ":")[number % 3],
        )
    axes.set_xticks(lengths, [*map(str, lengths[:-1]), f"{LONGEST}+"])
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return style.rendered(picture)

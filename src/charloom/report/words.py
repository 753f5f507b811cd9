"""The words of a text compared with those of the training text: how many are known, and how long they are."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from charloom.plotting import style

LONGEST = 15
"""Word lengths that are told apart; the last one holds all longer words."""

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a text, in lower case: runs of letters and apostrophes."""

    counts: Counter[str]

    @classmethod
    def of(cls, text: str) -> "Words":
        """The words of a text, in lower case."""
        return cls(Counter(word.lower() for word in _WORD.findall(text)))

    @property
    def total(self) -> int:
        """How many words there are, repetitions counted."""
        return self.counts.total()

    def known(self, to: "Words") -> float:
        """Share of these words that occur among the others, each counted as often as it occurs here; 1 if empty."""
        return sum(times for word, times in self.counts.items() if word in to.counts) / (self.total or 1) or float(
            not self.total
        )

    def new(self, to: "Words", most: int) -> list[str]:
        """The commonest words that do not occur among the others."""
        return [word for word, _ in self.counts.most_common() if word not in to.counts][:most]

    @cached_property
    def lengths(self) -> list[float]:
        """Shares of words with 1, 2, ..., and `LONGEST` or more letters."""
        made = [0.0] * LONGEST
        for word, times in self.counts.items():
            made[min(len(word), LONGEST) - 1] += times / self.total
        return made

    def apart(self, other: "Words") -> float:
        """Total variation distance between the word lengths: 0 for equal distributions, 1 for disjoint ones."""
        return sum(abs(mine - theirs) for mine, theirs in zip(self.lengths, other.lengths, strict=True)) / 2


def draw(texts: dict[str, Words], title: str) -> bytes:
    """A PNG: how long the words of each text are."""
    picture = style.figure(7.5, 4)
    axes = style.axes(picture, title, "letters in a word", "share of words")
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

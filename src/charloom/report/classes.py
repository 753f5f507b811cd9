"""Which characters cause the loss: by class, and by position in a word."""

import math
import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom.plotting import style
from charloom.report.predictions import END, Characters, Integers

CLASSES = ("letter", "digit", "space", "newline", "punctuation", "other", "end of text")

PLACES = 10
"""Positions in a word that are told apart; the last one holds all further ones."""


@dataclass(frozen=True)
class Group:
    """Some of the characters of a text."""

    name: str
    characters: int
    nats: float
    "Their total surprisal."
    right: int
    "How many of them were predicted as most probable."

    @property
    def nats_per_character(self) -> float:
        """Mean loss of a character of the group."""
        return self.nats / self.characters


@dataclass(frozen=True)
class Loss:
    """The surprisal of a text, split in two ways. Empty groups are absent."""

    characters: int
    nats: float
    classes: tuple[Group, ...]
    places: tuple[Group, ...]
    "By position in a word, which is a run of letters: 1 for its first letter, ..., and 10+."

    def finding(self) -> str:
        """The finding, in one sentence."""
        first = next((group for group in self.places if group.name == "1"), None)
        if first is None:
            dearest = max(self.classes, key=lambda group: group.nats)
            return f"The class {dearest.name} causes {dearest.nats / self.nats:.0%} of the loss"
        return (
            f"The first letters of words are {first.characters / self.characters:.0%} of the characters "
            f"and cause {first.nats / self.nats:.0%} of the loss"
        )


def class_of(code: int) -> str:
    """The class of a code point, by its Unicode general category."""
    if code == END:
        return "end of text"
    character = chr(code)
    if character in "\n\r\v\f\u0085\u2028\u2029":
        return "newline"
    if character == "\t":
        return "space"
    return {"L": "letter", "M": "letter", "N": "digit", "Z": "space", "P": "punctuation", "S": "punctuation"}.get(
        unicodedata.category(character)[0], "other"
    )


def classes_of(codes: Integers) -> Integers:
    """The index in `CLASSES` of each code point (n,)."""
    distinct, places = np.unique(codes, return_inverse=True)
    indices: Integers = np.array([CLASSES.index(class_of(code)) for code in distinct.tolist()], np.int64)[places]
    return indices


def runs(inside: Any) -> Integers:
    """The position (n,) of each element in its run of true ones, from 1; 0 for false ones."""
    order = np.arange(1, len(inside) + 1)
    counted: Integers = np.where(inside, order - np.maximum.accumulate(np.where(inside, 0, order)), 0)
    return counted


def loss_by_class(characters: Characters) -> Loss:
    """The surprisal of a text by class of character and by position in a word."""
    kinds = classes_of(characters.codes)
    places = np.minimum(runs(kinds == CLASSES.index("letter")), PLACES)
    names = [*map(str, range(1, PLACES)), f"{PLACES}+"]
    return Loss(
        len(characters.codes),
        float(characters.nats.sum()),
        _groups(characters, kinds, CLASSES),
        _groups(characters, places - 1, names),
    )


def draw(loss: Loss) -> bytes:
    """A PNG: a bar for each class, and for each position in a word."""
    picture = style.figure(9, 4)
    picture.suptitle(style.wrapped(loss.finding(), picture), fontsize=11)
    left, right = picture.subplots(1, 2, sharey=True, width_ratios=(1, 1.3))
    for place, groups, title in (
        (left, loss.classes, "class of character"),
        (right, loss.places, "letter of the word"),
    ):
        axes = style.axes(place, "", title, "nats per character" if place is left else "")
        bars = axes.bar(
            [group.name.replace(" of ", "\nof ") for group in groups],
            [group.nats_per_character for group in groups],
            color=style.COLOURS[0],
        )
        axes.bar_label(bars, [_share(group.nats / loss.nats) for group in groups], fontsize=8, color="0.3")
        axes.axhline(loss.nats / loss.characters, color=style.COLOURS[1], linestyle="--", linewidth=1)
        axes.grid(axis="x", visible=False)
        axes.tick_params(axis="x", labelsize=8, rotation=30 if place is left else 0)
    left.text(
        0.98,
        0.97,
        "-- all characters",
        transform=left.transAxes,
        ha="right",
        va="top",
        color=style.COLOURS[1],
        fontsize=9,
    )
    picture.supxlabel("above each bar: its share of the total loss", fontsize=8)
    return style.rendered(picture)


def rows(loss: Loss) -> list[list[str]]:
    """The figures as table rows."""
    named = [(group, group.name) for group in loss.classes]
    named += [(group, f"letter {group.name} of a word") for group in loss.places]
    return [
        [
            name,
            f"{group.characters:,}",
            f"{group.nats_per_character:.3f}",
            f"{group.nats_per_character / math.log(2):.3f}",
            f"{group.right / group.characters:.1%}",
            f"{group.nats / loss.nats:.1%}",
        ]
        for group, name in named
    ]


COLUMNS = ("", "characters", "nats each", "bits each", "most probable was right", "share of the loss")


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "<1%"


def _groups(characters: Characters, keys: Integers, names: Any) -> tuple[Group, ...]:
    kept = keys >= 0
    counts, nats, right = (
        np.bincount(keys[kept], weights, len(names))
        for weights in (None, characters.nats[kept], characters.right[kept])
    )
    return tuple(
        Group(name, int(counts[key]), float(nats[key]), int(right[key]))
        for key, name in enumerate(names)
        if counts[key]
    )

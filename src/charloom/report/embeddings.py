"""A map of the characters: the first layer's input for each, projected onto the two directions of most variance."""

import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.models.model_folder import ModelArrays
from charloom.plotting import style
from charloom.plotting.heat_map import glyph
from charloom.report.classes import class_of

MOST = 100
"""Number of characters in the picture."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Characters and their places in a plane."""

    characters: tuple[str, ...]
    places: NDArray[np.float64]
    "(n, 2)"
    share: float
    "Share of the variance explained by the plane."
    pairs: tuple[tuple[int, int, float], ...]
    "Pairs of characters that are each other's nearest, with their cosine, closest first."

    def finding(self) -> str:
        """The finding, in one sentence."""
        names = [
            f"{glyph(self.characters[one])} and {glyph(self.characters[other])}" for one, other, _ in self.pairs[:3]
        ]
        return f"Most alike to the first layer: {'; '.join(names)}"


def plane(model: ModelArrays, chosen: NDArray[np.int64]) -> Plane:
    """The characters with these ids (n,) in the plane of their principal components: W_xh e, for all gates."""
    weights = model.weights
    vectors = weights["layers.0.weight_ih_l0"].T.astype(np.float64)
    if "embedding.weight" in weights:
        vectors = weights["embedding.weight"].astype(np.float64) @ vectors
    known = vectors[chosen]
    directions = known / np.maximum(np.linalg.norm(known, axis=1, keepdims=True), 1e-12)
    cosines = directions @ directions.T
    np.fill_diagonal(cosines, -2)
    nearest = cosines.argmax(1)
    pairs = [(place, int(other), float(cosines[place, other])) for place, other in enumerate(nearest) if place < other]
    pairs = [pair for pair in pairs if nearest[pair[1]] == pair[0]]
    names = tuple(model.vocabulary.symbol(symbol) for symbol in chosen.tolist())
    moved, sizes, _ = np.linalg.svd(known - known.mean(0), full_matrices=False)
    share = float((sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-12))
    return Plane(names, moved[:, :2] * sizes[:2], share, tuple(sorted(pairs, key=lambda pair: -pair[2])))


def draw(plane: Plane) -> bytes:
    """A PNG: the characters in the plane, a colour for each class, nearest pairs joined by a line."""
    picture = style.figure(9, 7)
    across = "first principal component"
    axes = style.axes(picture, plane.finding(), across, "second principal component")
    for one, other, _ in plane.pairs:
        axes.plot(*plane.places[[one, other]].T, color="0.8", linewidth=1, zorder=0)
    kinds = [_kind(character) for character in plane.characters]
    for number, kind in enumerate(sorted(set(kinds))):
        here = [place for place, other in enumerate(kinds) if other == kind]
        colour = style.COLOURS[number % len(style.COLOURS)]
        marker = style.MARKERS[number % len(style.MARKERS)]
        axes.scatter(*plane.places[here].T, s=12, color=colour, label=kind, alpha=0.35, marker=marker)
        for place in here:
            axes.annotate(
                glyph(plane.characters[place]),
                plane.places[place],
                (3, 2),
                textcoords="offset points",
                color=colour,
                family="DejaVu Sans Mono",
                fontsize=11,
                parse_math=False,
            )
    axes.legend(frameon=False, fontsize=8)
    axes.set_xlabel(
        f"{across}; both explain {plane.share:.0%} of the variance; lines: each other's nearest in all of it"
    )
    return style.rendered(picture)


def _kind(character: str) -> str:
    if len(character) > 1:
        return "byte"
    if unicodedata.normalize("NFD", character)[0] in "aeiouy":
        return "small vowel"
    kind = class_of(ord(character))
    return (
        "capital letter" if kind == "letter" and character.isupper() else "consonant" if character.islower() else kind
    )

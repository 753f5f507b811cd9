"""Two lists of figures made in pairs: how far apart they are, and whether chance alone would explain it.

The mean difference of the pairs has a margin: its standard error times Student's t for 95 %. Where the difference is no
larger than its margin, the two lists cannot be told apart.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from charloom.errors import CharloomError

_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""Student's t for a margin of 95 %, for 1 to 10 degrees of freedom."""

_Z = 1.959964
"""Its limit for many."""


@dataclass(frozen=True)
class Difference:
    """How much higher the first of two lists of figures is than the second, on average over the pairs."""

    mean: float
    margin: float
    "Student's t for 95 % times the standard error of `mean`."
    spread: float
    "The standard deviation of the pairs' differences."
    pairs: int

    @property
    def clear(self) -> bool:
        """Whether the difference is larger than its margin."""
        return abs(self.mean) > self.margin

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ± {self.margin:.3f}"

    def figures(self, unit: str = "nats", digits: int = 3) -> str:
        """Difference, margin, spread and number of pairs in words."""
        return (
            f"{self.mean:+.{digits}f} ± {self.margin:.{digits}f}{' ' * bool(unit)}{unit}; "
            f"{self.pairs} pairs with a spread of {self.spread:.{digits}f}"
        )

    def sentence(self, higher: str, lower: str, both: str, unit: str = "nats", digits: int = 3) -> str:
        """What can be said, with its figures: `higher` if the first list is clearly higher, `lower` if it is clearly
        lower, else that `both`, which names the two, cannot be told apart."""
        if not self.clear:
            return f"{both} cannot be told apart ({self.figures(unit, digits)})"
        return f"{higher if self.mean > 0 else lower} ({self.figures(unit, digits)})"


def paired(ones: npt.ArrayLike, others: npt.ArrayLike) -> Difference:
    """The difference between two lists of figures, pair by pair.

    A pair shares all but what is compared: its seed, or the part of a text on which both were measured. The lists have
    a figure for each pair, or are arrays (seeds, parts); then chance is in both, and the larger of the two margins
    counts. `others` may be a single figure, or one for each part. Raises `CharloomError` for fewer than two pairs,
    lists that do not fit together, and figures that are not finite.
    """
    try:
        differences = np.asarray(ones, float) - np.asarray(others, float)
    except ValueError as error:
        raise CharloomError(f"the figures do not form pairs: {error}") from None
    if differences.ndim not in (1, 2) or min(differences.shape) < 2:
        raise CharloomError(f"figures of shape {differences.shape} do not form pairs; there must be two pairs or more")
    if not np.isfinite(differences).all():
        raise CharloomError("a figure is not finite, so its pair has no difference")
    over = [differences] if differences.ndim == 1 else [differences.mean(axis) for axis in (0, 1)]
    return max((_difference(each) for each in over), key=lambda found: found.margin)


def students_t(pairs: int) -> float:
    """The factor from a standard error to a margin of 95 %, by the number of pairs, two or more."""
    freedom = pairs - 1
    if freedom <= len(_T):
        return _T[freedom - 1]
    first = (_Z**3 + _Z) / 4
    second = (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96
    third = (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384
    return _Z + first / freedom + second / freedom**2 + third / freedom**3  # Cornish and Fisher 1937


def _difference(differences: "np.ndarray[Any, np.dtype[np.float64]]") -> Difference:
    pairs, spread = len(differences), float(differences.std(ddof=1))
    return Difference(float(differences.mean()), students_t(pairs) * spread / math.sqrt(pairs), spread, pairs)

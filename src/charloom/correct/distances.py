"""How far words are from each other: optimal string alignment, by rapidfuzz if it is installed, otherwise by numpy.

The distance is the number of letters to add, leave out or replace, and of neighbours to exchange, if no letter takes
part in two of these.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.integer]


class Distances:
    """Words of one length, to be compared with others. rapidfuzz is several times as fast."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = list(words)
        try:
            from rapidfuzz import process
            from rapidfuzz.distance import OSA
        except ImportError:
            data = "".join(self.words).encode("utf-32-le", "surrogatepass")
            self._codes = np.frombuffer(data, np.uint32).reshape(len(self.words), -1)
            self._cdist = None
        else:
            self._cdist, self._scorer = process.cdist, OSA.distance

    def to(self, word: str, most: int) -> Counts:
        """The distance (N,) of each word to `word`; if it is more than `most`, any number above that."""
        if self._cdist is None:
            return distances(word, self._codes)
        row: Counts = self._cdist([word], self.words, scorer=self._scorer, score_cutoff=most)[0]
        return row


def distances(word: str, words: NDArray[np.uint32]) -> Counts:
    """The distances (N,) of N words, given as code points (N, L), to `word`: row by row, for all words together."""
    places = np.arange(words.shape[1] + 1, dtype=np.int16)
    before = row = np.broadcast_to(places, (len(words), len(places)))
    for number, letter in enumerate(map(ord, word)):
        same = words == letter
        new = row + np.int16(1)
        np.minimum(new[:, 1:], row[:, :-1] + ~same, out=new[:, 1:])
        if number:
            exchanged = same[:, :-1] & (words[:, 1:] == ord(word[number - 1]))
            np.minimum(new[:, 2:], before[:, :-2] + 1, out=new[:, 2:], where=exchanged)
        new = np.minimum.accumulate(new - places, axis=1) + places  # letters that are added
        before, row = row, new
    return row[:, -1]

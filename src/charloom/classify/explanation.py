"""Explains why a text was given its class: how the decision changes when a character is unknown.

Occlusion (Zeiler and Fergus 2014, arXiv 1311.2901): each character in turn is replaced by the unknown symbol of its
block; the change in the log-odds of the class is the character's share. These are inputs that the classifier was
trained for, because training makes characters unknown in the same way.
"""

import math
from dataclasses import dataclass

import numpy as np

from charloom.classify.model import Classifier, softmax
from charloom.errors import SettingsError, TextError, did_you_mean

LONGEST = 2_000
"""The most characters of a text to explain, because each costs a reading of the text."""


@dataclass(frozen=True)
class Explanation:
    """A decision, and the share of each character in it."""

    text: str
    label: str
    probability: float
    shares: tuple[float, ...]
    "Bits by which the log-odds of the class fall if a character is unknown; below 0 it speaks against the class."


def explain(classifier: Classifier, text: str, *, label: str | None = None) -> Explanation:
    """Explain which characters of `text` speak for its most probable class, or for `label`.

    Raises `TextError` for a text beyond 2,000 characters, `SettingsError` for a label that the classifier does not
    know.
    """
    if len(text) > LONGEST:
        raise TextError(
            f"the text has {len(text):,} characters; an explanation takes at most {LONGEST:,}, so give a part of it"
        )
    if label is not None and label not in classifier.classes:
        raise SettingsError(f"this classifier has no class {label!r}{did_you_mean(label, classifier.classes[:40])}")
    probabilities = classifier.probabilities([text])[0]
    place = int(probabilities.argmax()) if label is None else classifier.classes.index(label)
    whole = classifier.table.encode(text)
    rows = np.tile(whole, (len(whole), 1))
    diagonal = np.arange(len(whole))
    rows[diagonal, diagonal] = classifier.table.unknown[whole]
    logits = classifier.logits_of([whole, *rows]) / classifier.temperature
    probability = softmax(logits)[:, place]
    odds = np.log(np.maximum(probability, 1e-300)) - np.log(np.maximum(1 - probability, 1e-300))
    shares = (odds[0] - odds[1:]) / math.log(2)
    return Explanation(text, classifier.classes[place], float(probabilities[place]), tuple(shares.tolist()))

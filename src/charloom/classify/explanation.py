"""Why a text was taken for its class: what happens to the decision when a character is not known.

Occlusion (Zeiler and Fergus 2014, arXiv 1311.2901): each character in turn is replaced by the unknown symbol of its block, and
the change of the class's log-odds is what the character said for it. It asks the classifier itself, on texts that it could meet:
training makes characters unknown in the same way.
"""

import math
from dataclasses import dataclass

import numpy as np

from charloom.classify.model import Classifier, softmax
from charloom.errors import SettingsError, TextError, did_you_mean

LONGEST = 2_000
"""Characters of a text that is explained at most: each costs a reading of the text."""


@dataclass(frozen=True)
class Explanation:
    """A decision, and what each character said for it."""

    text: str
    label: str
    probability: float
    shares: tuple[float, ...]
    "For each character, by how many bits the log-odds of the class fall when it is not known; below 0 it spoke against it."


def explain(classifier: Classifier, text: str, *, label: str | None = None) -> Explanation:
    """Why `text` was taken for its most probable class, or what in it speaks for `label`.

    Raises `TextError` for a text beyond 2,000 characters, `SettingsError` for a label that the classifier does not know.
    """
    if len(text) > LONGEST:
        raise TextError(
            f"the text has {len(text):,} characters; an explanation takes at most {LONGEST:,}, so give a part of it"
        )
    if label is not None and label not in classifier.classes:
        raise SettingsError(f"this classifier knows no class {label!r}{did_you_mean(label, classifier.classes[:40])}")
    probabilities = classifier.probabilities([text])[0]
    place = int(probabilities.argmax()) if label is None else classifier.classes.index(label)
    whole = classifier.table.encode(text)
    rows = np.tile(whole, (len(whole), 1))
    diagonal = np.arange(len(whole))
    rows[diagonal, diagonal] = classifier.table.unknown[whole]
    logits = classifier.logits_of([whole, *rows]) / float(classifier.network.temperature)
    found = softmax(logits)[:, place]
    odds = np.log(np.maximum(found, 1e-300)) - np.log(np.maximum(1 - found, 1e-300))
    shares = (odds[0] - odds[1:]) / math.log(2)
    return Explanation(text, classifier.classes[place], float(probabilities[place]), tuple(shares.tolist()))

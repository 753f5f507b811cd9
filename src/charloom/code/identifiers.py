"""Completion of identifiers: the model's own suggestions together with the names that the file uses.

A character model knows how people name things but forgets the names of this file after some hundred characters. A count
of the file's names remembers them but knows nothing else. The two are mixed as probabilities of whole words w:

    P(w | typed) = (1 - m) P_model(w) + m P_file(w), divided by the same sum for what was typed of w

P_model is the probability of `charloom.complete.completer`: exactly these characters and then an end. P_file counts the
names so far, each occurrence 0.995 times as much as the next one; half of it is the share among names after the same
object (`self.`), half the share among names after any dot, or after none. So the completions exclude each other, and
their probabilities add up to at most 1.
"""

import copy
import math
from collections import defaultdict

from charloom.code.names import names_in
from charloom.complete.completer import Completer, Completion, check_number
from charloom.generation.writer import Model

MIXTURE = 0.5
"""m: the weight of the file's names before any letter of the identifier is typed."""

DECAY = 0.995

_KNOWN = 40
"""How many names of the file are considered, those with the largest share first."""


class FileNames:
    """P_file: the shares of the names in a growing text."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, float]] = defaultdict(dict)
        self._scale, self._totals = 1.0, defaultdict[str, float](float)

    def add(self, name: str, before: str) -> None:
        """Count a name; `before`: the object before its dot. Earlier names count a little less from now on."""
        self._scale /= DECAY
        for key in {before, _kind(before)}:
            counts = self._counts[key]
            counts[name] = counts.get(name, 0.0) + self._scale
            self._totals[key] += self._scale
        if self._scale > 1e200:
            self._rescale()

    def shares(self, before: str, typed: str = "") -> dict[str, float]:
        """The share of each name after `before` that begins with `typed`; all shares add up to at most 1."""
        keys = [key for key in (before, _kind(before)) if self._totals.get(key)]
        shares: dict[str, float] = {}
        for key in keys:
            for name, count in self._counts[key].items():
                if name.startswith(typed):
                    shares[name] = shares.get(name, 0.0) + count / self._totals[key] / len(keys)
        return shares

    def _rescale(self) -> None:
        for counts in self._counts.values():
            for name in counts:
                counts[name] /= self._scale
        for key in self._totals:
            self._totals[key] /= self._scale
        self._scale = 1.0


def _kind(before: str) -> str:
    return "any dot" if before else "no dot"


class IdentifierCompleter:
    """Completes the identifier at the end of a Python text; `type` returns the completer after further keystrokes.

    Only names in the text before the identifier count.
    """

    def __init__(self, model: Model, text: str, *, mixture: float = MIXTURE) -> None:
        """Raises `TextError` for a character that the model does not know."""
        self._mixture = mixture
        begun = Completer.begun_in(text, "identifier")
        before = text[: len(text) - len(begun)]
        self.file = FileNames()
        for name in names_in(before):
            self.file.add(name.text, name.before)
        self.before, self.begun = _behind(before), ""
        self._here, self._nats = Completer(model, "", unit="identifier").type(before), 0.0
        self._take(begun)

    def type(self, keys: str) -> "IdentifierCompleter":
        """The completer after further letters of the same identifier; this one does not change."""
        later = copy.copy(self)
        later._take(keys)
        return later

    def _take(self, keys: str) -> None:
        if keys:
            self._nats += self._here.surprise(keys)
            self._here = self._here.type(keys)
            self.begun += keys

    def suggest(self, suggestions: int = 5) -> list[Completion]:
        """The most probable ways to finish the identifier, at most `suggestions`, the most probable first.

        Raises `SettingsError` for a number of suggestions outside its range.
        """
        check_number(suggestions)
        expected = self.file.shares(self.before)
        mixture = self._mixture if expected else 0.0
        shares = {name: share for name, share in expected.items() if name.startswith(self.begun)}
        known = sorted(shares, key=lambda name: -shares[name])[:_KNOWN]
        rests = {name[len(self.begun) :] for name in known} - {""}
        model = {each.text: each.nats for each in self._here.suggest(max(suggestions, 5)) if each.ends}
        left = sorted(rests - model.keys())
        model |= dict(zip(left, self._here.nats(left).tolist(), strict=True))
        begun = math.exp(-self._nats)
        total = (1 - mixture) * begun + mixture * sum(shares.values())
        completions = []
        for rest, nats in model.items():
            share = shares.get(self.begun + rest, 0.0)
            probability = ((1 - mixture) * begun * math.exp(-nats) + mixture * share) / total if total > 0 else 0.0
            if probability > 0:
                completions.append(Completion(rest, -math.log(probability), True))
        return sorted(completions, key=lambda each: (each.nats, each.text))[:suggestions]


def _behind(text: str) -> str:
    """The `before` of a name that would follow the text."""
    last_line = text[text.rfind("\n", 0, max(0, len(text) - 1)) + 1 :]
    known = list(names_in(last_line + "x"))
    return known[-1].before if known else ""

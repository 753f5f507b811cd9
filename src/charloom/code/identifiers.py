"""Completion of identifiers: what the model would write, together with the names that the file uses.

A model of characters knows how people name things, and forgets the names of this file after some hundred characters. A
count of the file's names remembers them, and knows nothing else. The two are mixed as probabilities of whole words w:

    P(w | typed) = (1 - m) P_model(w) + m P_file(w), divided by the same sum for what was typed of w

P_model is that of `charloom.complete.completer`: exactly these characters and then an end. P_file counts the names
before this place, each occurrence 0.995 times as much as the next one, by half those behind the same object (`self.`),
by half those behind a dot, or without one, as here. So the completions exclude each other, and their probabilities add
up to 1 at most.
"""

import math
from collections import defaultdict

from charloom.code.names import names
from charloom.complete.completer import Completer, Completion, check_number
from charloom.generation.writer import Model

MIXTURE = 0.5
"""m: how much of the probability the file's names have, before anything of the identifier is typed."""

DECAY = 0.995

_KNOWN = 40
"""Names of the file that are considered, those with the greatest share first."""


class FileNames:
    """P_file: the shares of the names in a text that grows."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, float]] = defaultdict(dict)
        self._scale, self._totals = 1.0, defaultdict[str, float](float)

    def add(self, name: str, before: str) -> None:
        """Count a name, with what stands before its dot; those before it count a little less from now on."""
        self._scale /= DECAY
        for key in {before, _kind(before)}:
            counts = self._counts[key]
            counts[name] = counts.get(name, 0.0) + self._scale
            self._totals[key] += self._scale
        if self._scale > 1e200:
            self._rescale()

    def shares(self, before: str, typed: str = "") -> dict[str, float]:
        """The share of each name that begins with what was typed, behind this; all names together have at most 1."""
        keys = [key for key in (before, _kind(before)) if self._totals.get(key)]
        found: dict[str, float] = {}
        for key in keys:
            for name, count in self._counts[key].items():
                if name.startswith(typed):
                    found[name] = found.get(name, 0.0) + count / self._totals[key] / len(keys)
        return found

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
    """A Python text up to the cursor: what the identifier there may become.

    `type` gives that of some keys later; the names are those of the text before.
    """

    def __init__(self, model: Model, text: str, *, mixture: float = MIXTURE) -> None:
        """Raises `TextError` for a character that the model does not know."""
        self._mixture = mixture
        begun = Completer.begun_in(text, "identifier")
        before = text[: len(text) - len(begun)]
        self.file = FileNames()
        for name in names(before):
            self.file.add(name.text, name.before)
        self.before, self.begun = _behind(before), ""
        self._here, self._nats = Completer(model, "", unit="identifier").type(before), 0.0
        self._take(begun)

    def type(self, keys: str) -> "IdentifierCompleter":
        """The completer after further letters of the same identifier."""
        made = object.__new__(IdentifierCompleter)
        made.__dict__.update(self.__dict__)
        made._take(keys)
        return made

    def _take(self, keys: str) -> None:
        if keys:
            self._nats += self._here.surprise(keys)
            self._here = self._here.type(keys)
            self.begun += keys

    def suggest(self, suggestions: int = 5) -> list[Completion]:
        """The most probable ways to finish the identifier, each with what is to be added, at most `suggestions`.

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
        found = []
        for rest, nats in model.items():
            share = shares.get(self.begun + rest, 0.0)
            probability = ((1 - mixture) * begun * math.exp(-nats) + mixture * share) / total if total > 0 else 0.0
            if probability > 0:
                found.append(Completion(rest, -math.log(probability), True))
        return sorted(found, key=lambda each: (each.nats, each.text))[:suggestions]


def _behind(text: str) -> str:
    """What `names` would say of a name that followed."""
    found = list(names(text[text.rfind("\n", 0, max(0, len(text) - 1)) + 1 :] + "x"))
    return found[-1].before if found else ""

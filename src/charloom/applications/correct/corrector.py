"""Which words of a text were meant otherwise: candidates, their probabilities, and a decision for each word.

What is compared is the surprisal of a candidate and of the characters that follow it, after the (corrected) text before, plus
what the slip costs; for the word as it was typed, a belief that it is right takes the slip's place. A word that is known is
believed unless `aggressive`; one that is not known may be a name or a term.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.applications.correct.context import Context
from charloom.applications.correct.edits import ErrorModel
from charloom.applications.correct.lexicon import Lexicon, plain
from charloom.applications.correct.own_edits import own_edits
from charloom.applications.correct.spans import Span, begins_sentence, like, spans
from charloom.errors import SettingsError
from charloom.stepping import Arrays
from charloom.writer import Model

_NEAR, _LISTED, _KNOWN, _PAIRS, _OWN = 60, 12, 8, 2, 6
"""Candidates: near words that the error model sees; of those the model sees, for an unknown and for a known word; two words
run together; edits of the word itself."""

_SOON, _HOPELESS = 6, 12.0
"""Characters behind a word that are looked at first, and nats by which a candidate may then be behind the best."""

_USUAL = 6.0
"""Nats below which a known word is not looked at, in aggressive correction."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Beliefs:
    """What else is known of words beside their letters, in nats."""

    unknown: float = -2.0
    "For an unknown word; below 0 that it is wrong."
    name: float = 5.0
    "More, for an unknown word with a capital within a sentence."
    repeated: float = 1.0
    "For each further time that an unknown word stands in the text, up to three: some slips are habits."
    known: float = 5.0
    "For a known word, in aggressive correction."
    unlisted: float = 4.0
    "Against a candidate that is in no list."
    frequency: float = 0.2
    "Weight of the surprisal of a candidate as a word that stands alone."
    model: float = 1.0
    "Weight of the character model's surprisal."


@dataclass(frozen=True)
class Candidate:
    """A word that may have been meant."""

    word: str
    probability: float
    "Among the candidates, the word as it was typed included."
    reason: str
    "The slips that lead to what was typed; empty for the word itself."


@dataclass(frozen=True)
class Change:
    """A word that was corrected."""

    start: int
    "Its place in the original text, in characters."
    before: str
    after: str
    before_probability: float
    after_probability: float
    reason: str


class Corrector:
    """A model, the words that are known, and how words come to be misspelt."""

    def __init__(
        self,
        model: Model,
        lexicon: Lexicon,
        *,
        errors: ErrorModel | None = None,
        beliefs: Beliefs = Beliefs(),
        aggressive: bool = False,
        confidence: float = 0.5,
        following: int = 24,
    ) -> None:
        """`confidence`: probability that a correction needs; `following`: characters behind a word that have a say.

        Raises `SettingsError` for a confidence outside 0 to 1.
        """
        if not 0 <= confidence <= 1:
            raise SettingsError(f"confidence is {confidence}; it must be at least 0 and at most 1")
        self.context, self.lexicon, self.errors = Context(model), lexicon, errors or ErrorModel()
        self.beliefs, self.aggressive, self.confidence = beliefs, aggressive, confidence
        self.following = following

    def correct(self, text: str) -> tuple[str, list[Change]]:
        """The corrected text, and what was changed in it, in order."""
        changes = list(self.changes(text))
        return apply(text, changes), changes

    def changes(self, text: str) -> Iterator[Change]:
        """What is to be changed in a text, in order, each as soon as it is found."""
        times = Counter(plain(span.word) for span in spans(text))
        state, unread, place = self.context.begin(), "", 0
        for span in spans(text):
            known = span.word in self.lexicon
            if (known and not self.aggressive) or not self._can_be_judged(span):
                continue
            unread += text[place : span.start]
            place = span.start
            state, unread = self.context.read(self.context.legible(unread), state), ""
            if known and self._is_usual(span.word, state):
                continue
            after = text[span.end : span.end + self.following]
            belief = self._belief(text, span, times[plain(span.word)], known)
            found = self.candidates(span.word, after, state, belief=belief, known=known)
            best = found[0]
            if best.reason and best.probability >= self.confidence:
                typed = next(each.probability for each in found if not each.reason)
                why = "not usual here" if known else "unknown word"
                yield Change(span.start, span.word, best.word, typed, best.probability, f"{why}: {best.reason}")
                unread, place = best.word, span.end

    def candidates(
        self, word: str, after: str, state: Arrays, *, belief: float = 0.0, known: bool = False
    ) -> list[Candidate]:
        """What may have been meant by a word between a state and what follows, the most probable first; itself is among them."""
        slips = dict[str, tuple[float, str]]()
        for other in self._others(word, state, known):
            found = self.errors.slips(other, word)
            if found is not None and found.kinds and self.context.knows(other):
                unlisted = 0.0 if " " in other or other in self.lexicon else self.beliefs.unlisted
                slips[other] = found.nats + unlisted + self.beliefs.frequency * self.lexicon.nats(other), found.reason
        words, own = [word, *slips], self.beliefs.frequency * self.lexicon.nats(word) - belief
        alone = np.array([own, *(cost for cost, _ in slips.values())])
        nats = alone + self._nats_in_context(words, alone, self.context.legible(after), state)
        shares = np.exp(nats.min() - nats)
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable").tolist()
        reasons = ["", *(reason for _, reason in slips.values())]
        return [Candidate(words[at], float(shares[at]), reasons[at]) for at in order]

    def _nats_in_context(self, words: list[str], alone: Floats, behind: str, state: Arrays) -> Floats:
        """Surprisal (B,) of words and what is behind them, weighed; looked at to the end for those alone that can still win.

        For the others the end is taken to cost what it costs the best.
        """
        soon = self.context.nats(state, [word + behind[:_SOON] for word in words])
        total = alone + self.beliefs.model * soon
        kept = np.flatnonzero(total <= total.min() + _HOPELESS)
        if len(kept) > 1 and len(behind) > _SOON:
            whole = self.context.nats(state, [words[place] + behind for place in kept])
            best = int(np.argmin(total[kept]))
            soon += whole[best] - soon[kept[best]]
            soon[kept] = whole
        return self.beliefs.model * soon

    def _others(self, word: str, state: Arrays, known: bool) -> list[str]:
        """Candidates with the capitals and apostrophes of the word: near ones, pairs of words, and edits of the word itself."""
        distance = 1 if known or len(word) <= 3 else 2
        near = self.lexicon.near(word, distance, most=_NEAR)
        costs = dict[str, float]()
        for each in near:
            slips = self.errors.slips(each, word)
            if slips is not None:
                costs[each] = slips.nats + self.lexicon.nats(each)
        listed = sorted(costs, key=lambda each: costs[each])[: _KNOWN if known else _LISTED]
        if known:
            return [like(each, word) for each in listed]
        split = sorted(self.lexicon.pairs(word), key=lambda pair: sum(map(self.lexicon.nats, pair.split())))[:_PAIRS]
        own = own_edits(self.context, state, word, self.errors, most=_OWN)
        return list(dict.fromkeys([*(like(each, word) for each in [*listed, *split]), *own]))

    def _is_usual(self, word: str, state: Arrays) -> bool:
        """Whether a known word surprises so little that nothing else can have been meant."""
        return float(self.context.nats(state, [word])[0]) < _USUAL

    def _can_be_judged(self, span: Span) -> bool:
        """Not single letters, words with characters that the model does not know, and short words in capitals: acronyms."""
        word = span.word
        return len(word) > 1 and self.context.knows(word) and not (word.isupper() and len(word) < 6)

    def _belief(self, text: str, span: Span, times: int, known: bool) -> float:
        """Nats by which it is more probable that the word is right than its letters say."""
        if known:
            return self.beliefs.known
        belief = self.beliefs.unknown + self.beliefs.repeated * min(times - 1, 3)
        if span.word[0].isupper() and not begins_sentence(text, span.start):
            belief += self.beliefs.name
        return belief


def apply(text: str, changes: list[Change]) -> str:
    """The text with its changes made."""
    parts, place = list[str](), 0
    for change in changes:
        assert text.startswith(change.before, change.start)
        parts += text[place : change.start], change.after
        place = change.start + len(change.before)
    return "".join([*parts, text[place:]])

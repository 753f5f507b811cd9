"""Which words of a text were meant otherwise: candidates, their probabilities, and a decision for each word.

Each unknown word is compared with known ones that slips lead from: the surprisal of a candidate and of the characters
that follow it, after the (corrected) text before, the slips, and what else tells slips from rare words. The weights are
those of a conditional logit (McFadden 1974) fitted on prose with slips, so the probabilities are calibrated for a text
in which one word in twenty is a slip. How many are in the text at hand the text itself says: its share of slips is the
one under which the text is most probable (Saerens, Latinne and Decaestecker 2002), so that what would be changed in a
careless text may stay in a clean one.

A word that is known is believed unless `aggressive`.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from charloom.correct.context import Context
from charloom.correct.edits import ErrorModel
from charloom.correct.english import is_form
from charloom.correct.lexicon import Lexicon, plain
from charloom.correct.spans import Span, begins_sentence, like, spans
from charloom.errors import SettingsError
from charloom.generation.writer import Model
from charloom.models.state import Arrays

_NEAR, _LISTED, _KNOWN, _PAIRS = 60, 12, 8, 2
"""Candidates: near words that the error model sees; of those the model sees, for an unknown and for a known word; two
words run together."""

_SOON, _HOPELESS = 6, 12.0
"""Characters after a word that are scored first, and nats by which a candidate may then trail the best."""

_USUAL = 6.0
"""Nats below which a known word is not examined, in aggressive correction."""

_NEIGHBOURS, _FOREIGN = 4, 0.375
"""Words before and after an unknown one, and the share of them that are unknown too where it is taken for another
language."""

SLIPS = 0.05
"""Share of slips among the words of the texts on which the weights were fitted."""

_SUPPOSED, _WORDS = 0.025, 100
"""Share of slips that a text is supposed to have before it is seen, and for how many of its words that counts."""

_UNSEEN = 0.0088
"""Share of new words in the text whose lexicon the weights were fitted with; where more are new, more of them are
right."""

_CLIPPED = re.compile(r"[a-rt-z]['’] [a-z]|\s['’][a-z]{1,5}\b(?!['’])")
_SPEECH = 200
"""A clipped word (not the genitive of a plural), and characters around a word in which one is looked for."""

_LANGUAGE, _FEW = 1 / 3, 4
"""Share of the words of a line that must be known for it to be of the language at all, and words from which that is
asked."""

_FIRST = "the first letter"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Beliefs:
    """Weights, in nats: of the evidence for a candidate, and what is believed of an unknown word; fitted (decision 82)."""

    word: float = 0.36
    """Weight of the character model's surprisal of a word; far below 1, because a model is too sure that it knows all
    words."""
    following: float = 0.66
    "Weight of its surprisal of the characters that follow."
    slip: float = 0.71
    "Weight of the costs of slips."
    further: float = 3.5
    "Against a candidate, for each slip beyond the first."
    pair: float = 1.9
    "Against two words run together."
    frequency: float = 0.27
    "Weight of the surprisal of a candidate as a word that stands alone."
    capital: float = 1.5
    "Weight of the surprisal of a capital, for a candidate where a capital within a sentence was typed."
    right: float = -6.2
    "For an unknown word; below 0 that it is wrong."
    letter: float = -0.35
    "The same for each of its letters, up to nine: long words are not near to others by chance."
    name: float = 2.8
    "For one with a capital within a sentence."
    beginning: float = 2.9
    "For one with a capital at the beginning of a sentence."
    repeated: float = 3.2
    "For each further time that it stands in the text, up to three."
    foreign: float = 1.5
    "For one among other unknown words."
    dialect: float = 3.0
    "For one near words that are clipped with an apostrophe (huntin' an' fishin'): such speech is spelt as it sounds."


KNOWN = Beliefs(
    word=1.0, following=1.0, slip=1.0, further=0.0, pair=0.0, frequency=0.2, capital=0.0, right=5.0, letter=0.0
)  # fmt: skip
"""What is believed of a known word, in aggressive correction."""


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


@dataclass(frozen=True)
class _Judged:
    """A word of a text and what may have been meant by it."""

    span: Span
    known: bool
    candidates: list[Candidate]
    "In a text with the supposed share of slips."


class Corrector:
    """A model, the known words, and how words are misspelt."""

    def __init__(
        self,
        model: Model,
        lexicon: Lexicon,
        *,
        errors: ErrorModel | None = None,
        beliefs: Beliefs = Beliefs(),
        known: Beliefs = KNOWN,
        aggressive: bool = False,
        confidence: float = 0.5,
        following: int = 24,
    ) -> None:
        """`beliefs` of unknown words and, where `aggressive`, of `known` ones; `confidence`: probability that a
        correction needs; `following`: characters behind a word that have a say.

        Raises `SettingsError` for a confidence outside 0 to 1.
        """
        if not 0 <= confidence <= 1:
            raise SettingsError(f"confidence is {confidence}; it must be at least 0 and at most 1")
        self.context, self.lexicon, self.errors = Context(model), lexicon, errors or ErrorModel()
        self.beliefs, self.known = beliefs, known
        self.aggressive, self.confidence, self.following = aggressive, confidence, following

    def correct(self, text: str) -> tuple[str, list[Change]]:
        """The corrected text, and what was changed in it, in order."""
        changes = self.changes(text)
        return apply(text, changes), changes

    def changes(self, text: str) -> list[Change]:
        """What is to be changed in a text, in order."""
        words = list(spans(text))
        judged = list(self._judged(text, words))
        odds = slip_odds([_wrong(each.candidates) for each in judged if not each.known], len(words))
        found = list[Change]()
        for each in judged:
            candidates = each.candidates if each.known else _with_odds(each.candidates, odds)
            best = candidates[0]
            if best.reason and best.probability >= self.confidence:
                typed = next(other.probability for other in candidates if not other.reason)
                why = "not usual here" if each.known else "unknown word"
                reason = f"{why}: {best.reason}"
                found.append(Change(each.span.start, each.span.word, best.word, typed, best.probability, reason))
        return found

    def _judged(self, text: str, words: list[Span]) -> Iterator[_Judged]:
        """Words with their candidates in the context of the text before them, in which the likeliest changes are made."""
        times = Counter(plain(span.word) for span in words)
        known = [span.word in self.lexicon for span in words]
        foreign = _foreign_lines(text, words, known)
        state, unread, place = self.context.begin(), "", 0
        for number, span in enumerate(words):
            if number in foreign or (known[number] and not self.aggressive):
                continue
            if not self._can_be_judged(text, span, known[number]):
                continue
            unread += text[place : span.start]
            place = span.start
            state, unread = self.context.read(self.context.legible(unread), state), ""
            if known[number] and self._is_usual(span.word, state):
                continue
            belief = self.known.right
            if not known[number]:
                around = known[max(0, number - _NEIGHBOURS) : number + _NEIGHBOURS + 1]
                unknown = around.count(False) - 1 >= _FOREIGN * 2 * _NEIGHBOURS
                belief = self._belief(text, span, times[plain(span.word)]) + self.beliefs.foreign * unknown
            within = span.word[0].isupper() and not begins_sentence(text, span.start)
            after = text[span.end : span.end + self.following]
            found = self.candidates(span.word, after, state, belief=belief, known=known[number], within_sentence=within)
            yield _Judged(span, known[number], found)
            if found[0].reason and found[0].probability >= self.confidence:
                unread, place = found[0].word, span.end

    def candidates(
        self,
        word: str,
        after: str,
        state: Arrays,
        *,
        belief: float = 0.0,
        known: bool = False,
        within_sentence: bool = False,
    ) -> list[Candidate]:
        """What may have been meant by a word between a state and what follows, the most probable first; itself is among
        them.

        `belief`: nats by which it is more probable than its letters say that the word is right; `within_sentence`: a
        capital at its front is not that of a sentence.
        """
        weights = self.known if known else self.beliefs
        slips = dict[str, tuple[float, str]]()
        for other in self._others(word, known):
            found = self.errors.slips(other, word)
            if found is not None and found.kinds and self.context.knows(other):
                cost = weights.slip * found.nats + weights.frequency * self.lexicon.nats(other)
                cost += weights.further * (len(found.kinds) - (_FIRST in found.kinds) - 1) + weights.pair * (
                    " " in other
                )
                cost += weights.capital * self.lexicon.capital_nats(other) * within_sentence
                slips[other] = cost, found.reason
        words = [word, *slips]
        alone = np.array([-belief, *(cost for cost, _ in slips.values())])
        nats = alone + self._nats_in_context(words, alone, self.context.legible(after), state, weights)
        shares = np.exp(nats.min() - nats)
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable").tolist()
        reasons = ["", *(reason for _, reason in slips.values())]
        return [Candidate(words[at], float(shares[at]), reasons[at]) for at in order]

    def _nats_in_context(self, words: list[str], alone: Floats, behind: str, state: Arrays, weights: Beliefs) -> Floats:
        """Surprisal (B,) of words and what is behind them, weighed; looked at to the end for those alone that can still
        win.

        For the others the end is taken to cost what it costs the best.
        """
        own = self.context.nats(state, words)
        soon = weights.word * own + weights.following * (
            self.context.nats(state, [word + behind[:_SOON] for word in words]) - own
        )
        total = alone + soon
        kept = np.flatnonzero(total <= total.min() + _HOPELESS)
        if len(kept) > 1 and len(behind) > _SOON:
            ends = self.context.nats(state, [words[place] + behind for place in kept])
            whole = weights.word * own[kept] + weights.following * (ends - own[kept])
            best = int(np.argmin(total[kept]))
            soon += whole[best] - soon[kept[best]]
            soon[kept] = whole
        return soon

    def _others(self, word: str, known: bool) -> list[str]:
        """Candidates with the capitals and apostrophes of the word: near ones, and pairs of words."""
        distance = 1 if known or len(word) <= 3 else 2
        costs = dict[str, float]()
        for each in self.lexicon.near(word, distance, most=_NEAR):
            slips = self.errors.slips(each, word)
            if slips is not None and self._may_be_meant(each, word):
                costs[each] = slips.nats + self.lexicon.nats(each)
        listed = sorted(costs, key=lambda each: costs[each])[: _KNOWN if known else _LISTED]
        split = list[str]()
        if not known:
            split = sorted(self.lexicon.pairs(word), key=lambda pair: sum(map(self.lexicon.nats, pair.split())))[
                :_PAIRS
            ]
        return list(dict.fromkeys(like(each, word) for each in [*listed, *split]))

    def _may_be_meant(self, other: str, word: str) -> bool:
        """Names are not typed in small letters, apostrophes where nothing is left out, nor endings by a slip."""
        if self.lexicon.english and is_form(plain(word), other):
            return False
        return ("'" in other or "'" not in plain(word)) and (word[0].isupper() or not self.lexicon.is_name(other))

    def _is_usual(self, word: str, state: Arrays) -> bool:
        """Whether a known word surprises so little that nothing else can have been meant."""
        return float(self.context.nats(state, [word])[0]) < _USUAL

    def _can_be_judged(self, text: str, span: Span, known: bool) -> bool:
        """Not single letters, words with characters that the model does not know, short words in capitals (acronyms),
        and unknown words with an apostrophe at an end: huntin', 'cause."""
        word = span.word
        if len(word) < 2 or not self.context.knows(word) or (word.isupper() and len(word) < 6):
            return False
        return known or not {text[max(0, span.start - 1) : span.start], text[span.end : span.end + 1]} & {"'", "’"}

    def _belief(self, text: str, span: Span, times: int) -> float:
        """Nats by which it is more probable that an unknown word is right than its letters say."""
        beliefs = self.beliefs
        belief = beliefs.right + beliefs.letter * min(len(span.word), 9) + beliefs.repeated * min(times - 1, 3)
        if span.word[0].isupper():
            belief += beliefs.beginning if begins_sentence(text, span.start) else beliefs.name
        if _CLIPPED.search(text, max(0, span.start - _SPEECH), span.end + _SPEECH):
            belief += beliefs.dialect
        if self.lexicon.unseen is not None:
            belief += max(0.0, math.log(max(self.lexicon.unseen, 1e-9) / _UNSEEN))
        return belief


def slip_odds(wrong: list[float], words: int) -> float:
    """How the odds of a slip in a text differ from those of the weights, by which each unknown word is one with such a
    probability.

    The share of slips among all words that is most probable, found by expectation and maximization.
    """
    share, fitted = _SUPPOSED, SLIPS / (1 - SLIPS)
    odds = np.array([each / max(1 - each, 1e-12) for each in wrong])
    for _ in range(50):
        here = odds * (share / (1 - share)) / fitted
        share = (_SUPPOSED * _WORDS + float((here / (1 + here)).sum())) / (_WORDS + max(words, len(wrong)))
    return share / (1 - share) / fitted


def _foreign_lines(text: str, words: list[Span], known: list[bool]) -> set[int]:
    """Numbers of the words that stand in lines of which hardly a word is known: another language, or names."""
    lines = list[list[int]]()
    end = -1
    for number, span in enumerate(words):
        if span.start > end:
            end = text.find("\n", span.start) % (len(text) + 1)
            lines.append([])
        lines[-1].append(number)
    few = (
        line for line in lines if len(line) >= _FEW and sum(known[number] for number in line) < _LANGUAGE * len(line)
    )
    return {number for line in few for number in line}


def _wrong(candidates: list[Candidate]) -> float:
    """Probability that a word was meant otherwise."""
    return sum(each.probability for each in candidates if each.reason)


def _with_odds(candidates: list[Candidate], odds: float) -> list[Candidate]:
    """Candidates where slips are so many times as probable."""
    shares = [each.probability * (odds if each.reason else 1.0) for each in candidates]
    total = sum(shares)
    moved = [replace(each, probability=share / total) for each, share in zip(candidates, shares, strict=True)]
    return sorted(moved, key=lambda each: -each.probability)


def apply(text: str, changes: list[Change]) -> str:
    """The text with its changes made."""
    parts, place = list[str](), 0
    for change in changes:
        assert text.startswith(change.before, change.start)
        parts += text[place : change.start], change.after
        place = change.start + len(change.before)
    return "".join([*parts, text[place:]])

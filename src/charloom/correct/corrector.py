"""Find the misspelt words of a text: candidates, their probabilities, and a decision for each word.

Each unknown word is compared with known words that could have become it by slips. The evidence: the surprisal of the
candidate and of the characters that follow it, given the (corrected) text before; the slips; and further signs that
tell slips from rare words. The weights come from a conditional logit (McFadden 1974) fitted on prose with slips, so the
probabilities are calibrated for a text in which one word in twenty is a slip. The share of slips in the text at hand is
estimated from the text itself, as the one under which it is most probable (Saerens, Latinne and Decaestecker 2002): a
word that would be changed in a careless text may stay in a clean one.

Known words are left alone unless `aggressive`.
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
from charloom.correct.word_lists import words_of_model
from charloom.errors import SettingsError
from charloom.generation.writer import Model
from charloom.models.model_folder import place_of
from charloom.models.state import Arrays

_NEAR, _LISTED, _KNOWN, _PAIRS = 60, 12, 8, 2
"""Numbers of candidates: near words for the error model; for the character model, given an unknown and a known word;
and pairs of words run together."""

_SOON, _HOPELESS = 6, 12.0
"""Characters after a word that are scored first, and how many nats behind the best a candidate may then be."""

_USUAL = 6.0
"""In aggressive correction, known words with fewer nats are not examined."""

_NEIGHBOURS, _FOREIGN = 4, 0.375
"""Words before and after an unknown one, and the share of them that must be unknown too for another language."""

SLIPS = 0.05
"""Share of slips among the words of the texts that the weights were fitted on."""

_SUPPOSED, _WORDS = 0.025, 100
"""Share of slips expected before the text is seen, and the number of words that this expectation is worth."""

_UNSEEN = 0.0088
"""Share of new words in the text that the weights were fitted on; if more words are new, more of them are right."""

_CLIPPED = re.compile(r"[a-rt-z]['’] [a-z]|\s['’][a-z]{1,5}\b(?!['’])")
_SPEECH = 200
"""A clipped word (not the genitive of a plural), and how many characters around a word are searched for one."""

_LANGUAGE, _FEW = 1 / 3, 4
"""Share of a line's words that must be known for it to be in this language, and the fewest words to judge that by."""

_FIRST = "the first letter"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Beliefs:
    """Fitted weights in nats: of the evidence for a candidate, and for and against an unknown word (decision 82)."""

    word: float = 0.36
    """Weight of the character model's surprisal of a word; far below 1, because the model is too sure of the words it
    knows."""
    following: float = 0.66
    "Weight of the model's surprisal of the characters that follow."
    slip: float = 0.71
    "Weight of the costs of slips."
    further: float = 3.5
    "Against a candidate, for each slip after the first."
    pair: float = 1.9
    "Against two words run together."
    frequency: float = 0.27
    "Weight of a candidate's surprisal by its count."
    capital: float = 1.5
    "Weight of the surprisal of a capital, for a candidate in place of a word with a capital within a sentence."
    right: float = -6.2
    "For an unknown word being right; negative: it is probably wrong."
    letter: float = -0.35
    "The same for each of its letters, up to nine: long words do not resemble others by chance."
    name: float = 2.8
    "For an unknown word with a capital within a sentence."
    beginning: float = 2.9
    "For an unknown word with a capital at the beginning of a sentence."
    repeated: float = 3.2
    "For each further occurrence in the text, up to three."
    foreign: float = 1.5
    "For an unknown word among other unknown words."
    dialect: float = 3.0
    """For an unknown word near words clipped with an apostrophe (huntin' an' fishin'): such speech is spelt as it
    sounds."""


GENERAL = Beliefs(
    word=0.32, following=0.51, slip=0.81, further=1.7, pair=2.5, frequency=0.73, capital=0.8, right=-10.1,
    letter=-0.64, name=3.4, beginning=2.1, repeated=1.5, foreign=1.5,
)  # fmt: skip
"""The weights with a model of English in general and its words. How common a candidate is counts for more than with a
model of the text at hand, whose counts are few, and most unlisted words are slips."""

KNOWN = Beliefs(
    word=1.0, following=1.0, slip=1.0, further=0.0, pair=0.0, frequency=0.2, capital=0.0, right=5.0, letter=0.0
)  # fmt: skip
"""The weights for known words, in aggressive correction."""


@dataclass(frozen=True)
class Candidate:
    """A word that may be the intended one."""

    word: str
    probability: float
    "Among all candidates, including the word as typed."
    reason: str
    "The slips that lead to the typed word; empty for the typed word itself."


@dataclass(frozen=True)
class Change:
    """A correction of one word."""

    start: int
    "Position in the original text, in characters."
    before: str
    after: str
    before_probability: float
    after_probability: float
    reason: str


@dataclass(frozen=True)
class _Judged:
    """A word of a text and its candidates."""

    span: Span
    known: bool
    candidates: list[Candidate]
    "Their probabilities hold for the share of slips that the weights were fitted on."


class Corrector:
    """Corrects spelling with a model, the known words, and a model of errors."""

    def __init__(
        self,
        model: Model,
        lexicon: Lexicon | None = None,
        *,
        errors: ErrorModel | None = None,
        beliefs: Beliefs | None = None,
        known: Beliefs = KNOWN,
        aggressive: bool = False,
        confidence: float = 0.5,
        following: int = 24,
    ) -> None:
        """`lexicon`: the known words, by default those that come with the model, for a model given by its name or
        folder such as "english"; `beliefs`: weights for unknown words, by default `GENERAL` if they come with the
        model and otherwise `Beliefs()`; `known`: for known ones, if `aggressive`; `confidence`: the probability that a
        correction needs; `following`: how many characters after a word are considered.

        Raises `SettingsError` for a confidence outside 0 to 1 and for a model without words.
        """
        if lexicon is None and place_of(model) is not None:
            lexicon = words_of_model(model)  # type: ignore[arg-type]
        if lexicon is None:
            raise SettingsError("no words come with this model; give a lexicon, as charloom.correct.known_words does")
        if not 0 <= confidence <= 1:
            raise SettingsError(f"confidence is {confidence}; it must be at least 0 and at most 1")
        self.context, self.lexicon, self.errors = Context(model), lexicon, errors or ErrorModel()
        self.beliefs = beliefs or (GENERAL if lexicon.general else Beliefs())
        self.known = known
        self.aggressive, self.confidence, self.following = aggressive, confidence, following

    def correct(self, text: str) -> tuple[str, list[Change]]:
        """The corrected text and its changes, in order."""
        changes = self.changes(text)
        return apply(text, changes), changes

    def changes(self, text: str) -> list[Change]:
        """The changes to make in a text, in order."""
        words = list(spans(text))
        judged = list(self._judged(text, words))
        odds = slip_odds([_wrong(each.candidates) for each in judged if not each.known], len(words))
        changes = list[Change]()
        for each in judged:
            candidates = each.candidates if each.known else _with_odds(each.candidates, odds)
            best = candidates[0]
            if best.reason and best.probability >= self.confidence:
                typed = next(other.probability for other in candidates if not other.reason)
                why = "not usual here" if each.known else "unknown word"
                reason = f"{why}: {best.reason}"
                changes.append(Change(each.span.start, each.span.word, best.word, typed, best.probability, reason))
        return changes

    def _judged(self, text: str, words: list[Span]) -> Iterator[_Judged]:
        """Words with their candidates, in the context of the text before them with the likeliest changes made."""
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
            candidates = self.candidates(
                span.word, after, state, belief=belief, known=known[number], within_sentence=within
            )
            yield _Judged(span, known[number], candidates)
            if candidates[0].reason and candidates[0].probability >= self.confidence:
                unread, place = candidates[0].word, span.end

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
        """Candidates for a word after a state and before `after`, the most probable first; the word itself is one of
        them.

        `belief`: nats in favour of the word as typed; `within_sentence`: a capital at its front does not begin a
        sentence.
        """
        weights = self.known if known else self.beliefs
        slips = dict[str, tuple[float, str]]()
        for other in self._others(word, known):
            path = self.errors.slips(other, word)
            if path is not None and path.kinds and self.context.knows(other):
                cost = weights.slip * path.nats + weights.frequency * self.lexicon.nats(other)
                cost += weights.further * (len(path.kinds) - (_FIRST in path.kinds) - 1)
                cost += weights.pair * (" " in other)
                cost += weights.capital * self.lexicon.capital_nats(other) * within_sentence
                slips[other] = cost, path.reason
        words = [word, *slips]
        alone = np.array([-belief, *(cost for cost, _ in slips.values())])
        nats = alone + self._nats_in_context(words, alone, self.context.legible(after), state, weights)
        shares = np.exp(nats.min() - nats)
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable").tolist()
        reasons = ["", *(reason for _, reason in slips.values())]
        return [Candidate(words[at], float(shares[at]), reasons[at]) for at in order]

    def _nats_in_context(self, words: list[str], alone: Floats, behind: str, state: Arrays, weights: Beliefs) -> Floats:
        """Weighted surprisal (B,) of words and the text after them, of which only words that can still win are scored
        to the end.

        For the others the rest is assumed to cost as much as for the best.
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
        """Near words and pairs of words, with the capitals and apostrophes of the typed word."""
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
        """False for what is no slip: a name in lower case, an apostrophe with nothing left out, a regular ending."""
        if self.lexicon.english and is_form(plain(word), other):
            return False
        return ("'" in other or "'" not in plain(word)) and (word[0].isupper() or not self.lexicon.is_name(other))

    def _is_usual(self, word: str, state: Arrays) -> bool:
        """Whether a known word surprises the model so little that no other can have been meant."""
        return float(self.context.nats(state, [word])[0]) < _USUAL

    def _can_be_judged(self, text: str, span: Span, known: bool) -> bool:
        """Excludes single letters, words with unknown characters, short words in capitals (acronyms), and unknown words
        with an apostrophe at an end (huntin', 'cause)."""
        word = span.word
        if len(word) < 2 or not self.context.knows(word) or (word.isupper() and len(word) < 6):
            return False
        return known or not {text[max(0, span.start - 1) : span.start], text[span.end : span.end + 1]} & {"'", "’"}

    def _belief(self, text: str, span: Span, times: int) -> float:
        """Nats in favour of an unknown word being right."""
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
    """The odds of a slip in a text relative to those that the weights were fitted on.

    `wrong`: the probability of each unknown word to be a slip, by those weights; `words`: how many words the text has.
    The most probable share of slips is found by expectation maximisation.
    """
    share, fitted = _SUPPOSED, SLIPS / (1 - SLIPS)
    odds = np.array([each / max(1 - each, 1e-12) for each in wrong])
    for _ in range(50):
        here = odds * (share / (1 - share)) / fitted
        share = (_SUPPOSED * _WORDS + float((here / (1 + here)).sum())) / (_WORDS + max(words, len(wrong)))
    return share / (1 - share) / fitted


def _foreign_lines(text: str, words: list[Span], known: list[bool]) -> set[int]:
    """Numbers of the words in lines with hardly any known word: another language, or names."""
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
    """Probability that another word was meant."""
    return sum(each.probability for each in candidates if each.reason)


def _with_odds(candidates: list[Candidate], odds: float) -> list[Candidate]:
    """The candidates if the odds of slips are multiplied by `odds`."""
    shares = [each.probability * (odds if each.reason else 1.0) for each in candidates]
    total = sum(shares)
    moved = [replace(each, probability=share / total) for each, share in zip(candidates, shares, strict=True)]
    return sorted(moved, key=lambda each: -each.probability)


def apply(text: str, changes: list[Change]) -> str:
    """The text with the changes applied."""
    parts, place = list[str](), 0
    for change in changes:
        assert text.startswith(change.before, change.start)
        parts += text[place : change.start], change.after
        place = change.start + len(change.before)
    return "".join([*parts, text[place:]])

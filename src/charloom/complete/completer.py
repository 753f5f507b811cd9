"""Completion as you type: the most probable ways to finish a word or a line, with meaningful probabilities.

The probability of a completion is the probability that the model itself writes exactly these characters next and then
an end: for a word any character that is not part of words, for an identifier any that is not part of identifiers, for a
line the newline, and for all of them the end of the text. So completions exclude each other. Together with the event
that the word is already complete (`Completer.complete`), and with those cut off at the longest length, their
probabilities add up to 1.

The state after the typed text is kept, so a keystroke costs one step of the network, and the beam search.
"""

import contextlib
import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from charloom.data.vocabulary import UNSEEN, Decoder
from charloom.errors import SettingsError, TextError, arguments
from charloom.generation.sampling import log_probabilities
from charloom.generation.side_by_side import surprisals
from charloom.generation.writer import NEVER, Model, Writer

Unit = Literal["word", "line", "identifier"]

LONGEST: dict[Unit, int] = {"word": 32, "line": 80, "identifier": 40}
"""Characters after which a completion is cut off by default."""

MOST = 1000
"""Most suggestions that can be requested."""

MOST_LENGTH = 10_000
"""Most characters of a completion."""

_WIDTH = 32
"""Least number of beginnings of the same length that are followed."""


def in_word(character: str) -> bool:
    """Whether a character can be part of a word: a letter, a digit, an underscore or an apostrophe."""
    return character.isalnum() or character in "_'’"


def check_number(suggestions: int) -> None:
    """Raise `SettingsError` for a number of suggestions outside its range."""
    arguments.whole("suggestions", suggestions)
    if not 1 <= suggestions <= MOST:
        raise SettingsError(f"suggestions is {suggestions}; it must be at least 1 and at most {MOST:,}")


@dataclass(frozen=True)
class Completion:
    """A way to finish the typed text."""

    text: str
    "The characters to add; never empty."
    nats: float
    "Surprisal of the completion, its end included; smaller is more probable."
    ends: bool
    "False if it was cut off at the longest length; the probability is then that of all texts that begin so."

    @property
    def probability(self) -> float:
        """Probability that the model writes exactly this next."""
        return math.exp(-self.nats)


@dataclass(frozen=True)
class _Beginning:
    text: str
    decoder: Decoder
    "Holds the bytes of an unfinished character."


class Completer:
    """Completes the text typed so far, which is read once; `type` returns the completer after further keystrokes."""

    def __init__(self, model: Model, typed: str = "", *, unit: Unit = "word", length: int | None = None) -> None:
        """Raises `TextError` for a character that the model does not know, `SettingsError` for a length outside its
        range."""
        longest = LONGEST[unit] if length is None else length
        if not 1 <= longest <= MOST_LENGTH:
            raise SettingsError(f"length is {longest}; it must be at least 1 and at most {MOST_LENGTH:,}")
        self._writer, self._unit, self._length = Writer.of(model), unit, longest
        self._ends = self._symbols_that_end()
        self._take(typed, None)

    def type(self, text: str) -> "Completer":
        """The completer after further characters; this one does not change, so keystrokes can be undone.

        Raises `TextError` for a character that the model does not know.
        """
        later = copy.copy(self)
        later._take(text, self._rows.state)
        later.typed = self.typed + text
        return later

    def _take(self, text: str, state: Sequence[Any] | None) -> None:
        self.typed = text
        self._rows = self._writer.begin(self._writer.prompts([text], state), state)

    @property
    def complete(self) -> float:
        """Probability that the word or line is already complete: that its end comes next."""
        return math.exp(self._search(MOST, 1)["", True])

    @property
    def begun(self) -> str:
        """The beginning of the unfinished unit: the end of the typed text."""
        return self.begun_in(self.typed, self._unit)

    @staticmethod
    def begun_in(text: str, unit: Unit = "word") -> str:
        """The part of a text that belongs to the unfinished unit at its end."""
        place = len(text)
        while place and not _ends_it(text[place - 1], unit):
            place -= 1
        return text[place:]

    def knows(self, text: str) -> bool:
        """Whether the model knows every character of it."""
        if self._writer.vocabulary.kind == "bytes":
            return True
        codes = np.array([ord(character) for character in text], np.int64)
        return bool((self._writer.vocabulary.find(codes) != UNSEEN).all())

    def suggest(self, suggestions: int = 5) -> list[Completion]:
        """The most probable completions, at most `suggestions`, the most probable first.

        A beam search that ends as soon as no beginning is as probable as the last suggestion. The result is exact
        unless more than 32 beginnings of one length (or two for each suggestion) compete. Raises `SettingsError` for a
        number of suggestions outside its range.
        """
        check_number(suggestions)
        done = self._search(suggestions, self._length)
        completions = [Completion(text, -log, ends) for (text, ends), log in done.items() if text and log > -np.inf]
        return sorted(completions, key=lambda completion: (completion.nats, completion.text))[:suggestions]

    def nats(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Exact surprisal (B,) of each text as a completion, its end included; "" stands for `complete`.

        Infinite if the model does not know a character.
        """
        nats, ids = np.full(len(texts), math.inf), {}
        for place, text in enumerate(texts):
            with contextlib.suppress(TextError):
                ids[place] = self._writer.vocabulary.encode(text).astype(np.int64)
        if ids:
            nats[list(ids)] = self._surprisals(list(ids.values()), self._ends)
        return nats

    def surprise(self, text: str) -> float:
        """Surprisal of further characters, without an end. Raises `TextError`."""
        return float(self._surprisals([self._writer.vocabulary.encode(text).astype(np.int64)])[0])

    def _surprisals(
        self, texts: Sequence[NDArray[np.int64]], ends: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        return surprisals(self._writer, self._rows.keep(np.zeros(len(texts), np.int64)), texts, ends)

    def _search(self, suggestions: int, length: int) -> dict[tuple[str, bool], float]:
        """Log-probabilities of completions by (text, whether it ends), including the empty one."""
        width = max(_WIDTH, 2 * suggestions)
        alive, logs = [_Beginning("", self._writer.vocabulary.decoder())], np.zeros(1)
        rows, done = self._rows, dict[tuple[str, bool], float]()
        while alive:
            following = logs[:, None] + log_probabilities(self._writer.logits(rows))
            for beginning, ending in zip(alive, np.logaddexp.reduce(following[:, self._ends], axis=1), strict=True):
                _add(done, beginning.text, True, float(ending))
            following[:, self._ends] = -np.inf
            alive, logs, parents, symbols = self._grow(alive, following, done, length, width, _least(done, suggestions))
            if alive:
                rows = rows.keep(parents)
                rows.advance(symbols)
        return done

    def _grow(
        self,
        alive: list[_Beginning],
        following: NDArray[np.float64],
        done: dict[tuple[str, bool], float],
        length: int,
        width: int,
        least: float,
    ) -> tuple[list[_Beginning], NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Beginnings one symbol longer, with their log-probabilities, parents and symbols; finished ones go into
        `done`."""
        grown, logs, parents, symbols = list[_Beginning](), list[float](), list[int](), list[int]()
        best = np.argsort(-following, axis=None, kind="stable")[:width].tolist()
        for place in best:
            parent, symbol = divmod(place, following.shape[1])
            log = float(following[parent, symbol])
            if log <= max(least, float(NEVER) / 2):
                break  # this one, those after it, and whatever begins with them cannot be among the suggestions
            decoder = alive[parent].decoder.fork()
            piece = decoder.push(symbol)
            text = alive[parent].text + piece
            end = next((at for at, character in enumerate(piece) if _ends_it(character, self._unit)), None)
            if end is not None:  # a character of several bytes that is not part of words
                _add(done, alive[parent].text + piece[:end], True, log)
            elif len(text) >= length:
                _add(done, text, False, log)
            else:
                grown.append(_Beginning(text, decoder))
                logs.append(log)
                parents.append(parent)
                symbols.append(symbol)
        return grown, np.array(logs), np.array(parents, np.int64), np.array(symbols, np.int64)

    def _symbols_that_end(self) -> NDArray[np.bool_]:
        """Which symbols (V,) always end the unit; in a byte vocabulary only those that are whole characters."""
        vocabulary = self._writer.vocabulary
        ends = np.zeros(self._writer.stepper.outputs, bool)
        characters = vocabulary.characters if vocabulary.kind == "characters" else map(chr, range(128))
        for symbol, character in enumerate(characters):
            ends[symbol] = _ends_it(character, self._unit)
        ends[vocabulary.boundary :] = True
        return ends


def _ends_it(character: str, unit: Unit) -> bool:
    """Whether a character ends a unit."""
    if unit == "line":
        return character == "\n"
    if unit == "identifier":
        return character in "'’" or not in_word(character)
    return not in_word(character)


def _add(done: dict[tuple[str, bool], float], text: str, ends: bool, log: float) -> None:
    """Add to the probability of a completion; one that ends with a character of several bytes is reached in several
    ways."""
    done[text, ends] = float(np.logaddexp(done.get((text, ends), -np.inf), log))


def _least(done: dict[tuple[str, bool], float], suggestions: int) -> float:
    """The log-probability that a further suggestion must exceed."""
    logs = sorted((log for (text, _), log in done.items() if text), reverse=True)
    return logs[suggestions - 1] if len(logs) >= suggestions else -np.inf

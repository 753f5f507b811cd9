"""Generating Python source that can always be completed to a valid text.

The constraint works on two levels. A character that cannot stand in its place gets probability zero, and the others
share what it had; so does a space that would indent a line too deeply for its block, even for a comment. A line that
the parser refuses, at the token where it does, is drawn again from its beginning with the network's state restored.
After eight refusals a line is drawn at a lower temperature; after four more the whole statement is restarted, because
the mistake may be a bracket that an earlier line left open. In the third round the statement is closed as it is, or
replaced by `pass` if there is nothing to close. So texts are close to what the model would write, not exactly its
distribution among valid texts: where the only possible character is an improbable one, it is written all the same.

Each character uses one uniform number from `PCG64(seed)`, including those of refused lines. So a text in which the
model makes no mistake is the one that it writes without the constraint.
"""

import string
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from charloom.code.checker import Checker
from charloom.code.lexer import Situation, permits
from charloom.errors import SettingsError, TextError, shown
from charloom.generation.generate import Piece, check
from charloom.generation.numpy_steps import StepRows
from charloom.generation.sampling import (
    REPETITION_WINDOW,
    SamplingKeywords,
    distributions,
    draw,
    with_sampling_keywords,
)
from charloom.generation.stopping import Outlet, StopReason
from charloom.generation.writer import NEVER, Model, Writer
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

TRIES, CALMER_TRIES, ROUNDS = 8, 4, 3
"""How often a line is drawn as requested; how often at a lower temperature; how often a statement is started."""

CALM = 0.5
"""The factor of the lower temperature."""

LONGEST = 2000
"""Characters after which an unfinished statement is closed."""

FINISH = 1000
"""Most characters for reaching the end of the last statement."""

_NEEDED = frozenset(string.ascii_lowercase + string.digits + "\n \"'()[]{}:=_,.#{}N")
"""Characters that are needed to close everything."""


class Writing:
    """A text in the making: iterate over `pieces` once; the other attributes are final afterwards."""

    def __init__(
        self,
        model: Model,
        prompt: str = "",
        config: SamplingConfig = SamplingConfig(),
        *,
        length: int = 500,
        stop: Sequence[str] = (),
        seed: int = 0,
        state: Sequence[Any] | None = None,
    ) -> None:
        """`state`, from `model.read(text)`: the model has read another text before, which the new one does not
        continue.

        Raises `TextError` for a prompt that no Python text begins with, `SettingsError` for a model that cannot write
        Python.
        """
        check(length, stop, [seed])
        self._writer, self._config, self._length, self._stop = Writer.of(model), config, length, stop
        vocabulary = self._writer.vocabulary
        if vocabulary.kind != "characters" or self._writer.config.documents != "none":
            raise SettingsError(
                "only a model of characters whose texts are not single lines can write Python; train one"
            )
        lacking = sorted(_NEEDED - set(vocabulary.characters))
        if lacking:
            raise SettingsError(
                f"this model does not know {shown(lacking[0])!r}, without which Python cannot be written; "
                "train it on source, such as the corpus python-library"
            )
        self._checker = checked(prompt)
        (ids,) = self._writer.prompts([prompt], state)
        self._source = _Source(self._writer, ids, seed, state)
        self._indents = [place for place, character in enumerate(vocabulary.characters) if character in " \t\f\\"]
        self._masks: dict[Situation, NDArray[np.bool_]] = {}
        self.more = ""
        "What the model wrote beyond the length, up to the end of the statement or comment."
        self.redrawn = 0
        "How many lines were refused and drawn again."
        self.replaced = 0
        "How many statements were closed or replaced instead of being finished by the model."

    def pieces(self) -> Iterator[Piece]:
        """The new text, one statement at a time, with the reason on the last piece."""
        if self._length == 0:
            yield Piece("", "length")
            return
        outlet = Outlet(self._writer.vocabulary, self._length, self._stop)
        reason: StopReason | None = None
        while reason is None:
            symbols, pieces = self._statement(), []
            for place, symbol in enumerate(symbols):
                text, reason = outlet.push(symbol)
                pieces.append(text)
                if reason:
                    if reason == "length":
                        self.more = "".join(map(self._character, symbols[place + 1 :]))
                    break
            yield Piece("".join(pieces), reason)

    def _statement(self) -> list[int]:
        """Symbols up to the end of a logical line, an empty line, or the text."""
        start = self._save()
        for attempt in range(ROUNDS):
            symbols = list[int]()
            while (line := self._line(begun=bool(symbols))) is not None:
                symbols += line
                if self._checker.lexer.at_start and not self._checker.lexer.comment:
                    return symbols
                if len(symbols) > LONGEST:
                    break
            last = attempt == ROUNDS - 1 or len(symbols) > LONGEST
            ending = self._closed() if symbols and last else None
            if ending is not None:
                return symbols + ending
            self._restore(start)
        self.replaced += 1
        begun = self._checker.line
        ending = self._feed(self._checker.closing or "pass\n")
        if ending is None:
            raise TextError(
                f"no way was found to end the line {shown(begun[-80:])!r} of the prompt; end the prompt before it"
            )
        return ending

    def _line(self, *, begun: bool) -> list[int] | None:
        """Symbols up to the end of a line (or very many), drawn until they are valid; None if no draw is."""
        start = self._save()
        calm = replace(
            self._config, greedy=False, temperature=CALM * (1 if self._config.greedy else self._config.temperature)
        )
        for attempt in range(TRIES + CALMER_TRIES):
            symbols = self._draw_line(self._config if attempt < TRIES else calm)
            if symbols is not None:
                return symbols
            self.redrawn += 1
            self._restore(start)
        return None

    def _draw_line(self, config: SamplingConfig) -> list[int] | None:
        symbols = list[int]()
        boundary, checker = self._writer.vocabulary.boundary, self._checker
        while len(symbols) <= LONGEST:
            symbol = self._source.draw(self._permitted, config)
            symbols.append(symbol)
            if symbol == boundary:
                return symbols
            character = self._character(symbol)
            if not checker.push(character):
                return None
            if character == "\n":
                return symbols
        return symbols

    def _permitted(self, logits: NDArray[np.float32]) -> None:
        """Exclude from the logits (1, V) the symbols that cannot follow."""
        situation = self._checker.lexer.situation
        mask = self._masks.get(situation)
        if mask is None:
            mask = np.zeros(logits.shape[1], bool)
            for symbol, character in enumerate(self._writer.vocabulary.characters):
                mask[symbol] = not permits(situation, character)
            self._masks[situation] = mask
        logits[0, mask] = NEVER
        if not self._checker.lexer.may_indent:
            logits[0, self._indents] = NEVER
        boundary = self._writer.vocabulary.boundary
        if boundary < logits.shape[1] and not self._checker.complete:
            logits[0, boundary] = NEVER

    def _closed(self) -> list[int] | None:
        """Read what closes the text here and return its symbols; None if that does not make it valid."""
        start = self._save()
        symbols = self._feed(self._checker.closing)
        if symbols is None:
            self._restore(start)
        else:
            self.replaced += 1
        return symbols

    def _feed(self, text: str) -> list[int] | None:
        if not self._checker.read(text):
            return None
        symbols = [self._writer.vocabulary.characters.index(character) for character in text]
        for symbol in symbols:
            self._source.take(symbol)
        return symbols

    def _character(self, symbol: int) -> str:
        return "" if symbol == self._writer.vocabulary.boundary else self._writer.vocabulary.characters[symbol]

    def _save(self) -> tuple["_Memory", Checker]:
        return self._source.save(), self._checker.copy()

    def _restore(self, saved: tuple["_Memory", Checker]) -> None:
        self._source.restore(saved[0])
        self._checker = saved[1].copy()


@dataclass(frozen=True)
class _Memory:
    rows: StepRows
    recent: tuple[int, ...]


class _Source:
    """The model as a source of symbols; its memory can be restored, the random numbers cannot."""

    def __init__(self, writer: Writer, ids: Array, seed: int, state: Sequence[Any] | None) -> None:
        self._writer, self._rows = writer, writer.begin([ids], state)
        self._uniform = np.random.Generator(np.random.PCG64(seed))
        recent = ids[ids != writer.vocabulary.boundary][-REPETITION_WINDOW:].tolist()
        self._recent = deque[int](recent, maxlen=REPETITION_WINDOW)

    def draw(self, restrict: Callable[[NDArray[np.float32]], None], config: SamplingConfig) -> int:
        """Draw the next symbol and read it."""
        logits = self._writer.logits(self._rows)
        restrict(logits)
        symbol = draw(distributions(logits, config, (self._recent,))[0], self._uniform.random())
        self.take(symbol)
        return symbol

    def take(self, symbol: int) -> None:
        """Read a symbol."""
        self._recent.append(symbol)
        self._rows.advance(np.array([symbol]))

    def save(self) -> _Memory:
        """A copy of the current memory."""
        return _Memory(self._rows.keep(np.array([0])), tuple(self._recent))

    def restore(self, memory: _Memory) -> None:
        """Go back to a saved memory."""
        self._rows = memory.rows.keep(np.array([0]))
        self._recent = deque(memory.recent, maxlen=REPETITION_WINDOW)


@with_sampling_keywords
def generate_code(
    model: Model,
    prompt: str = "",
    *,
    length: int = 500,
    stop: Sequence[str] = (),
    seed: int = 0,
    finished: bool = False,
    **sampling: Unpack[SamplingKeywords],
) -> str:
    """Generate Python source that continues `prompt` and can be completed to a valid text; the prompt is not repeated.

    There are `length` characters, or fewer if a stop string or the end of the text comes first; with `finished`, what
    `finish` adds follows. The other settings, such as `temperature`, are those of `charloom.generate`. Raises
    `TextError` for a prompt that no Python text begins with, `SettingsError` for a setting outside its range.
    """
    writing = Writing(model, prompt, SamplingConfig(**sampling), length=length, stop=stop, seed=seed)
    text = "".join(piece.text for piece in writing.pieces())
    return text + finish(prompt, text, writing.more) if finished else text


def finish(prompt: str, text: str, more: str = "") -> str:
    """What completes a text: the rest of the statement in the model's words, and what closes everything open.

    `more`: what the model wrote next, of which at most `FINISH` characters are used, and none if the text ends between
    two statements. Then open strings and brackets are closed, an empty block gets `pass`, a lone `try` its `finally`, a
    decorator its function. It works for texts written with and without the constraint. Nothing is removed, so a text
    with a mistake still does not parse.
    """
    checker = Checker()
    checker.read(prompt + text)
    taken = 0
    while not checker.lexer.at_start and taken < min(len(more), FINISH):
        checker.push(more[taken])
        taken += 1
    return more[:taken] + checker.closing


def checked(prompt: str) -> Checker:
    """A checker that has read the prompt. Raises `TextError` if no Python text begins so."""
    checker = Checker()
    for place, character in enumerate(prompt):
        if not checker.push(character):
            line = prompt.count("\n", 0, place) + 1
            column = place - (prompt.rfind("\n", 0, place) + 1) + 1
            raise TextError(
                f"the prompt is not the beginning of a Python text: line {line}, column {column} is invalid; "
                "fix it, or leave out the syntax"
            )
    return checker

"""What comes back of a completion: whole, or in pieces."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from charloom.generation.stopping import StopReason
from charloom.server.batching.jobs import Piece, Symbol
from charloom.server.routes.log_probabilities import LogProbabilities
from charloom.server.routes.prompts import Opened
from charloom.server.routes.symbols import Reader, Symbols


class Choice:
    """One text of the answer, as its pieces arrive.

    `take` gives what is new since the last time, as JSON of a choice and of our own fields.
    """

    def __init__(self, symbols: Symbols, prompt: Opened, *, index: int, seed: int, echo: bool, length: int) -> None:
        self._symbols, self._prompt, self.index, self.seed = symbols, prompt, index, seed
        self._echo, self._most = echo, len(prompt.own) + length
        self._reported: LogProbabilities | None = None
        self._reader, self._text, self._listed = Reader(symbols), list[str](), 0
        self._reading = True
        self.written, self.draws = 0, 0
        self.stop_reason: StopReason | None = None

    def report(self) -> None:
        """Report log-probabilities, from the first symbol on that the answer has."""
        self._reported = LogProbabilities(self._symbols)
        if self._echo and not self._prompt.added:
            self._list(Symbol(int(self._prompt.ids[0]), math.nan, ()))

    def add(self, piece: Piece) -> None:
        """Take in a piece."""
        for symbol in piece.read:
            self._list(symbol)
        if self._reading and (piece.text or piece.written or piece.stop_reason):
            self._end_of_prompt()
        if piece.text:
            self._text.append(piece.text)
            self.written += len(piece.text)
        for symbol in piece.written:
            self._list(symbol)
        self.draws, self.stop_reason = max(self.draws, piece.draws), piece.stop_reason
        if piece.stop_reason == "end" and self._echo:  # a client that scores takes the last entry for a new symbol
            self._list(Symbol(self._boundary, math.nan, ()))

    @property
    def _boundary(self) -> int:
        return self._symbols.vocabulary.boundary

    def _end_of_prompt(self) -> None:
        self._reading = False
        offset = 0
        if self._echo and self._reported is not None:
            self._text.append(self._reader.finish())
            offset = self._reader.offset
        elif self._echo:
            self._text.append(self._symbols.decode(self._prompt.own))
        self._reader = Reader(self._symbols, offset)

    def _list(self, symbol: Symbol) -> None:
        """Report a symbol, and repeat it if it belongs to the prompt.

        An answer that begins with the prompt lists at most one symbol for each that the client sent and each character
        asked for: more bytes of a last character would be taken for a part of the prompt by clients that score.
        """
        if self._reported is None:
            return
        self._listed += 1
        if not self._echo or self._listed <= self._most:
            self._reported.add(symbol, self._reader.offset)
        text = self._reader.push(symbol.id)
        if self._reading:
            self._text.append(text)

    @property
    def has_news(self) -> bool:
        """Whether there is something to send."""
        return bool(self._text or self._reported) or self.stop_reason is not None

    def take(self) -> tuple[str, str]:
        """What is new: a choice of OpenAI's, and our own fields, both JSON."""
        text, self._text = "".join(self._text), []
        finish = {None: None, "length": "length"}.get(self.stop_reason, "stop")
        lists = "null" if self._reported is None else self._reported.json()
        choice = (
            f'{{"index":{self.index},"text":{json.dumps(text)},"logprobs":{lists},"finish_reason":{json.dumps(finish)}'
        )
        ours = f'{{"draws":{self.draws},"seed":{self.seed}'
        if self.stop_reason is not None:
            ours += f',"stop_reason":{json.dumps(self.stop_reason)}'
        return choice, ours + "}"

    @property
    def counted(self) -> tuple[int, int]:
        """Symbols of the prompt, characters written."""
        return len(self._prompt.own), self.written


@dataclass(frozen=True)
class Envelope:
    """What every part of an answer repeats."""

    id: str
    created: int
    model: str

    def _start(self) -> str:
        return (
            f'{{"id":{json.dumps(self.id)},"object":"text_completion","created":{self.created},'
            f'"model":{json.dumps(self.model)}'
        )

    def whole(self, choices: Sequence[Choice]) -> str:
        """The answer that is not a stream."""
        parts = ['{},"charloom":{}}}'.format(*choice.take()) for choice in choices]
        return f'{self._start()},"choices":[{",".join(parts)}],"usage":{_usage(choices)}}}'

    def chunk(self, choice: Choice, *, usage: bool) -> str:
        """What is new of one text."""
        part, ours = choice.take()
        empty = ',"usage":null' if usage else ""
        return f'{self._start()},"choices":[{part}}}],"charloom":{ours}{empty}}}'

    def usage(self, choices: Sequence[Choice]) -> str:
        """The chunk that counts."""
        return f'{self._start()},"choices":[],"usage":{_usage(choices)}}}'


def _usage(choices: Sequence[Choice]) -> str:
    """Each prompt is counted once, however many texts continue it."""
    prompts = {id(choice._prompt): choice.counted[0] for choice in choices}
    prompt, written = sum(prompts.values()), sum(choice.written for choice in choices)
    return json.dumps({"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written})

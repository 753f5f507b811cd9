"""A step of all texts side by side: each reads its next symbols, and those that want to know get what is predicted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.errors import NotFiniteError
from charloom.generation.sampling import (
    Probabilities,
    Settings,
    draws,
    log_probabilities,
    mixed_distributions,
    most_probable,
)
from charloom.generation.writer import NEVER, Writer
from charloom.models.step_weights import Floats
from charloom.server.jobs import Symbol
from charloom.server.rows import Rows
from charloom.server.texts import News, Text
from charloom.settings import SamplingConfig

MOST_AT_A_TIME = 64
"""Symbols of prompts that are read at a time."""


class Steps:
    """The steps of one model. Everything after the logits treats each row by itself."""

    def __init__(self, writer: Writer, rows: Rows) -> None:
        self.rows = rows
        self._never, self._outputs = writer.never, writer.stepper.outputs
        self._settings = Settings([SamplingConfig()])

    def step(self, texts: Sequence[Text], most: int) -> tuple[int, dict[int, News | NotFiniteError]]:
        """Let text i read what is next with row i, up to `most` symbols if all are within their prompts.

        Returns how many symbols it were, and what is new by the number of the text.
        """
        count = max(1, min(most, *(text.unread for text in texts)))
        self.rows.advance(np.array([text.upcoming(count) for text in texts], np.int64).T)
        asking = [number for number, text in enumerate(texts) if text.asks]
        if not asking:
            return count, {}
        logits = self.rows.logits(np.array(asking))
        finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(logits), axis=1)
        news: dict[int, News | NotFiniteError] = {}
        if not finite.all():
            news = {asking[place]: NotFiniteError() for place in np.flatnonzero(~finite)}
            asking, logits = [number for number in asking if number not in news], logits[finite]
        if asking:
            chosen = [texts[number] for number in asking]
            news.update(zip(asking, self._news(chosen, logits), strict=True))
        return count, news

    def _news(self, texts: list[Text], logits: Floats) -> list[News]:
        """What is new of texts that asked for these logits (B, V)."""
        following = [-1 if text.writes else text.following for text in texts]
        writing = [place for place, text in enumerate(texts) if text.writes]
        drawn = dict(zip(writing, self._drawn([texts[place] for place in writing], logits[writing]), strict=True))
        symbols = [drawn.get(place, symbol) for place, symbol in enumerate(following)]
        reported = [place for place, text in enumerate(texts) if text.alternatives is not None]
        reports = dict(zip(reported, self._reports(texts, symbols, reported, logits), strict=True))
        return [
            text.write(drawn[place], reports.get(place)) if place in drawn else text.read(reports[place])
            for place, text in enumerate(texts)
        ]

    def _drawn(self, texts: list[Text], logits: Floats) -> list[int]:
        """The next symbols of texts, one random number each; `logits` (B, V) is used up."""
        if not texts:
            return []
        logits[:, self._never] = NEVER
        configs = [text.job.sampling for text in texts]
        if configs != self._settings.configs:
            self._settings = Settings(configs)
        probabilities = mixed_distributions(logits, self._settings, [text.recent or () for text in texts])
        symbols: list[int] = draws(probabilities, np.array([text.number() for text in texts])).tolist()
        return symbols

    def _reports(self, texts: list[Text], symbols: list[int], places: list[int], logits: Floats) -> list[Symbol]:
        """What is reported of the symbols at these places."""
        if not places:
            return []
        logs = log_probabilities(logits[places])
        chosen = [symbols[place] for place in places]
        own = logs[np.arange(len(places)), chosen].tolist()
        counts = [min(texts[place].alternatives or 0, self._outputs) for place in places]
        tops = _tops(logs, counts)
        return [Symbol(*report) for report in zip(chosen, own, tops, strict=True)]


def _tops(logs: Probabilities, counts: list[int]) -> list[tuple[tuple[int, float], ...]]:
    """The most probable symbols of each row of logs (B, V), as many as the row's count."""
    most = max(counts)
    if most == 0:
        return [()] * len(counts)
    ids, values = most_probable(logs, most)
    rows = zip(ids.tolist(), values.tolist(), counts, strict=True)
    return [tuple(zip(each[:count], logs_of[:count], strict=True)) for each, logs_of, count in rows]

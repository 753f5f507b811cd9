"""A step of all texts side by side: each reads its next symbols, and those that want to know get what is predicted."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from charloom.errors import NotFiniteError
from charloom.models.step_weights import Floats
from charloom.server.batching.draws import Draws
from charloom.server.batching.jobs import Symbol
from charloom.server.batching.rows import Rows, WritingRows
from charloom.server.batching.texts import News, Text

MOST_AT_A_TIME = 64
"""Symbols of each text that are read or written at a time."""


class Steps:
    """The steps of one model. Everything after the logits treats each row by itself."""

    def __init__(self, rows: Rows, draws: Draws) -> None:
        self.rows, self._draws = rows, draws
        self._writing = rows if isinstance(rows, WritingRows) else None

    def step(self, texts: Sequence[Text], most: int) -> tuple[int, dict[int, News | NotFiniteError]]:
        """Let text i read what is next with row i, up to `most` symbols if all are within their prompts.

        If all only go on writing, up to `most` too. Returns how many symbols each has read, and what is new, by the
        number of the text.
        """
        if most > 1 and self._writing is not None and all(text.goes_on for text in texts):
            return self._write(self._writing, texts, min(most, max(text.missing for text in texts)))
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

    def _write(
        self, rows: WritingRows, texts: Sequence[Text], count: int
    ) -> tuple[int, dict[int, News | NotFiniteError]]:
        uniforms = np.array([text.numbers(count) for text in texts]).T.copy()
        drawn = rows.write([text.last for text in texts], [text.job.sampling for text in texts], uniforms)
        each = zip(texts, drawn.T.tolist(), strict=True)
        return count, {number: text.write_all(symbols) for number, (text, symbols) in enumerate(each)}

    def _news(self, texts: list[Text], logits: Floats) -> list[News]:
        """What is new of texts that asked for these logits (B, V)."""
        outputs = logits.shape[1]
        unknown = {place for place, text in enumerate(texts) if not text.writes and text.following >= outputs}
        reported = [place for place, text in enumerate(texts) if text.alternatives is not None and place not in unknown]
        shown = logits[reported] if reported else logits  # drawing may overwrite them
        writing = [place for place, text in enumerate(texts) if text.writes]
        drawn = self._drawn(
            [texts[place] for place in writing], logits if len(writing) == len(texts) else logits[writing]
        )
        symbols = dict(zip(writing, drawn, strict=True))
        reports = {place: Symbol(texts[place].following, math.nan, ()) for place in unknown}
        if reported:
            ids = [symbols[place] if place in symbols else texts[place].following for place in reported]
            counts = [min(texts[place].alternatives or 0, shown.shape[1]) for place in reported]
            found = zip(ids, *self._draws.reports(shown, ids, counts), strict=True)
            reports |= {place: Symbol(*symbol) for place, symbol in zip(reported, found, strict=True)}
        return [
            text.write(symbols[place], reports.get(place)) if place in symbols else text.read(reports[place])
            for place, text in enumerate(texts)
        ]

    def _drawn(self, texts: list[Text], logits: Floats) -> list[int]:
        """The next symbols of texts, one random number each."""
        if not texts:
            return []
        configs = [text.job.sampling for text in texts]
        recent = [text.recent or () for text in texts]
        return self._draws.symbols(logits, configs, recent, [text.numbers(1)[0] for text in texts])

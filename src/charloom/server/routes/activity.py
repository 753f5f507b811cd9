"""The activity of hidden units along a text, computed next to the event loop."""

import json
import threading
from collections.abc import Callable, Iterator

import numpy as np

from charloom.data.vocabulary import Ids
from charloom.errors import CharloomError
from charloom.generation.writer import Writer
from charloom.models.model_folder import encode_for
from charloom.models.state import unit_values
from charloom.server.routes.errors import RequestError
from charloom.server.routes.workers import Workers
from charloom.server.served import Limits
from charloom.storage.tensor_files import Array

_WAITING = 8
"""Requests that wait for the one that is computed."""

_DIGITS = 4
"""Decimal places of a value, which lies between -1 and 1 except in a ReLU network."""


class Activity:
    """Answers one request after another."""

    def __init__(self, limits: Limits) -> None:
        self._units, self._workers = limits.units, Workers(1, _WAITING)

    async def of(self, writer: Writer, text: str, *, layer: int, units: list[int] | None) -> str:
        """The values of `units` of a layer after each character of `text`, as JSON; without units, of those that vary
        most.

        Raises `RequestError` for a layer or unit that the network lacks, `TextError`, `ServerBusy`.
        """
        network = writer.config.network
        if layer >= network.layers:
            raise RequestError(f"layer is {layer}; this network has layers 0 to {network.layers - 1}", "layer")
        if units is not None and max(units) >= network.hidden_size:
            raise RequestError(f"unit {max(units)} is not among 0 to {network.hidden_size - 1}", "units")
        try:
            ids = encode_for(writer.config, writer.vocabulary, text).astype(np.int64)
        except CharloomError as error:
            raise RequestError(str(error), "text") from None
        left = threading.Event()
        try:
            return await self._workers.run(lambda: self._json(writer, ids, layer, units, left.is_set))
        finally:
            left.set()

    def _json(self, writer: Writer, ids: Ids, layer: int, units: list[int] | None, left: Callable[[], bool]) -> str:
        chosen = np.array(units) if units is not None else self._most_varied(writer, ids, layer, left)
        values = np.empty((len(ids), len(chosen)), np.float32)
        for place, every in enumerate(_every_unit(writer, ids, layer, left)):
            values[place] = every[chosen]
        ends = _ends(writer, ids)
        rows = [json.dumps([round(value, _DIGITS) for value in row.tolist()]) for row in values[ends].T]
        return f'{{"units":{json.dumps(chosen.tolist())},"values":[{",".join(rows)}]}}'

    def _most_varied(self, writer: Writer, ids: Ids, layer: int, left: Callable[[], bool]) -> Array:
        """The units whose values vary most along the text, the most varied first."""
        size = writer.config.network.hidden_size
        total, squares = np.zeros(size), np.zeros(size)
        for every in _every_unit(writer, ids, layer, left):
            total += every
            squares += every.astype(np.float64) ** 2
        variance = squares / len(ids) - (total / len(ids)) ** 2
        return np.argsort(-variance, kind="stable")[: self._units]


def _every_unit(writer: Writer, ids: Ids, layer: int, left: Callable[[], bool]) -> Iterator[Array]:
    """The values (H,) of a layer's units after each symbol, overwritten by the next; ends early if the client has left.

    They are those of `charloom report` and of an exported page.
    """
    for place, rows in enumerate(writer.stepper.follow(ids.tolist(), writer.vocabulary.boundary)):
        if place % 64 == 0 and left():
            return
        yield unit_values(writer.config.network.cell, tuple(part[layer, 0] for part in rows.state))


def _ends(writer: Writer, ids: Ids) -> Array:
    """The places of the symbols that complete a character."""
    decoder, boundary = writer.vocabulary.decoder(), writer.vocabulary.boundary
    complete = [symbol == boundary or bool(decoder.push(symbol)) for symbol in ids.tolist()]
    return np.flatnonzero(complete)

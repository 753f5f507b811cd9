"""A model that is written again is loaded again, without a request lost.

A look at the files every half second costs microseconds. The new model is loaded while the old one serves, and makes
one step; only then do new requests go to it. A model that cannot be read leaves the old one in its place.
"""

import asyncio

from charloom.errors import CharloomError
from charloom.server.logs import LOG
from charloom.server.registry import Models, Signature, prove, signature
from charloom.server.served import Served

EVERY = 0.5
"""Seconds between two looks."""


class Reloading:
    """Watches the files of all models."""

    def __init__(self, models: Models, *, every: float = EVERY) -> None:
        self._models, self._every = models, every
        self._refused: dict[str, Signature] = {}
        "The state of a model's files that could not be read."

    async def run(self) -> None:
        """Look until the task is cancelled."""
        while True:
            await asyncio.sleep(self._every)
            for name in self._models.names():
                await self.look(name)

    async def look(self, name: str) -> bool:
        """Take up the model of this name if its files have changed; whether a newer one is served now."""
        entry = self._models.entry(name)
        now = await asyncio.to_thread(signature, entry.served.place, entry.folder)
        if now in (entry.read, self._refused.get(name)):
            return False
        try:
            newer = await asyncio.to_thread(self._models.read, name)
            await self._prove(newer.served)
            after = await asyncio.to_thread(signature, newer.served.place, newer.folder)
        except Exception as error:
            self._refused[name] = now
            self._models.metrics.of(name).failed_reloads += 1
            LOG.warning(
                "%s has changed and cannot be used, so the model before it is served on: %s",
                *(name, str(error) or type(error).__name__),
                exc_info=not isinstance(error, (CharloomError, OSError, MemoryError)),
            )
            return False
        if after != newer.read:  # it was written meanwhile
            await self._drop(newer.served)
            return False
        self._models.put(name, newer)
        self._refused.pop(name, None)
        self._models.metrics.of(name).reloads += 1
        LOG.info("%s has changed; its new model is served from now on", name)
        return True

    async def _prove(self, served: Served) -> None:
        try:
            await prove(served)
        except BaseException:
            await self._drop(served)
            raise

    async def _drop(self, served: Served) -> None:
        if served.engine is not None:
            await served.engine.close(grace=0.0)

"""Many short texts as batches, where there are too many to mix them all: a section at a time, each mixed by itself.

The text is cut where texts end into sections of about equal length, so that neither the text nor the places of its
texts have to be in memory. Each epoch reads the sections in an order of its own. The batches depend on the symbols
alone, wherever they are.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from charloom.data.batches import Batch
from charloom.data.documents import Documents
from charloom.data.stored_ids import AnyIds, StoredIds
from charloom.errors import FolderError
from charloom.places import cache
from charloom.places.notices import notify
from charloom.storage import strict_json

MIXED = 1 << 24
"""The most symbols that are mixed as a whole, by `Documents`."""

SECTION = 1 << 22
"""The most symbols of a section, about."""

SLOW = 1 << 26
"""Symbols from which on a person is told that batches are being counted."""


@dataclass(frozen=True)
class Layout:
    """How a text is cut, remembered in the user's cache because the whole text has to be read to know it."""

    stops: tuple[int, ...]
    "Where each section ends, in symbols."
    batches: tuple[int, ...]
    "How many batches each section has in an epoch."
    streams: int
    "The most rows of a batch, about."
    checksum: str
    "SHA-256 of the fields above."

    @classmethod
    def of(cls, stops: Sequence[int], batches: Sequence[int], streams: int) -> "Layout":
        """A layout with its checksum."""
        return cls(tuple(stops), tuple(batches), streams, _checksum(stops, batches, streams))

    def fits(self, ids: AnyIds) -> bool:
        """Whether it can be the layout of this text."""
        rising = all(earlier < later for earlier, later in zip((0, *self.stops), self.stops, strict=False))
        return (
            self.checksum == _checksum(self.stops, self.batches, self.streams)
            and rising
            and self.stops[-1:] == (len(ids),)
            and len(self.batches) == len(self.stops)
            and min((*self.batches, self.streams)) > 0
        )


class Sections:
    """As `Documents` of the whole text, but texts are mixed within their section alone.

    The order of the sections is drawn by PCG64([seed, epoch]), that of the texts of section s by PCG64([seed, s + 1,
    epoch]). A text so long that half a section holds no end is cut; its rest begins with a zero state and the symbol
    before it, as the pieces of a folded text do.
    """

    def __init__(
        self, ids: AnyIds, *, boundary: int, batch_size: int, sequence_length: int, seed: int, fold: bool = False
    ) -> None:
        self._ids, self._boundary, self._seed = ids, boundary, seed
        self._sizes: dict[str, Any] = {"batch_size": batch_size, "sequence_length": sequence_length, "fold": fold}
        layout = self._remembered(ids) if isinstance(ids, StoredIds) else self._laid_out()
        self.streams, self._stops = layout.streams, layout.stops
        self._batches = np.array(layout.batches)
        self._total = sum(layout.batches)
        self._last: tuple[int, Documents] | None = None

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, k: int) -> Batch:
        number, slot = divmod(k, self._total)
        order = np.random.Generator(np.random.PCG64([self._seed, number])).permutation(len(self._stops))
        ends = np.cumsum(self._batches[order])
        place = int(np.searchsorted(ends, slot, side="right"))
        documents = self._documents(int(order[place]))
        batch = documents[(number + 1) * len(documents) - int(ends[place]) + slot]
        return replace(batch, weight=batch.symbols * self._total / len(self._ids))

    def _documents(self, section: int) -> Documents:
        if self._last is None or self._last[0] != section:
            self._last = None  # two sections at a time would take twice the memory
            self._last = section, self._read(section, *((0, *self._stops)[section : section + 2]))
        return self._last[1]

    def _read(self, section: int, start: int, stop: int) -> Documents:
        before = int(self._ids[start - 1 : start][0]) if start else self._boundary
        return Documents(
            self._ids[start:stop],
            **self._sizes,
            boundary=self._boundary,
            before=before,
            seed=(self._seed, section + 1),
        )

    def _remembered(self, ids: StoredIds) -> Layout:
        name = Path(f"{ids.name}.{_digest((ids.part, SECTION, *self._sizes.values()))}.json")
        data = cache.remembered(name, strict_json.LARGEST_JSON)
        if data is not None:
            try:
                layout = strict_json.load(Layout, strict_json.parse(data, str(name)), str(name))
                if layout.fits(ids):
                    return layout
            except FolderError:
                pass  # it is written again
        layout = self._laid_out()
        cache.remember(name, strict_json.dump_line(layout))
        return layout

    def _laid_out(self) -> Layout:
        if isinstance(self._ids, StoredIds) and len(self._ids) >= SLOW:
            notify(
                f"counting the batches of {len(self._ids):,} symbols once; later runs with these sizes start at once"
            )
        stops, batches, streams, start = list[int](), list[int](), 0, 0
        for stop in _cuts(self._ids, self._boundary):
            documents = self._read(len(stops), start, stop)
            stops.append(stop)
            batches.append(len(documents))
            streams, start = max(streams, documents.streams), stop
        return Layout.of(stops, batches, streams)


def _cuts(ids: AnyIds, boundary: int) -> Iterator[int]:
    """Where sections end: after the first boundary behind equal parts of the text."""
    parts, before = -(-len(ids) // SECTION), 0
    for part in range(1, parts):
        wanted = max(part * len(ids) // parts, before + 1)
        place = _boundary_after(ids, boundary, wanted - 1) or wanted
        if before < place < len(ids):
            yield place
            before = place
    yield len(ids)


def _boundary_after(ids: AnyIds, boundary: int, place: int) -> int | None:
    """The place after the first boundary at `place` or later, if one is within half a section."""
    if isinstance(ids, StoredIds):
        return ids.boundary_after(place, SECTION // 2)
    there = np.flatnonzero(ids[place : place + SECTION // 2] == boundary)
    return place + int(there[0]) + 1 if len(there) else None


def _checksum(stops: Sequence[int], batches: Sequence[int], streams: int) -> str:
    return hashlib.sha256(repr((tuple(stops), tuple(batches), streams)).encode()).hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]

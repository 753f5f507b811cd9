"""The ids of a text that stays in its file: read by position, so that a text of any length takes no memory.

A character of an ASCII text is its byte; of any other text, a number in a file of the cache
(`charloom.data.text_survey`). A table gives the id of each in the model's vocabulary, and boundaries are put in where
one of several texts ends.
"""

import bisect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, overload

import numpy as np
from numpy.typing import NDArray

from charloom.data.ends import NO_ENDS, Ends
from charloom.data.file_bytes import FileBytes
from charloom.data.text import Text
from charloom.data.text_bytes import TextBytes
from charloom.data.vocabulary import UNSEEN, Ids, Vocabulary
from charloom.errors import TextError, shown

NEAR = 4096
"""Places closer than this are read together."""

TOGETHER = 256
"""Ends of texts looked at together."""

AHEAD = 1 << 16
"""Symbols read at a time in the search for a boundary."""

READ_AHEAD = 1 << 19
"""Symbols read at a time for all columns of a batch together."""


class StoredIds:
    """Symbol ids (T,), most of them in a file. Indexed by a slice or an array of places, it gives an array.

    The file of a text that changes meanwhile raises `TextError`; so does a character that the vocabulary lacks.
    """

    def __init__(self, text: Text, vocabulary: Vocabulary, newline: int | None = None) -> None:
        """`newline` is the id that becomes the boundary, if lines are texts. Raises `TextError`."""
        assert isinstance(text.data, TextBytes), "the text is in a file"
        self.boundary, self.dtype = vocabulary.boundary, vocabulary.dtype
        self._vocabulary, self._lines = vocabulary, newline is not None
        self._bytes, self._kind, table = _numbers(text, text.data, vocabulary)
        self._all_known = not (table == UNSEEN).any()
        if newline is not None:
            table[table == newline] = vocabulary.boundary
        self._table = table.astype(self.dtype) if self._all_known else table
        self._text, self._survey = text.data.file, text.data.survey
        self._last_character = text.data.first_character + text.characters
        self._size = len(self._bytes) // self._kind.itemsize
        if not self._all_known:
            self._refuse_new(text.data, table)
        self._ends = self._inserted_at(text)
        self._next, self._ahead = np.zeros(0, np.int64), (np.zeros(0, np.int64), np.zeros((0, 0), self.dtype))

    @property
    def name(self) -> Path:
        """The place in the cache of what is known of its text."""
        return self._survey.name

    @property
    def part(self) -> tuple[object, ...]:
        """Which part of the text it is, and of which symbols and texts it consists."""
        return self._vocabulary.kind, self._lines, self._bytes.start, self._bytes.stop, len(self._ends)

    def __len__(self) -> int:
        return self._size + len(self._ends)

    @property
    def several(self) -> bool:
        """Whether there may be boundaries in it."""
        return self._lines or len(self._ends) > 0

    @overload
    def __getitem__(self, places: slice) -> Ids: ...

    @overload
    def __getitem__(self, places: NDArray[np.int64]) -> Ids: ...

    def __getitem__(self, places: slice | NDArray[np.int64]) -> Ids:
        if isinstance(places, slice):
            start, stop, step = places.indices(len(self))
            return self._between(start, max(start, stop))[::step]
        self._text.check()
        places = np.asarray(places)
        if places.ndim == 2 and (columns := self._columns(places)) is not None:
            return columns
        flat = places.ravel(order="F")  # down each column, as texts are read
        found = np.empty(len(flat), self.dtype)
        cuts = np.flatnonzero(np.abs(np.diff(flat)) > NEAR) + 1
        for first, last in zip([0, *cuts.tolist()], [*cuts.tolist(), len(flat)], strict=True):
            here = flat[first:last]
            if len(here):
                low = int(here.min())
                found[first:last] = self._between(low, int(here.max()) + 1)[here - low]
        return found.reshape(places.shape, order="F")

    def _columns(self, places: NDArray[np.int64]) -> Ids | None:
        """Symbols at places (T, B) that are consecutive in each column, if they were read ahead or now are.

        Where one such request follows another, as in `Streams`, what comes next is read too: a column at a time, it
        costs as much as a few symbols.
        """
        rows, top = len(places), places[0] if len(places) else np.zeros(0, np.int64)
        if not (rows and len(top) and (np.diff(places, axis=0) == 1).all()):
            return None
        follows = np.array_equal(self._next, top)
        self._next = places[-1].copy()
        first, read = self._ahead
        offset = int(top[0] - first[0]) if len(first) else 0
        if len(first) == len(top) and 0 <= offset <= read.shape[1] - rows and (top - first == offset).all():
            return read[:, offset : offset + rows].T
        if not follows:
            return None
        read = np.zeros((len(top), max(rows, READ_AHEAD // len(top))), self.dtype)
        for column, start in enumerate(top.tolist()):
            found = self._between(start, min(start + read.shape[1], len(self)))
            read[column, : len(found)] = found
        self._ahead = top.copy(), read
        return read[:, :rows].T

    def unseen(self) -> int:
        """How many characters of the whole text do not occur in this part, which is its beginning."""
        return int((self._survey.first >= self._last_character).sum())

    def boundary_after(self, place: int, most: int) -> int | None:
        """The place after the first boundary at `place` or later, if one is among the next `most` symbols."""
        stop = min(place + most, len(self))
        if not self._lines:
            after = self._boundaries_before(place)
            here = int(self._ends[after]) + after if after < len(self._ends) else stop
            return here + 1 if here < stop else None
        for start in range(place, stop, AHEAD):
            there = np.flatnonzero(self[start : min(start + AHEAD, stop)] == self.boundary)
            if len(there):
                return start + int(there[0]) + 1
        return None

    def spans(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Starts and lengths of the texts, each including its boundary, some thousands at a time."""
        begun = 0
        for stops in self._boundaries():
            starts = np.concatenate(([begun], stops[:-1]))
            yield starts, stops - starts
            begun = int(stops[-1])
        if begun < len(self):
            yield np.array([begun]), np.array([len(self) - begun])

    def _boundaries(self) -> Iterator[NDArray[np.int64]]:
        """The places after the boundaries, some at a time."""
        if not self._lines:
            for first in range(0, len(self._ends), AHEAD):
                ends = self._ends[first : first + AHEAD]
                yield ends + np.arange(first + 1, first + len(ends) + 1)
            return
        for start in range(0, len(self), AHEAD):
            stops = np.flatnonzero(self[start : start + AHEAD] == self.boundary) + start + 1
            if len(stops):
                yield stops

    def _between(self, start: int, stop: int) -> Ids:
        before, within = self._boundaries_before(start), self._boundaries_before(stop)
        ids = self._characters(start - before, stop - within)
        if before == within:
            return ids
        return np.insert(ids, self._ends[before:within] - (start - before), self.boundary)

    def _boundaries_before(self, place: int) -> int:
        """How many boundaries are put in before a place: the one of end i is at the place `ends[i] + i`."""
        return bisect.bisect_left(range(len(self._ends)), place, key=lambda i: int(self._ends[i]) + i)

    def _characters(self, start: int, stop: int) -> Ids:
        """Ids of the characters (or bytes) from `start` to `stop`, without the boundaries that are put in."""
        size = self._kind.itemsize
        numbers = np.frombuffer(bytes(self._bytes[start * size : stop * size]), self._kind)
        try:
            ids: Ids = self._table.take(numbers)
        except IndexError:
            raise TextError(
                f"{shown(self._bytes.file.path)} is damaged; remove what is remembered of the text with: charloom data "
                f"cache --remove {self.name.as_posix()}"
            ) from None
        if self._all_known:
            return ids
        missing = np.flatnonzero(ids == UNSEEN)
        if len(missing):
            self._vocabulary.encode(self._survey.name_of(int(numbers[missing[0]])), offset=start + int(missing[0]))
        return ids.astype(self.dtype)

    def _refuse_new(self, data: TextBytes, table: Ids) -> None:
        """Raise `TextError` if a character that the vocabulary lacks occurs here for the first time in the file."""
        survey = self._survey
        unknown = table[survey.symbols if survey.ascii else slice(None)] == UNSEEN
        first = survey.first[unknown] - data.first_character
        if (first >= 0).any():
            begin = 0 if (first < 0).any() else int(first.min())  # one that occurs before may occur here again
            for start in range(begin, int(first[first >= 0].min()) + 1, AHEAD):
                self._characters(start, min(start + AHEAD, self._size))

    def _inserted_at(self, text: Text) -> Ends:
        """The ends after which boundaries are put in, in characters (or bytes): those where no line ends."""
        ends = text.ends if self._vocabulary.kind == "characters" else text.bytes_of(text.ends)
        if self._lines:
            open_ends = [self._open(ends[first : first + TOGETHER]) for first in range(0, len(ends), TOGETHER)]
            ends = np.concatenate([NO_ENDS, *open_ends])
        return ends

    def _open(self, ends: Ends) -> Ends:
        """Those of some ends at which no line ends."""
        latest = np.empty(len(ends), np.int64)
        groups = np.concatenate(([0], np.flatnonzero(np.diff(ends) > NEAR) + 1, [len(ends)]))
        for first, last in itertools.pairwise(groups.tolist()):
            low = int(ends[first]) - 1
            latest[first:last] = self._characters(low, int(ends[last - 1]))[ends[first:last] - 1 - low]
        open_ends: Ends = ends[latest != self.boundary]
        return open_ends


AnyIds = Union[Ids, StoredIds]  # noqa: UP007
"""Symbol ids (T,), in memory or in a file."""


def _numbers(text: Text, data: TextBytes, vocabulary: Vocabulary) -> tuple[FileBytes, "np.dtype[Any]", Ids]:
    """The symbols of a text as numbers in a file, their type, and a table of their ids."""
    survey = data.survey
    if vocabulary.kind == "bytes":
        return data, np.dtype(np.uint8), np.arange(0x100)
    ids = vocabulary.find(survey.symbols)
    ids[survey.first >= data.first_character + text.characters] = 0  # it does not occur
    if survey.ids is None:
        table = np.zeros(0x100, np.int64)
        table[survey.symbols] = ids
        return data, survey.dtype, table
    width = survey.dtype.itemsize
    start = width * data.first_character
    return FileBytes(survey.ids, start, start + width * text.characters), survey.dtype, ids

"""A text cleaned a piece at a time: strict UTF-8, without a byte order mark, and with newlines as line ends."""

import codecs
import itertools
import math
from collections import deque
from collections.abc import Iterable, Iterator

from charloom.data import blocks
from charloom.data.compressed import Opened
from charloom.data.file_kinds import LEFT_OUT, advice, is_wide
from charloom.errors import SettingsError, TextError, shown
from charloom.errors.options import option

AROUND = 1 << 20
"""Bytes before and after one that is not UTF-8 from which the encoding is guessed."""

_Counted = tuple[bytes, int]
"""Bytes of whole characters, and how many characters they are."""


class Cleaning:
    """The bytes of a text on their way through the cleaning; iterate over it once.

    Compressed data is decompressed. Every piece that comes out consists of whole characters. How the bytes were cut
    into pieces changes nothing; cleaning twice changes nothing. Raises `TextError`, `SettingsError`,
    `MissingExtraError`.
    """

    def __init__(self, pieces: Iterable[bytes], encoding: str, name: str, *, in_folder: bool = False) -> None:
        self._pieces, self._encoding, self._name, self._in_folder = pieces, encoding, name, in_folder
        self.characters = 0
        "How many have come out so far."
        self.as_is = is_utf8(encoding)
        "Whether what has come out so far is what went in."
        self.notes: list[str] = []
        "What was changed, without the name of the text; complete at the end."
        self._marks = self._returns = self._pairs = self._newlines = 0

    def __iter__(self) -> Iterator[bytes]:
        opened = Opened(self._pieces, self._name, in_folder=self._in_folder)
        if opened.compression:
            self.as_is = False
            self.notes.append(f"decompressed ({opened.compression})")
        if not is_utf8(self._encoding):
            checked = self._checked(self._recoded(opened), opened)
        else:
            if is_wide(opened.beginning):
                told = advice(opened.beginning, flag=True, in_folder=self._in_folder)
                raise opened.refusal(TextError(f"{shown(self._name)} is full of control characters: {told}"))
            checked = self._checked(iter(opened), opened)
        for data, count in self._with_newlines(self._unmarked(checked)):
            self.characters += count
            yield data
        self._note()

    def _recoded(self, opened: Opened) -> Iterator[bytes]:
        """The text as UTF-8. Raises `TextError`."""
        decoder, place = codecs.getincrementaldecoder(self._encoding)("strict"), 0
        for block, last in _with_last(opened):
            try:
                data = decoder.decode(block, final=last).encode()
            except UnicodeError as error:
                at = place + getattr(error, "start", 0)
                raise opened.refusal(
                    TextError(
                        f"{shown(self._name)} is not {self._encoding}: it cannot be decoded near byte {at:,}; name its "
                        f"encoding with {option('encoding')}" + (LEFT_OUT if self._in_folder else "")
                    )
                ) from None
            place += len(block)
            if data:
                yield data

    def _checked(self, source: Iterator[bytes], opened: Opened) -> Iterator[_Counted]:
        """The same bytes, cut between characters. Raises `TextError` at the first that is not UTF-8."""
        place, rest, recent = 0, b"", _Recent()
        for block in itertools.chain(source, (b"",)):
            data = rest + block
            try:
                text, used = codecs.utf_8_decode(data, "strict", not block)
            except UnicodeDecodeError as error:
                raise opened.refusal(self._not_utf8(error, place, recent, block, source, opened.beginning)) from None
            recent.add(block)
            place, rest = place + used, data[used:]
            if used:
                yield (data[:used] if rest else data), len(text)

    def _not_utf8(
        self,
        error: UnicodeDecodeError,
        start: int,
        recent: "_Recent",
        block: bytes,
        following: Iterator[bytes],
        beginning: bytes,
    ) -> TextError:
        """What to say about an `error` in data that begins at `start`; `block` is the last that was read."""
        place = start + error.start
        around = recent.around(place, block, following)
        told = advice(beginning, flag=True, in_folder=self._in_folder, around=around)
        byte = error.object[error.start]
        return TextError(
            f"{shown(self._name)} is not UTF-8: byte 0x{byte:02x} at offset {place:,} ({error.reason}); {told}"
        )

    def _unmarked(self, parts: Iterable[_Counted]) -> Iterator[_Counted]:
        """The same without the byte order marks at the beginning."""
        at_start = True
        for data, count in parts:
            marks = 0
            while at_start and data.startswith(codecs.BOM_UTF8, 3 * marks):
                marks += 1
            if marks:
                self.as_is = False
                self._marks += marks
                data, count = data[3 * marks :], count - marks
            if data:
                at_start = False
                yield data, count

    def _with_newlines(self, parts: Iterable[_Counted]) -> Iterator[_Counted]:
        """The same with a newline for each CRLF and CR."""
        held = b""  # a carriage return at the end of a piece: the next may begin with its newline
        for data, count in itertools.chain(parts, ((b"", 0),)):
            whole = held + data
            count += len(held)
            held = b"\r" if data.endswith(b"\r") else b""
            if held:
                whole, count = whole[:-1], count - 1
            self._newlines += whole.count(b"\n")
            if b"\r" in whole:
                self.as_is = False
                pairs = whole.count(b"\r\n")
                self._returns += whole.count(b"\r")
                self._pairs += pairs
                whole, count = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), count - pairs
            if whole:
                yield whole, count

    def _note(self) -> None:
        if self._marks:
            self.notes.append("removed the byte order mark")
        if self._returns:
            newlines = self._newlines - self._pairs
            kinds = ((self._pairs, "CRLF"), (self._returns - self._pairs, "CR"))
            told = " and ".join(f"{count:,} {kind}" for count, kind in kinds if count)
            mixed = f" (mixed with {newlines:,} newline{'s' * (newlines != 1)})" if newlines else ""
            self.notes.append(f"read {told} line ends as newlines{mixed}")


def _with_last(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and whether it is the last; after a last block of full size comes an empty one."""
    waiting = b""
    for piece in pieces:
        if waiting:
            yield waiting, False
        waiting = piece
    if len(waiting) == blocks.PIECE:
        yield waiting, False
        waiting = b""
    yield waiting, True


class _Recent:
    """The last bytes of a stream, as many as the advice about a byte that is not UTF-8 may need."""

    def __init__(self) -> None:
        self._kept, self._length, self._start = deque[bytes](), 0, 0

    def add(self, block: bytes) -> None:
        self._kept.append(block)
        self._length += len(block)
        while self._length - len(self._kept[0]) > AROUND + 4:  # what is not UTF-8 may begin in the block before
            gone = len(self._kept.popleft())
            self._start, self._length = self._start + gone, self._length - gone

    def around(self, place: int, block: bytes, following: Iterator[bytes]) -> bytes:
        """The bytes before and after a place in `block`, or at the end of the one before, from the first that begins a
        character."""
        data = b"".join((*self._kept, block))
        while self._start + len(data) < place + AROUND and (more := next(following, b"")):
            data += more
        low = max(0, place - AROUND - self._start)
        around = data[low : place + AROUND - self._start]
        return around.lstrip(_CONTINUATION) if low + self._start else around


_CONTINUATION = bytes(range(0x80, 0xC0))


class TooLarge(Exception):
    """A text turned out to be too large for memory."""


def whole(raw: bytes, cleaning: Cleaning, most: float = math.inf) -> bytes:
    """All that comes out of the cleaning of `raw`, which is not copied as long as it is clean.

    Raises `TooLarge` if more than `most` bytes come out of something else.
    """
    same, changed, size = 0, list[bytes](), 0
    for piece in cleaning:
        if cleaning.as_is:
            same += len(piece)
            continue
        changed.append(piece)
        size += len(piece)
        if size > most:
            raise TooLarge
    return raw if cleaning.as_is else raw[:same] + b"".join(changed)


def is_utf8(encoding: str) -> bool:
    """Whether this is UTF-8, by any of its names. Raises `SettingsError` for what is not an encoding of texts."""
    try:
        codec = codecs.lookup(encoding)
        "".encode(encoding)  # decoding b"" would not check that the codec is for text
    except (LookupError, ValueError) as error:
        raise SettingsError(
            f"encoding is {encoding!r}, which Python does not know as a text encoding; try utf-8"
        ) from error
    return codec.name in ("utf-8", "utf-8-sig")

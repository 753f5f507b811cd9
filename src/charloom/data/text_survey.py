"""What one pass over a text in a file finds, remembered in the user's cache: a second run reads nothing of the text.

An entry of the cache holds the SHA-256, the symbols and where each occurs first, how many characters begin before each
block of bytes, and the characters as numbers. An ASCII text needs none of the last two: its bytes are its characters.
"""

import codecs
import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charloom.data.ends import NO_ENDS, Ends, written
from charloom.data.file_bytes import OpenFile
from charloom.data.text_bytes import Header, Survey, TextBytes
from charloom.errors import CharloomError, FolderError, shown
from charloom.places import cache, cache_entries
from charloom.places.notices import notify
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk

BLOCK = 1 << 16
"""Bytes of a text read at a time; characters are counted by blocks."""

PLACE = Path("texts")
"""Where the entries lie in the cache."""

SLOW = 1 << 28
"""Bytes from which on a person is told that a text is being read."""

_SYMBOLS, _FIRST, _COUNTS, _IDS, _HEADER = "symbols.bin", "first.bin", "counts.bin", "ids.bin", "text.json"
_READ = 1 << 20
_CONTINUATION = bytes(range(0x80, 0xC0))
_ASCII, _BEYOND = bytes(range(0x80)), bytes(range(0x80, 0x100))


def surveyed(path: Path, ends: Ends = NO_ENDS, *, cleaned: bool = False) -> TextBytes | None:
    """The text in a file, read once if nothing is remembered of it; None if it is not clean UTF-8.

    Clean: valid, without a byte order mark and carriage returns. `ends` are the characters at which the texts end that
    it consists of; only its SHA-256 depends on them. `cleaned`: it was cleaned before, so that nothing at its beginning
    is a byte order mark. Raises `TextError`, `StorageError`.
    """
    file = OpenFile(path)
    of_path = _digest(str(path.resolve()))[:16]
    name = PLACE / f"{of_path}-{_digest((*_state(file), _digest_of_ends(ends)))[:16]}"
    try:
        folder, survey = _filled(name, file, ends, cleaned)
    except _Unclean:
        return None
    if not folder.is_relative_to(cache.cache()):
        notify(f"{cache.cache()} cannot be written; until this process ends, what it would hold lies in {folder}")
    else:
        _forget_older(folder, of_path)
    return TextBytes(file, 0, file.identity.size, survey)


def _filled(name: Path, file: OpenFile, ends: Ends, cleaned: bool) -> tuple[Path, Survey]:
    """The folder of a text's entry and what is in it. Raises `_Unclean`, `CharloomError`."""
    for last in (False, True):  # it may be removed before this process says that it uses it
        folder = cache.filled(name, partial(_write, file, ends, cleaned), partial(_is_complete, name, file))
        cache_entries.use(folder)
        try:
            return folder, _load(name, folder, file, ends)
        except FolderError:
            if last:
                raise
    raise AssertionError("the second attempt returns or raises")


def forget(path: Path) -> None:
    """Remove what is known of the text in a file that is gone for good, unless another process uses it."""
    for folder in (cache.cache() / PLACE).glob(f"{_digest(str(path.resolve()))[:16]}-*"):
        if folder.is_dir():
            cache_entries.release(folder)
            with contextlib.suppress(CharloomError, OSError):
                cache_entries.discard(folder)
                cache.lock_of(folder).unlink(missing_ok=True)


class _Unclean(Exception):
    """The text has to be cleaned first."""


class _TooNarrow(Exception):
    """The text has more different characters than the numbers can tell apart."""


class _Pass:
    """One pass over a text, in which a character is a number of `width` bytes; 0 for an ASCII text."""

    def __init__(self, file: OpenFile, width: int) -> None:
        self._file, self._width = file, width
        self._dtype = np.dtype(f"<u{width or 1}")
        self._none = int(np.iinfo(self._dtype).max)
        self.table = np.full(0x110000, self._none, self._dtype)
        self.symbols, self.first, self.counts = list[int](), list[int](), [0]
        self.digest, self.characters = hashlib.sha256(), 0

    def blocks(self, *, cleaned: bool) -> Iterator[bytes]:
        """Read the text; yields its ids block by block, and nothing for an ASCII text. Raises `_Unclean`."""
        decoder, size = codecs.getincrementaldecoder("utf-8")("strict"), self._file.identity.size
        pending = b""
        for start in range(0, size, BLOCK):
            raw = self._file.read(start, min(start + BLOCK, size))
            if b"\r" in raw or (start == 0 and not cleaned and raw.startswith(codecs.BOM_UTF8)):
                raise _Unclean
            self.digest.update(raw)
            if self._width == 0:
                self._note_ascii(raw)
                self.characters += len(raw)
                continue
            try:
                decoder.decode(raw, final=start + BLOCK >= size)
            except UnicodeDecodeError:
                raise _Unclean from None
            whole = pending + raw
            pending = decoder.getstate()[0]
            ids = self._ids(whole[: len(whole) - len(pending)])
            self.characters += len(ids)
            self.counts.append(self.characters + bool(pending))
            yield ids.tobytes()

    def _note_ascii(self, raw: bytes) -> None:
        """Note the new symbols among ASCII bytes. Raises `_TooNarrow` if there are others."""
        new = raw.translate(None, bytes(self.symbols))
        if not new.isascii():
            raise _TooNarrow
        for symbol in sorted(set(new), key=raw.index):
            self._note(symbol, self.characters + raw.index(symbol))

    def _ids(self, data: bytes) -> NDArray[Any]:
        """The ids of whole characters: those of ASCII by a table of bytes, and the others, which are seldom, apart."""
        known = self.table[:0x80]
        familiar = bytes(np.flatnonzero(known != self._none).tolist()) + _BEYOND
        for symbol in sorted(set(data.translate(None, familiar)), key=data.index):
            self._note(symbol, self.characters + len(str(data[: data.index(symbol)], "utf-8")))
        bytewise = np.full(0x100, self._none, self._dtype)
        bytewise[:0x80] = known
        if self._width == 1:
            ids = np.frombuffer(bytearray(data.translate(bytewise.tobytes(), _CONTINUATION)), np.uint8)
        else:
            ids = bytewise[np.frombuffer(data.translate(None, _CONTINUATION), np.uint8)]
        places = np.flatnonzero(ids == self._none)
        if len(places):
            codes = np.frombuffer(str(data.translate(None, _ASCII), "utf-8").encode("utf-32-le"), "<u4")
            ids[places] = self._beyond_ascii(codes, places)
        return ids

    def _beyond_ascii(self, codes: NDArray[np.uint32], places: NDArray[np.int64]) -> NDArray[Any]:
        ids = self.table.take(codes)
        unknown = np.flatnonzero(ids == self._none)
        if len(unknown) == 0:
            return ids
        new, first = np.unique(codes[unknown], return_index=True)
        for code, place in sorted(zip(new.tolist(), unknown[first].tolist(), strict=True), key=lambda pair: pair[1]):
            self._note(code, self.characters + int(places[place]))
        return self.table.take(codes)

    def _note(self, symbol: int, place: int) -> None:
        if len(self.symbols) == self._none:
            raise _TooNarrow
        self.table[symbol] = len(self.symbols)
        self.symbols.append(symbol)
        self.first.append(place)


def _write(file: OpenFile, ends: Ends, cleaned: bool, folder: Path) -> None:
    """Write the entry of a text into an empty folder. Raises `_Unclean`, `TextError`, `StorageError`."""
    if file.identity.size >= SLOW:
        notify(f"reading {shown(file.path)} once ({file.identity.size / 1e9:.1f} GB); later runs on it start at once")
    for width in (0, 1, 2, 4):
        made, ids_digest = _Pass(file, width), hashlib.sha256()
        try:
            if width:
                blocks = _digested(made.blocks(cleaned=cleaned), ids_digest)
                atomic_files.write_new(Disk(), folder / _IDS, blocks)
            else:
                for _ in made.blocks(cleaned=cleaned):
                    pass
            break
        except _TooNarrow:
            continue
    if len(ends):
        for piece in written(ends):
            made.digest.update(piece)
    arrays = {
        _SYMBOLS: np.array(made.symbols, "<u4").tobytes(),
        _FIRST: np.array(made.first, "<i8").tobytes(),
        _COUNTS: np.array(made.counts if width else [], "<i8").tobytes(),
    }
    for name, data in arrays.items():
        atomic_files.write_new(Disk(), folder / name, data)
    header = Header(
        str(file.path),
        made.digest.hexdigest(),
        file.identity.size,
        made.characters,
        len(made.symbols),
        id_bytes=width,
        ids_sha256=ids_digest.hexdigest() if width else "",
        ids_state=_state(OpenFile(folder / _IDS)) if width else (),
        checksum="",
    )
    header = replace(header, checksum=_checksum(header, arrays))
    atomic_files.write_new(Disk(), folder / _HEADER, strict_json.dump(header))
    made_from = f"what one pass found in {shown(file.path)}"
    atomic_files.write_new(Disk(), folder / cache_entries.MADE_FROM, made_from.encode()[: cache_entries.LONGEST])


def _load(name: Path, folder: Path, file: OpenFile, ends: Ends) -> Survey:
    """The entry in a folder of the cache. Raises `FolderError` if it is damaged, or does not fit the file."""
    where = folder / _HEADER
    try:
        header = strict_json.load(Header, strict_json.parse(where.read_bytes(), str(where)), str(where))
        arrays = {name: (folder / name).read_bytes() for name in (_SYMBOLS, _FIRST, _COUNTS)}
        ids = OpenFile(folder / _IDS) if header.id_bytes else None
    except (OSError, CharloomError) as error:
        raise FolderError(f"{where} cannot be used: {error}; delete its folder") from None
    size = ids.identity.size if ids is not None else 0
    if (
        header.checksum != _checksum(header, arrays)
        or header.bytes != file.identity.size
        or size != header.characters * header.id_bytes
        or (ids is not None and not _intact(name, header, ids))
    ):
        raise FolderError(f"{where} is damaged; delete its folder")
    symbols, first, counts = (
        np.frombuffer(arrays[part], kind) for part, kind in ((_SYMBOLS, "<u4"), (_FIRST, "<i8"), (_COUNTS, "<i8"))
    )
    return Survey(name, ends, header, symbols, first, counts, ids, BLOCK)


def _intact(name: Path, header: Header, ids: OpenFile) -> bool:
    """Whether ids.bin is what was written: read only if it was touched since then, or since it was read last."""
    state, note = _state(ids), name.with_name(f"{name.name}.ids.json")
    checked = json.dumps([header.ids_sha256, *state]).encode()
    if state == header.ids_state or cache.remembered(note, len(checked)) == checked:
        return True
    digest = hashlib.sha256()
    for start in range(0, ids.identity.size, _READ):
        digest.update(ids.read(start, min(start + _READ, ids.identity.size)))
    if digest.hexdigest() != header.ids_sha256:
        return False
    cache.remember(note, checked)
    return True


def _state(file: OpenFile) -> tuple[int, ...]:
    return (*file.identity, file.changed)


def _digested(blocks: Iterable[bytes], digest: "hashlib._Hash") -> Iterator[bytes]:
    for block in blocks:
        digest.update(block)
        yield block


def _is_complete(name: Path, file: OpenFile, folder: Path) -> bool:
    try:
        _load(name, folder, file, NO_ENDS)
    except FolderError:
        return False
    return True


def _forget_older(folder: Path, of_path: str) -> None:
    """Remove the entries of what the file was before."""
    for other in folder.parent.glob(f"{of_path}-*"):
        if other.is_dir() and other.name != folder.name:
            cache_entries.release(other)
            with contextlib.suppress(CharloomError):
                cache_entries.discard(other)


def _checksum(header: Header, arrays: dict[str, bytes]) -> str:
    fields = strict_json.dump(replace(header, checksum=""))
    return hashlib.sha256(fields + b"".join(arrays.values())).hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def _digest_of_ends(ends: Ends) -> str:
    digest = hashlib.sha256()
    for piece in written(ends):
        digest.update(piece)
    return digest.hexdigest()

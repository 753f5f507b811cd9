"""Lines in the order of their keyed hashes, in memory or on the disk.

The order depends only on the lines and the seed: shuffling again changes nothing, and equal lines are adjacent, so that
no held-out line was trained on (except one at the split).
"""

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

from charloom.data import blocks
from charloom.data.parts import Part
from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.settings import CorpusConfig
from charloom.storage.atomic_files import storage_errors

SORTED = 16 << 20
"""Bytes of different lines that are sorted in memory at a time."""

HELD = 8 << 20
"""Bytes that wait in memory until they are written to the buckets."""

_DIGEST = 16
_OVERHEAD = 200
"""Bytes that a line takes in memory besides its text."""

Key = Callable[[bytes], bytes]
"""The keyed hash of a line that ends with its newline."""


def check(config: CorpusConfig) -> None:
    """Raise `SettingsError` if lines are to be shuffled in a text that is not made of lines."""
    if config.shuffle and config.documents != "lines":
        raise SettingsError(
            f"shuffle reorders lines, so it needs {option('documents', 'lines')}; add that, or leave shuffle out"
        )


def shuffled(parts: Iterable[Part], seed: int, folder: Path | None = None) -> Iterator[Part]:
    """The lines of all texts as one text, each with its newline.

    With `folder`, memory does not grow with the text; the folder is empty before and after. Raises `StorageError`.
    """
    counted = _Counted()
    lines = io.BufferedReader(blocks.PieceReader(blocks.blocks(counted.closed(parts), blocks.PIECE)), blocks.PIECE)
    key = _key(seed)
    ordered: Iterable[bytes] = sorted(lines, key=key) if folder is None else _on_disk(lines, key, folder, 0)
    waiting = bytearray()
    for line in ordered:
        waiting += line
        if len(waiting) >= blocks.PIECE:
            yield bytes(waiting), 0, False
            waiting.clear()
    yield bytes(waiting), counted.characters, True


class _Counted:
    """Counts the characters of parts that pass by."""

    def __init__(self) -> None:
        self.characters = 0

    def closed(self, parts: Iterable[Part]) -> Iterator[bytes]:
        """The parts, with a newline after each text that does not end with one."""
        latest = b""
        for data, characters, ended in parts:
            self.characters += characters
            latest = data or latest
            yield data
            if ended and not latest.endswith(b"\n"):
                self.characters += 1
                yield b"\n"


def _key(seed: int) -> Key:
    keyed = hashlib.blake2b(digest_size=_DIGEST, key=seed.to_bytes(8, "little"))

    def digest(line: bytes) -> bytes:
        state = keyed.copy()
        state.update(line[:-1])
        return state.digest()

    return digest


def _on_disk(lines: Iterable[bytes], key: Key, folder: Path, depth: int) -> Iterator[bytes]:
    """The sorted lines: dealt into files by a byte of their hashes, each of which is sorted in memory, or dealt again
    by the next byte if it has too many different lines."""
    with storage_errors(folder):
        buckets = _dealt(lines, key, folder, depth)
        for bucket in buckets:
            counts = _counts(bucket)
            if counts is not None:
                for line in sorted(counts, key=key):
                    yield from _repeated(line, counts[line])
            else:
                assert depth + 1 < _DIGEST, "different lines have different hashes"
                below = bucket.with_suffix(".dealt")
                below.mkdir()
                with bucket.open("rb") as file:
                    yield from _on_disk(file, key, below, depth + 1)
                below.rmdir()
            bucket.unlink()


def _dealt(lines: Iterable[bytes], key: Key, folder: Path, depth: int) -> list[Path]:
    """Files with the lines whose hashes have the same byte at `depth`, in the order of that byte."""
    waiting, held, known = [bytearray() for _ in range(256)], 0, set[int]()

    def write() -> None:
        for number, data in enumerate(waiting):
            if data:
                known.add(number)
                with (folder / f"{number:02x}").open("ab") as file:
                    file.write(data)
                data.clear()

    for line in lines:
        waiting[key(line)[depth]] += line
        held += len(line)
        if held >= HELD:
            write()
            held = 0
    write()
    return [folder / f"{number:02x}" for number in sorted(known)]


def _counts(bucket: Path) -> "Counter[bytes] | None":
    """How often each line of a file occurs in it; None if there are too many different ones."""
    counts, size = Counter[bytes](), 0
    with bucket.open("rb") as file:
        for line in cast(Iterable[bytes], file):
            if line not in counts:
                size += len(line) + _OVERHEAD
                if size > SORTED and counts:
                    return None
            counts[line] += 1
    return counts


def _repeated(line: bytes, count: int) -> Iterator[bytes]:
    """A line several times, in pieces that are not too large."""
    if count == 1:
        yield line
        return
    at_once = max(1, min(count, blocks.PIECE // len(line)))
    whole, rest = divmod(count, at_once)
    for _ in range(whole):
        yield line * at_once
    yield line * rest

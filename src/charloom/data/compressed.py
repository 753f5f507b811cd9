"""Compressed files, decompressed a piece at a time: gzip, bzip2, xz and zstd, known by how they begin."""

import bz2
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, cast

from charloom.data import blocks
from charloom.data.file_kinds import LEFT_OUT, SAMPLE, is_plain, refuse_binary
from charloom.errors import CharloomError, MissingExtraError, TextError, shown

Opener = Callable[[BinaryIO], tuple[BinaryIO, type[Exception]]]
"""Opens a compressed file for reading; also gives the error of damaged data."""


def _gzip(file: BinaryIO) -> tuple[BinaryIO, type[Exception]]:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb")), zlib.error


def _bzip2(file: BinaryIO) -> tuple[BinaryIO, type[Exception]]:
    return cast(BinaryIO, bz2.BZ2File(file)), ValueError


def _xz(file: BinaryIO) -> tuple[BinaryIO, type[Exception]]:
    return cast(BinaryIO, lzma.LZMAFile(file)), lzma.LZMAError


def _zstd(file: BinaryIO) -> tuple[BinaryIO, type[Exception]]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError:
        raise MissingExtraError("reading a file compressed with zstd", "files") from None
    return cast(BinaryIO, zstd.ZstdFile(file)), zstd.ZstdError


FORMATS: dict[str, tuple[re.Pattern[bytes], Opener]] = {
    "gzip": (re.compile(rb"\x1f\x8b\x08"), _gzip),
    "bzip2": (re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)"), _bzip2),
    "xz": (re.compile(rb"\xfd7zXZ\x00"), _xz),
    "zstd": (re.compile(rb"\x28\xb5\x2f\xfd"), _zstd),
}
"""How each compressed format begins, and how to read it."""


class Opened:
    """The bytes of a file that may be compressed: those inside, in blocks, read once.

    Raises `TextError` for damaged data, also while it is read, and for archives, pictures and other files that are not
    text in any encoding; `MissingExtraError`.
    """

    def __init__(self, pieces: Iterable[bytes], name: str, *, in_folder: bool = False) -> None:
        self.compression: str | None = None
        self.beginning, self._blocks = _peeked(pieces)
        if is_plain(self.beginning):  # a text may begin with the word GIF89a
            return
        subject = shown(name)
        for kind, (begin, opener) in FORMATS.items():
            if begin.match(self.beginning):
                self.compression, subject = kind, f"{subject}, decompressed,"
                self.beginning, self._blocks = _peeked(_decompressed(self._blocks, opener, kind, name, in_folder))
                break
        try:
            refuse_binary(self.beginning, subject, in_folder, compressed=self.compression is not None)
        except TextError as error:
            raise self.refusal(error) from None

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def refusal(self, error: TextError) -> TextError:
        """An error about what is inside, unless the file is damaged further on, which explains it and is raised."""
        if self.compression:
            for _ in self._blocks:
                pass
        return error


def decompressed(data: bytes, name: str, *, in_folder: bool = False) -> tuple[bytes, str | None]:
    """The bytes of a text, decompressed if necessary, and the compression found (None if there was none).

    Raises what `Opened` raises.
    """
    opened = Opened([data], name, in_folder=in_folder)
    return (b"".join(opened), opened.compression) if opened.compression else (data, None)


def _peeked(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    return blocks.peeked(blocks.blocks(pieces, blocks.PIECE), SAMPLE)


def _decompressed(pieces: Iterable[bytes], opener: Opener, kind: str, name: str, in_folder: bool) -> Iterator[bytes]:
    file, damage = opener(cast(BinaryIO, io.BufferedReader(blocks.PieceReader(pieces), blocks.PIECE)))
    try:
        yield from iter(lambda: file.read(blocks.PIECE), b"")
    except CharloomError:  # the file cannot be read at all
        raise
    except (OSError, EOFError, ValueError, damage) as error:
        if kind == "zstd" and "memory" in str(error):
            raise TextError(
                f"{shown(name)} is compressed with zstd --long, which needs more than 128 MiB to decompress; compress "
                "it again without --long"
            ) from None
        raise TextError(
            f"{shown(name)} is compressed with {kind}, but damaged or truncated; get it again"
            + (LEFT_OUT if in_folder else "")
        ) from None

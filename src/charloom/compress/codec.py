"""Lossless compression: the model predicts each character, and an entropy coder turns the probabilities into bits.

Both directions read the text symbol by symbol with the one-step path, because both must compute the same probabilities
to the last bit. A character that the model does not know is coded as an escape, which has a share of 2^-16 of each
distribution, followed by its code point (21 bits); bytes that are not UTF-8 are preserved. The header identifies the
model by its content, and the arithmetic by its results on that model: a file from a machine that rounds sums
differently is refused instead of being decoded wrongly. Memory holds the code, never the text.
"""

import codecs
import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom.compress.arithmetic import arithmetic_here, difference, remedy
from charloom.compress.coded_files import ARITHMETIC_BYTES, ORIGINAL_BYTES, Header, identity, pack, unpack
from charloom.compress.reader import Reader
from charloom.data.vocabulary import UNSEEN
from charloom.errors import FolderError, MissingExtraError
from charloom.generation.sampling import distributions, draw
from charloom.generation.writer import Writer
from charloom.models.model_source import ModelSource, arrays_of
from charloom.settings import SamplingConfig
from charloom.storage.tensor_files import Array

ESCAPE = 2.0**-16
"""Share of each distribution reserved for characters that the model does not know: costs 2e-5 bits per character."""

PROBED, PROBED_ADAPTIVE = 4096, 2048
"""Pseudo-random symbols that distinguish one arithmetic from another; 2,048 are 32 steps of a model that keeps
learning."""

_CODE_POINTS = 0x110000

_LEAST = 2.0**-24
"""No symbol is coded with a smaller probability."""

_BLOCK = 256

_PLAIN = SamplingConfig()


@dataclass(frozen=True)
class Compressed:
    """A compressed file and its figures."""

    data: bytes
    original_bytes: int
    symbols: int
    escapes: int
    nats: float
    "Surprisal of the symbols, including escapes and code points: what an ideal coder would need."
    coded_bytes: int
    "What the coder needed, without header and checksum."


class Codec:
    """A model prepared for compressing and decompressing. Raises `MissingExtraError` without the extra `compress`."""

    def __init__(self, model: ModelSource) -> None:
        try:
            import threadpoolctl  # noqa: F401
            from constriction import stream
        except ImportError:
            raise MissingExtraError("compressing", "compress") from None
        arrays = arrays_of(model)
        self._stream, self._arrays, self._stepper = stream, arrays, Writer(arrays).stepper
        self._vocabulary, self._lines = arrays.vocabulary, arrays.config.documents == "lines"
        self._outputs = self._stepper.outputs
        self._escape = None if self._vocabulary.kind == "bytes" else self._outputs
        self._family = stream.model.Categorical(perfect=False)
        self._points = stream.model.Uniform(_CODE_POINTS)
        self._model = identity(arrays)
        self._arithmetic = dict[bool, bytes]()

    def compress(self, data: bytes | Iterable[bytes], *, adaptive: bool = False) -> Compressed:
        """Compress any bytes, and decode the result once as a check. Raises `NotFiniteError`.

        The bytes may come in pieces. With `adaptive` the model keeps learning from what it has coded: smaller but
        slower.
        """
        compressed = self.encode(data, adaptive=adaptive)
        self.check(compressed)
        return compressed

    def check(self, compressed: Compressed) -> None:
        """Decode a compressed file to make sure that it is lossless."""
        try:
            for _ in self.decode(compressed.data):
                pass
        except FolderError:
            raise AssertionError("the decoded bytes differ from the original") from None

    def encode(self, data: bytes | Iterable[bytes], *, adaptive: bool = False) -> Compressed:
        """Compress any bytes without checking the result. Raises `NotFiniteError`."""
        encoder, reader = self._stream.queue.RangeEncoder(), self._reader(adaptive)
        nats, size, symbols, unknown, digest = 0.0, 0, 0, 0, hashlib.sha256()

        def counted() -> Iterator[bytes]:
            nonlocal size
            for piece in (data,) if isinstance(data, bytes) else data:
                size += len(piece)
                digest.update(piece)
                yield piece

        for block, points in self._blocks(counted()):
            table = np.empty((len(block), self._outputs + (self._escape is not None)))
            for place, symbol in enumerate(block.tolist()):
                table[place] = self._probabilities(reader)
                if symbol != self._escape:  # the network does not read an escape
                    reader.advance(symbol)
            nats -= float(np.log(np.maximum(table[np.arange(len(block)), block], _LEAST)).sum())
            escapes = np.flatnonzero(block == self._escape) if self._escape is not None else np.empty(0, np.int64)
            for first, last in _parts(len(block), escapes + 1):
                encoder.encode(block[first:last].astype(np.int32), self._family, table[first:last])
                if block[last - 1] == self._escape:
                    encoder.encode(points[int(np.searchsorted(escapes, last - 1))], self._points)
                    nats += math.log(_CODE_POINTS)
            symbols, unknown = symbols + len(block), unknown + len(escapes)
        coded = encoder.get_compressed().astype("<u4").tobytes()
        header = Header(
            self._model,
            self._fingerprint(adaptive),
            arithmetic_here(with_torch=adaptive),
            digest.digest()[:ORIGINAL_BYTES],
            size,
            symbols,
            adaptive,
        )
        return Compressed(pack(header, coded), size, symbols, unknown, nats, len(coded))

    def decompress(self, data: bytes) -> bytes:
        """The original bytes. Raises `FolderError` for a damaged file, another model or another arithmetic."""
        return b"".join(self.decode(data))

    def decode(self, data: bytes) -> Iterator[bytes]:
        """The original bytes in pieces.

        Raises `FolderError` at once for a damaged file, another model or another arithmetic, and after the last piece
        if the result is not the original.
        """
        header, coded = unpack(data)
        if header.model != self._model:
            raise FolderError("it was compressed with another model; give the one that it was compressed with")
        if header.arithmetic != self._fingerprint(header.adaptive):
            there, here = header.made_with, arithmetic_here(with_torch=header.adaptive)
            raise FolderError(
                f"it was compressed where sums are rounded in another order: {difference(there, here)}; "
                f"{remedy(there, here)}"
            )
        return self._pieces(coded, header)

    def _pieces(self, coded: Any, header: Header) -> Iterator[bytes]:
        size, digest = 0, hashlib.sha256()
        try:
            for symbols in self._symbols(coded, header):
                piece = self._bytes(symbols)
                size += len(piece)
                digest.update(piece)
                yield piece
        except (AssertionError, ValueError):  # from constriction, or because the symbols are not a text
            size = -1
        if size != header.bytes or digest.digest()[:ORIGINAL_BYTES] != header.original:
            raise FolderError("it does not decode to what was compressed; decompress it where it was made")

    def _symbols(self, coded: Any, header: Header) -> Iterator[list[int]]:
        """The coded symbols, one block at a time; an escaped code point c as -1 - c."""
        decoder, reader = self._stream.queue.RangeDecoder(coded), self._reader(header.adaptive)
        for first in range(0, header.symbols, _BLOCK):
            symbols = list[int]()
            for _ in range(min(_BLOCK, header.symbols - first)):
                family = self._stream.model.Categorical(self._probabilities(reader), perfect=False)
                symbol = int(decoder.decode(family))
                if symbol == self._escape:
                    symbols.append(-1 - int(decoder.decode(self._points)))
                else:
                    symbols.append(symbol)
                    reader.advance(symbol)
            yield symbols

    def _blocks(self, pieces: Iterable[bytes]) -> Iterator[tuple[Array, list[int]]]:
        """Ids of a file, one block at a time, with escapes for unknown characters, and the code points of those."""
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        for piece in itertools.chain(pieces, (None,)):
            if self._escape is None:
                ids, codes = np.frombuffer(piece or b"", np.uint8).astype(np.int64), np.empty(0, np.int64)
                newlines = ids == 10
            else:  # a byte that is not UTF-8 becomes a lone surrogate, which encodes back to it
                text = decoder.decode(piece or b"", final=piece is None)
                codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
                ids = self._vocabulary.find(codes)
                ids = np.where(ids == UNSEEN, self._escape, ids)
                newlines = codes == 10
            if self._lines:  # the boundary stands for the newline
                ids[newlines] = self._vocabulary.boundary
            for start in range(0, len(ids), _BLOCK):
                block = slice(start, start + _BLOCK)
                unknown = codes[block][ids[block] == self._escape] if self._escape is not None else codes
                yield ids[block], unknown.tolist()

    def _bytes(self, symbols: list[int]) -> bytes:
        """The bytes of the file that symbols stand for; negative ones are escaped code points."""
        characters, boundary = self._vocabulary.characters, self._vocabulary.boundary
        if self._escape is None:
            return bytes([10 if symbol == boundary else symbol for symbol in symbols])
        text = "".join(
            chr(-1 - symbol) if symbol < 0 else "\n" if symbol == boundary else characters[symbol] for symbol in symbols
        )
        return text.encode("utf-8", "surrogateescape")

    def _reader(self, adaptive: bool) -> Reader:
        if not adaptive:
            return Reader(self._stepper, self._vocabulary.boundary)
        from charloom.compress.adaptive import AdaptiveReader

        return AdaptiveReader(self._arrays, self._stepper)

    def _probabilities(self, reader: Reader) -> Array:
        """Probabilities of the symbols, the escape last."""
        probabilities = distributions(reader.logits(), _PLAIN)[0]
        return probabilities if self._escape is None else np.append(probabilities * (1 - ESCAPE), ESCAPE)

    def _fingerprint(self, adaptive: bool) -> bytes:
        """A digest of this machine's arithmetic on the model: its tables, and the probabilities of a pseudo-random
        text.

        Each symbol is drawn half from the model and half uniformly, so the text visits both what the model expects and
        what it does not. A single probability that differs in its last bit changes the digest.
        """
        if adaptive not in self._arithmetic:
            digest = hashlib.sha256()
            for table in self._stepper.tables():
                digest.update(table.tobytes())
            reader = self._reader(adaptive)
            for uniform in _uniforms(PROBED_ADAPTIVE if adaptive else PROBED):
                probabilities = self._probabilities(reader)
                digest.update(probabilities.tobytes())
                mixed = (probabilities[: self._outputs] + 1 / self._outputs) / 2
                reader.advance(draw(mixed / mixed.sum(), uniform))
            self._arithmetic[adaptive] = digest.digest()[:ARITHMETIC_BYTES]
        return self._arithmetic[adaptive]


def _uniforms(count: int) -> list[float]:
    """Pseudo-random numbers in [0, 1) that never change: SHAKE-256 of a fixed word, 53 bits each."""
    words = np.frombuffer(hashlib.shake_256(b"charloom").digest(8 * count), "<u8")
    numbers: list[float] = ((words >> 11) * 2.0**-53).tolist()
    return numbers


def _parts(size: int, ends: Array) -> Iterator[tuple[int, int]]:
    """Parts (first, last) of a block, each up to one of `ends` or to the end of the block."""
    first = 0
    for last in [*ends.tolist(), size]:
        if last > first:
            yield first, last
            first = last

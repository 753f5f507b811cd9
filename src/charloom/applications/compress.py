"""Lossless compression: the model says how likely each character is, an entropy coder turns that into bits.

    charloom-cl-1 | header, one line of JSON | the coded symbols | SHA-256 of all before

Both directions read the text with the one-step path, a symbol at a time, because both must come to the same probabilities to
the last bit. A character that the model does not know is coded as an escape, which has a share of 2^-16 of each
distribution, and its code point (21 bits); bytes that are no UTF-8 are kept as such. The header names the model by its
content, and the arithmetic by what it makes of a fixed sequence: a file that was coded by another processor's additions is
refused instead of decoded into something else.
"""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from charloom import records
from charloom.applications.reader import Reader
from charloom.errors import FolderError, MissingExtraError
from charloom.model_files import ModelArrays
from charloom.sampling import distributions
from charloom.settings import SamplingConfig
from charloom.tensor_files import Array
from charloom.vocabulary import UNSEEN
from charloom.writer import HasArrays, Writer

MAGIC = b"charloom-cl-1\n"

ESCAPE = 2.0**-16
"""Share of each distribution that is kept for characters that the model does not know: costs 2e-5 bits a character."""

_CODE_POINTS = 0x110000

_LEAST = 2.0**-24
"""No symbol is coded with a smaller probability."""

_BLOCK = 256

FINGERPRINTED = 192
"""Symbols of the fixed sequence that tells one arithmetic from another; more than a model that adapts learns from at a time."""

_PLAIN = SamplingConfig()


@dataclass(frozen=True)
class Header:
    """What stands before the coded symbols."""

    model: str
    "SHA-256 of its configuration, vocabulary and weights."
    arithmetic: str
    "SHA-256 of the distributions over a fixed sequence, as the machine works them out."
    original: str
    "SHA-256 of the file."
    bytes: int
    symbols: int
    "Coded symbols."
    adaptive: bool
    "Whether the model went on learning from what it had coded."


@dataclass(frozen=True)
class Compressed:
    """A compressed file, and what it cost."""

    data: bytes
    original_bytes: int
    symbols: int
    escapes: int
    nats: float
    "Surprisal of the symbols, escapes and their code points included: what an ideal coder would need."
    coded_bytes: int
    "What the coder needed, without header and checksum."


class Codec:
    """A model made ready to compress and decompress. Raises `MissingExtraError` without constriction."""

    def __init__(self, model: HasArrays) -> None:
        try:
            from constriction import stream
        except ImportError:
            raise MissingExtraError("compressing", "compress") from None
        arrays = model.arrays()
        self._stream, self._arrays, self._stepper = stream, arrays, Writer(arrays).stepper
        self._vocabulary, self._lines = arrays.vocabulary, arrays.config.documents == "lines"
        self._outputs = self._stepper.outputs
        self._escape = None if self._vocabulary.kind == "bytes" else self._outputs
        self._family = stream.model.Categorical(perfect=False)
        self._points = stream.model.Uniform(_CODE_POINTS)
        self._model = _identity(arrays)
        self._arithmetic = dict[bool, str]()

    def compress(self, data: bytes, *, adaptive: bool = False) -> Compressed:
        """The compressed form of any bytes, decoded again before it is given. Raises `NotFiniteError`.

        With `adaptive` the model goes on learning from what it has coded: smaller, and slower.
        """
        made = self.encode(data, adaptive=adaptive)
        if self.decompress(made.data) != data:
            raise AssertionError("what was coded is not what is decoded")
        return made

    def encode(self, data: bytes, *, adaptive: bool = False) -> Compressed:
        """The compressed form of any bytes, not looked at again."""
        symbols, points = self._symbols(data)
        encoder, nats, reader = self._stream.queue.RangeEncoder(), 0.0, self._reader(adaptive)
        for start in range(0, len(symbols), _BLOCK):
            block = symbols[start : start + _BLOCK]
            table = np.empty((len(block), self._outputs + (self._escape is not None)))
            for place, symbol in enumerate(block.tolist()):
                table[place] = self._probabilities(reader)
                if symbol != self._escape:
                    reader.advance(symbol)
            nats -= float(np.log(np.maximum(table[np.arange(len(block)), block], _LEAST)).sum())
            escapes = np.flatnonzero(block == self._escape) if self._escape is not None else np.empty(0, np.int64)
            for first, last in _pieces(len(block), escapes + 1):
                encoder.encode(block[first:last].astype(np.int32), self._family, table[first:last])
                if block[last - 1] == self._escape:
                    encoder.encode(next(points), self._points)
                    nats += math.log(_CODE_POINTS)
        coded = encoder.get_compressed().astype("<u4").tobytes()
        header = Header(self._model, self._fingerprint(adaptive), _sha256(data), len(data), len(symbols), adaptive)
        head = MAGIC + json.dumps(records.plain(header)).encode() + b"\n"
        made = head + coded + hashlib.sha256(head + coded).digest()
        unknown = int((symbols == self._escape).sum()) if self._escape is not None else 0
        return Compressed(made, len(data), len(symbols), unknown, nats, len(coded))

    def decompress(self, data: bytes) -> bytes:
        """The original. Raises `FolderError` for a file that is damaged, of another model or of another arithmetic."""
        header, coded = _open(data)
        if header.model != self._model:
            raise FolderError("it was compressed with another model; give the one that it was compressed with")
        if header.arithmetic != self._fingerprint(header.adaptive):
            raise FolderError(
                "it was compressed where sums are rounded in another order (another processor, numpy or number of threads); "
                "decompress it there"
            )
        try:
            original = self._bytes(self._decode(coded, header))
        except (AssertionError, ValueError):  # constriction's, and what is no text
            original = b""
        if len(original) != header.bytes or _sha256(original) != header.original:
            raise FolderError("it decodes to something else than was compressed; decompress it where it was made")
        return original

    def _decode(self, coded: Any, header: Header) -> list[int]:
        """The symbols that were coded; a code point after an escape as -1 - it."""
        decoder, reader = self._stream.queue.RangeDecoder(coded), self._reader(header.adaptive)
        found = list[int]()
        for _ in range(header.symbols):
            symbol = int(decoder.decode(self._stream.model.Categorical(self._probabilities(reader), perfect=False)))
            if symbol == self._escape:  # the network does not read it
                found.append(-1 - int(decoder.decode(self._points)))
            else:
                found.append(symbol)
                reader.advance(symbol)
        return found

    def _symbols(self, data: bytes) -> tuple[Array, Iterator[int]]:
        """Ids of a file, the escape where a character is unknown, and the code points of those."""
        if self._escape is None:
            ids = np.frombuffer(data, np.uint8).astype(np.int64)
            if self._lines:  # the boundary stands for the newline
                ids[ids == 10] = self._vocabulary.boundary
            return ids, iter(())
        text = data.decode("utf-8", "surrogateescape")  # a byte that is no UTF-8 becomes half of a pair, and comes back
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
        ids = self._vocabulary.find(codes)
        ids = np.where(ids == UNSEEN, self._escape, ids)
        if self._lines:
            ids[codes == 10] = self._vocabulary.boundary
        return ids, iter(codes[ids == self._escape].tolist())

    def _bytes(self, found: list[int]) -> bytes:
        """The file that the symbols stand for; negative ones are code points of escapes."""
        characters, boundary = self._vocabulary.characters, self._vocabulary.boundary
        if self._escape is None:
            return bytes([10 if symbol == boundary else symbol for symbol in found])
        text = "".join(
            chr(-1 - symbol) if symbol < 0 else "\n" if symbol == boundary else characters[symbol] for symbol in found
        )
        return text.encode("utf-8", "surrogateescape")

    def _reader(self, adaptive: bool) -> Reader:
        if not adaptive:
            return Reader(self._stepper, self._vocabulary.boundary)
        from charloom.applications.adaptive import AdaptiveReader

        return AdaptiveReader(self._arrays, self._stepper)

    def _probabilities(self, reader: Reader) -> Array:
        """Probabilities of the symbols, and last of the escape."""
        found = distributions(reader.logits(), _PLAIN)[0]
        return found if self._escape is None else np.append(found * (1 - ESCAPE), ESCAPE)

    def _fingerprint(self, adaptive: bool) -> str:
        """What this machine's arithmetic makes of a fixed sequence of symbols."""
        if adaptive not in self._arithmetic:
            reader, digest = self._reader(adaptive), hashlib.sha256()
            for number in range(FINGERPRINTED):
                digest.update(self._probabilities(reader).tobytes())
                reader.advance((7 * number + 3) % self._outputs)
            self._arithmetic[adaptive] = digest.hexdigest()
        return self._arithmetic[adaptive]


def _open(data: bytes) -> tuple[Header, Any]:
    """The header and the coded words of a file, if not a byte of it has changed."""
    if not data.startswith(MAGIC):
        raise FolderError("it is not a file that charloom compressed; check the path")
    head, _, rest = data[len(MAGIC) :].partition(b"\n")
    if len(rest) < 32 or hashlib.sha256(data[:-32]).digest() != data[-32:]:
        raise FolderError("it is damaged: its checksum is wrong; restore it from a copy")
    header = records.load(Header, records.parse(head, "its header"), "its header")
    coded = rest[:-32]
    if len(coded) % 4 or not 0 <= header.symbols <= header.bytes:  # a symbol is a byte at least
        raise FolderError("it is damaged: its header does not fit; restore it from a copy")
    return header, np.frombuffer(coded, "<u4").astype(np.uint32)


def _identity(model: ModelArrays) -> str:
    """SHA-256 of what a model is: the same wherever its folder lies."""
    digest = hashlib.sha256(json.dumps(records.plain(model.config), sort_keys=True).encode())
    digest.update(f"{model.vocabulary.kind} {model.vocabulary.characters}".encode())
    for name in sorted(model.weights):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(model.weights[name]).tobytes())
    return digest.hexdigest()


def _pieces(size: int, ends: Array) -> Iterator[tuple[int, int]]:
    """Parts of a block, each up to one of the ends or to the block's own."""
    first = 0
    for last in [*ends.tolist(), size]:
        if last > first:
            yield first, last
            first = last


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Counted n-grams in little space: `n-grams.safetensors.xz`.

For each length: how many sequences continue each context, the last symbols of the sequences, how many classes have a
share of each, these classes, and the shares. A share is stored in a byte, as its log-odds in steps of `STEP`, rounded
down, so that shares near 0 and near 1 are equally exact. What a context passes down is not stored: it is what its
shares leave. Numbers above 255 are stored as low bytes and high bytes, and xz compresses the whole.
"""

import lzma

import numpy as np
from numpy.typing import NDArray

from charloom.classify.n_gram_sizes import NGramSizes, contexts
from charloom.classify.n_grams import NGrams, Order, Places, Sparse
from charloom.classify.pruning import counts_of, passed_down, rows_of
from charloom.classify.symbols import SymbolTable
from charloom.errors import FolderError, SettingsError
from charloom.storage.tensor_files import Array, Expected, largest_file, pack_arrays, unpack

PACKED = "n-grams.safetensors.xz"

STEP = 0.25
"""Step of a share's log-odds: stored shares are at most 22 % smaller than what was counted, and 11 % on average."""

MIDDLE = 128
"""The byte of log-odds 0, a share of one half."""

MOST = MIDDLE + int(13 / STEP)
"""The byte of the largest share: it leaves two millionths."""

LARGEST = 1 << 28
"""The most bytes that a file may have when it is unpacked."""

MEMORY = 1 << 27
"""The most bytes that unpacking may use besides."""

FILTERS = ({"id": lzma.FILTER_LZMA2, "preset": 7, "lc": 0, "lp": 0, "pb": 0},)

Bytes = NDArray[np.uint8]


def rounded(n_grams: NGrams) -> NGrams:
    """The n-grams as they come back from the file: with rounded shares, and what these leave passed down."""
    return NGrams(n_grams.table, n_grams.classes, tuple(_orders(n_grams)))


def _orders(n_grams: NGrams) -> list[Order]:
    orders, below = list[Order](), 1
    for order in n_grams.orders:
        shares = Sparse(order.shares.starts, order.shares.columns, _share(_byte(order.shares.values)))
        orders.append(_order(order.codes, shares, len(n_grams.table), classes=n_grams.classes, contexts=below))
        below = len(order.codes)
    return orders


def pack_small(n_grams: NGrams) -> bytes:
    """The content of the file. Raises `SettingsError` for more than 65,536 symbols."""
    base, below = len(n_grams.table), 1
    if base > 1 << 16:
        raise SettingsError(f"n-grams of {base:,} symbols cannot be packed; at most 65,536 can")
    arrays: dict[str, Array] = {}
    for length, order in enumerate(n_grams.orders, 1):
        arrays[f"{length}.following"] = _bytes(np.bincount(order.codes // base, minlength=below))
        arrays[f"{length}.symbols"] = _bytes(order.codes % base)
        arrays[f"{length}.owners"] = _bytes(counts_of(order.shares))
        arrays[f"{length}.classes"] = _bytes(order.shares.columns.astype(np.int64))
        arrays[f"{length}.shares"] = _byte(order.shares.values)
        below = len(order.codes)
    return lzma.compress(pack_arrays(arrays), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, filters=FILTERS)


def unpack_small(
    data: bytes, counted: tuple[NGramSizes, ...], table: SymbolTable, where: str, *, classes: int
) -> NGrams:
    """The n-grams in the file's content `data`, which have the sizes `counted`. Raises `FolderError`."""
    expected = _expected(counted)
    arrays = unpack(_unpacked(data, largest_file(expected), where), expected, where)
    orders = list[Order]()
    for length, size in enumerate(counted, 1):
        following, symbols, owners, columns = (
            _numbers(arrays[f"{length}.{name}"]) for name in ("following", "symbols", "owners", "classes")
        )
        _demand(int(following.sum()) == size.sequences and int(owners.sum()) == size.shares, where)
        _demand(int(symbols.max()) < len(table) and int(columns.max()) < classes, where)
        codes = np.repeat(np.arange(len(following)), following) * len(table) + symbols
        starts = np.concatenate([[0], np.cumsum(owners)]).astype(np.uint32)
        shares = Sparse(starts, columns.astype(np.uint16), _share(arrays[f"{length}.shares"]))
        ordered = rows_of(shares) * classes + columns
        _demand(bool((np.diff(codes) > 0).all() and (np.diff(ordered) > 0).all()), where)
        try:
            orders.append(_order(codes, shares, len(table), classes=classes, contexts=contexts(counted, length)))
        except ValueError:
            _demand(False, where)
        _demand(len(orders[-1].passed.values) == size.passed, where)
    return NGrams(table, classes, tuple(orders))


def _order(codes: Places, shares: Sparse, base: int, *, classes: int, contexts: int) -> Order:
    return Order(codes, shares, passed_down(codes // base, shares, classes=classes, contexts=contexts))


def _byte(shares: NDArray[np.float32]) -> Bytes:
    """The byte that stands for each share."""
    exact = np.clip(shares.astype(np.float64), 1e-12, 1 - 1e-12)
    steps = np.floor(np.log(exact / (1 - exact)) / STEP + 1e-3)  # a share that was rounded before stays as it is
    stored: Bytes = np.clip(steps + MIDDLE, 0, MOST).astype(np.uint8)
    return stored


def _share(stored: Bytes) -> NDArray[np.float32]:
    """The share that each byte stands for."""
    shares: NDArray[np.float32] = (1 / (1 + np.exp((MIDDLE - np.arange(256)) * STEP))).astype(np.float32)
    return shares[stored]


def _bytes(numbers: Places) -> Bytes:
    """The low and the high bytes (2, N) of numbers up to 65,535."""
    return np.stack([numbers & 255, numbers >> 8]).astype(np.uint8)


def _numbers(pair: Bytes) -> Places:
    low, high = pair.astype(np.int64)
    return np.asarray(low + 256 * high)


def _expected(counted: tuple[NGramSizes, ...]) -> Expected:
    shapes: dict[str, tuple[int, ...]] = {}
    for length, size in enumerate(counted, 1):
        shapes[f"{length}.following"] = 2, contexts(counted, length)
        shapes[f"{length}.symbols"] = shapes[f"{length}.owners"] = 2, size.sequences
        shapes[f"{length}.classes"], shapes[f"{length}.shares"] = (2, size.shares), (size.shares,)
    return {name: (shape, "uint8") for name, shape in shapes.items()}


def _unpacked(data: bytes, largest: int, where: str) -> bytes:
    """At most `largest` bytes, or what is allowed in all, from xz. Raises `FolderError`."""
    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
    try:
        unpacked = reader.decompress(data, max_length=min(largest, LARGEST))
    except lzma.LZMAError as error:
        raise FolderError(f"{where} is damaged ({str(error).lower()}); restore it from a copy") from None
    _demand(reader.eof and not reader.unused_data, where)
    return unpacked


def _demand(holds: bool, where: str) -> None:
    if not holds:
        raise FolderError(f"{where} is damaged: its tables do not fit together; restore it from a copy")

"""Baselines for every result: what simple models and general compressors reach on the same text.

All figures are bits per character of the held-out text. Each compressor is primed with as much of the training text as
it can use, because otherwise a model trained on that text would win by that alone. The size of a model is not counted,
and a compressor needs no training.
"""

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from charloom.data.text import Text
from charloom.data.vocabulary import Ids
from charloom.evaluation.predictive_compressors import predictive_sizes

if TYPE_CHECKING:
    from charloom.models.language_model import LanguageModel

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Baseline:
    """A method, its result, and what it knew of the training text."""

    name: str
    bits_per_character: float
    knew: str


def baselines(
    train: Ids, held_out: Ids, *, outputs: int, characters: int, raw_train: bytes, raw: bytes
) -> list[Baseline]:
    """All baselines on one held-out text: uniform, n-grams, compressors, and PPMd and zpaq if they are installed.

    `outputs`: how many symbols can be predicted; `characters`: what the results are divided by; `raw`: the text as
    UTF-8.
    """
    order = best_order(train, outputs)
    grams = {n: NGram(train, n, outputs).nats(held_out) / characters / math.log(2) for n in sorted({5, order})}
    return [
        Baseline("uniform", len(held_out) * math.log2(outputs) / characters, "the symbols"),
        *(
            Baseline(
                f"{n}-gram",
                bits,
                "its counts" + (f" ({order} is best on the training text's tail)" if n == order else ""),
            )
            for n, bits in grams.items()
        ),
        *compressors(raw_train, raw, characters),
        *(
            Baseline(name, 8 * size / characters, f"{knew}; learns while it codes")
            for name, size, knew in predictive_sizes(raw_train, raw)
        ),
    ]


class NGram:
    """An interpolated n-gram model with modified Kneser-Ney smoothing.

    Chen and Goodman 1998, "An empirical study of smoothing techniques for language modeling", section 3: three
    discounts for each order, taken from its counts of counts; lower orders count in how many contexts a sequence was
    seen.

        p_k(w | h) = (a(hw) - D(a(hw))) / a(h) + gamma(h) p_{k-1}(w | h'),     p_0 = 1 / V
    """

    def __init__(self, ids: Ids, order: int, symbols: int) -> None:
        self.order, self.symbols = order, symbols
        self._base = max(int(ids.max(initial=0)), symbols) + 1
        contexts: Places = np.zeros(len(ids), np.int64)
        levels: list[tuple[Places, Places]] = []
        raw: list[Places] = []
        firsts: list[Places] = []
        for _ in range(order):
            codes = contexts * self._base + ids
            types, first, grams, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
            levels.append((types, grams.astype(np.int64)))
            raw.append(counts)
            firsts.append(first)
            contexts = np.concatenate(([-1], grams[:-1])) + 1  # 0 means "none" at the start
        self._tables: list[_Table] = []
        for level, (types, grams) in enumerate(levels):
            if level + 1 < order:
                counts = np.bincount(grams[firsts[level + 1]], minlength=len(types))
            else:
                counts = raw[level]
            self._tables.append(_Table.of(types, types // self._base, counts))

    def nats(self, ids: Ids) -> float:
        """Total surprisal of `ids`, each predicted from those before it."""
        return float(-np.log(self.probabilities(ids)).sum())

    def probabilities(self, ids: Ids) -> NDArray[np.float64]:
        """Probability (T,) of each symbol of `ids` given the symbols before it."""
        probability = np.full(len(ids), 1 / self.symbols)
        contexts: Places = np.zeros(len(ids), np.int64)
        for table in self._tables:
            codes = np.where(contexts >= 0, contexts * self._base + ids, -1)
            place = np.minimum(np.searchsorted(table.types, codes), len(table.types) - 1)
            is_known = table.types[place] == codes
            known = (contexts >= 0) & (contexts < len(table.totals))
            safe = np.where(known, contexts, 0)
            totals = np.where(known, table.totals[safe], 0)
            seen = totals > 0
            mass = np.divide(table.kept[place], totals, out=np.zeros(len(ids)), where=seen & is_known)
            probability = np.where(seen, mass + table.gamma[safe] * probability, probability)
            grams = np.where(is_known, place, -2)
            contexts = np.concatenate(([-1], grams[:-1])) + 1
        return probability


@dataclass(frozen=True)
class _Table:
    """One order: its sequences, what each keeps after the discount, and each context's weight of the lower order."""

    types: Places
    kept: NDArray[np.float64]
    totals: NDArray[np.float64]
    gamma: NDArray[np.float64]

    @classmethod
    def of(cls, types: Places, contexts: Places, counts: Places) -> "_Table":
        n1, n2, n3, n4 = (max(1, int((counts == n).sum())) for n in (1, 2, 3, 4))
        y = n1 / (n1 + 2 * n2)
        discounts = np.clip(
            [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3], 0.05, [1, 0.99, 1.99, 2.99]
        )
        discounts[0] = 0
        discount = np.where(counts > 0, discounts[np.minimum(counts, 3)], 0)
        size = int(contexts.max(initial=0)) + 1
        totals = np.bincount(contexts, counts, size).astype(np.float64)
        discounted = np.bincount(contexts, discount, size)
        gamma = np.divide(discounted, totals, out=np.ones(size), where=totals > 0)
        return cls(types, (counts - discount).astype(np.float64), totals, gamma)


def best_order(train: Ids, symbols: int, *, highest: int = 12) -> int:
    """The order that best predicts the last tenth of the training text from the rest, without the held-out text."""
    cut = max(1, int(0.9 * len(train)))
    best, least = 1, math.inf
    for order in range(1, highest + 1):
        nats = NGram(train[:cut], order, symbols).nats(train[cut:]) if cut < len(train) else 0.0
        if nats >= least:
            break
        best, least = order, nats
    return best


def compressors(train: bytes, held_out: bytes, characters: int) -> Iterator[Baseline]:
    """Python's general compressors on the held-out text, each primed with as much of the training text as it can use.

    xz and bz2: the bytes that the held-out text adds when it is compressed after the training text, of which bz2 gets
    as much as fits into its block (`bz2_priming`). zlib: with the last 32 KiB of the training text as its dictionary,
    as far as it can look back.
    """
    tail = bz2_priming(train, held_out)
    if len(tail) == len(train):
        some = "the training text (compressed in front)"
    else:
        some = f"the last {len(tail) / 1000:,.0f} kB of the training text" if tail else "nothing: its block is full"
    primed: dict[str, tuple[Callable[[bytes], bytes], bytes, str]] = {
        "xz": (
            lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
            train,
            "the training text (compressed in front)",
        ),
        "bz2": (lambda data: bz2.compress(data, 9), tail, some),
    }
    for name, (compress, before, knew) in primed.items():
        size = len(compress(before + held_out)) - len(compress(before))
        yield Baseline(name, 8 * size / characters, knew)
    packer = zlib.compressobj(9, zdict=train[-32_768:]) if train else zlib.compressobj(9)
    size = len(packer.compress(held_out) + packer.flush())
    yield Baseline("zlib", 8 * size / characters, "the last 32 KiB of the training text")


def bz2_priming(train: bytes, held_out: bytes) -> bytes:
    """The end of the training text that fits into one block of bz2 with the held-out text; other blocks do not help.

    A block holds 900 kB after run-length coding, which can add to it: 2.5 % are left free for that.
    """
    room = max(0, 877_500 - len(held_out))
    return train[max(0, len(train) - room) :]


def compare(model: "LanguageModel", train: Text, held_out: Text) -> list[Baseline]:
    """All baselines on `held_out`, primed with `train`."""
    return baselines(
        model.encode(train),
        model.encode(held_out),
        outputs=model.network.outputs,
        characters=held_out.characters,
        raw_train=bytes(train.data),
        raw=bytes(held_out.data),
    )

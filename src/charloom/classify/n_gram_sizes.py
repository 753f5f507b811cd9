"""The sizes of the tables of counted n-grams, as `config.json` holds them."""

from dataclasses import dataclass

from charloom.classify.n_grams import NGrams
from charloom.errors import FolderError


@dataclass(frozen=True)
class NGramSizes:
    """Sizes of the tables of sequences of one length."""

    sequences: int
    shares: int
    "Pairs of a sequence and a class in which it occurs."
    passed: int
    "Pairs of a context and a class in which it occurs."

    def __post_init__(self) -> None:
        if min(self.sequences, self.shares, self.passed) < 1:
            raise FolderError("the n-grams of one length have an empty table; restore the file from a copy")


def sizes(n_grams: NGrams | None) -> tuple[NGramSizes, ...]:
    """The sizes of the tables, for `config.json`; empty without n-grams."""
    orders = n_grams.orders if n_grams is not None else ()
    return tuple(NGramSizes(len(each.codes), len(each.shares.values), len(each.passed.values)) for each in orders)


def contexts(counted: tuple[NGramSizes, ...], length: int) -> int:
    """The number of contexts of sequences of this length: the sequences one shorter, or the empty one."""
    return counted[length - 2].sequences if length > 1 else 1

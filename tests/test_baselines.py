"""Baselines: what counting and compression achieve on the same text."""

import math
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.data.vocabulary import Ids, Vocabulary
from charloom.evaluation.baselines import NGram, baselines, best_order, bz2_priming, compressors
from charloom.evaluation.predictive_compressors import ZPAQ_LARGEST, predictive_compressors, predictive_sizes

SYMBOLS = 4
IDS = st.lists(st.integers(0, SYMBOLS - 2), min_size=1, max_size=60)
"""Texts in which the last symbol never occurs."""

START = -1


def grams(ids: Sequence[int], order: int) -> list[tuple[int, ...]]:
    """The `order` symbols up to each position; the first ones are padded with START."""
    begun = [START, *ids]
    return [tuple(begun[max(0, place + 1 - order) : place + 1]) for place in range(1, len(begun))]


class PlainNGram:
    """Modified Kneser-Ney with dictionaries, as in Chen and Goodman's equations (26) to (28)."""

    def __init__(self, ids: Sequence[int], order: int, symbols: int) -> None:
        self.order, self.symbols, self.levels = order, symbols, []
        for level in range(1, order + 1):
            if level == order:
                counts = Counter(grams(ids, level))
            else:  # in how many contexts a sequence was seen
                pairs = zip(grams(ids, level + 1), grams(ids, level), strict=True)
                counts = Counter(shorter for _, shorter in set(pairs))
            n1, n2, n3, n4 = (max(1, sum(count == n for count in counts.values())) for n in (1, 2, 3, 4))
            y = n1 / (n1 + 2 * n2)
            raw = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
            discounts = [min(max(d, 0.05), most) for d, most in zip(raw, (1, 0.99, 1.99, 2.99)[1:], strict=True)]
            following: defaultdict[tuple[int, ...], dict[int, int]] = defaultdict(dict)
            for gram, count in counts.items():
                following[gram[:-1]][gram[-1]] = count
            self.levels.append((following, discounts))

    def probability(self, symbol: int, before: Sequence[int]) -> float:
        probability = 1 / self.symbols
        for level, (following, discounts) in enumerate(self.levels):
            context = (*grams(before, level)[-1],) if level and before else (START,) * bool(level)
            counts = following.get(context)
            if counts is None:
                continue
            total = sum(counts.values())
            given_away = sum(discounts[min(count, 3) - 1] for count in counts.values())
            count = counts.get(symbol, 0)
            kept = count - discounts[min(count, 3) - 1] if count else 0.0
            probability = kept / total + given_away / total * probability
        return probability


@given(IDS, st.integers(1, 5), st.lists(st.integers(0, SYMBOLS - 1), max_size=8))
def test_the_probabilities_add_up_to_one_in_any_context(ids: list[int], order: int, context: list[int]) -> None:
    model = NGram(np.array(ids), order, SYMBOLS)
    every = [float(model.probabilities(np.array([*context, symbol]))[-1]) for symbol in range(SYMBOLS)]
    assert sum(every) == pytest.approx(1, abs=1e-12)
    assert min(every) > 0


@given(IDS, st.integers(1, 5), st.lists(st.integers(0, SYMBOLS - 1), min_size=1, max_size=12))
def test_each_probability_is_that_of_the_equations(ids: list[int], order: int, text: list[int]) -> None:
    plain = PlainNGram(ids, order, SYMBOLS)
    expected = [plain.probability(symbol, text[:place]) for place, symbol in enumerate(text)]
    assert NGram(np.array(ids), order, SYMBOLS).probabilities(np.array(text)) == pytest.approx(expected, rel=1e-12)


def test_a_bigram_of_a_tiny_text_is_what_one_computes_by_hand() -> None:
    """The text is abab b, and there is a symbol c that it lacks.

    Pairs: ^a 1, ab 2, ba 1, bb 1. So n1 = 3, n2 = 1, Y = 3/5, D1 = 1 - 2 Y/3 = 0.6, D2 = 2 - 3 Y = 0.2.
    Single symbols, by what stands before them: a 2 (^, b), b 2 (a, b). So n2 = 2, the other counts of counts are taken
    as 1, Y = 1/5, D2 = 2 - 3 Y/2 = 1.7.
    """
    a, b, c = 0, 1, 2
    model = NGram(np.array([a, b, a, b, b]), 2, 3)
    alone = {symbol: seen + 2 * 1.7 / 4 / 3 for symbol, seen in ((a, 0.3 / 4), (b, 0.3 / 4), (c, 0))}
    after_a = {symbol: seen + 0.2 / 2 * alone[symbol] for symbol, seen in ((a, 0), (b, 1.8 / 2), (c, 0))}
    after_b = {symbol: seen + 1.2 / 2 * alone[symbol] for symbol, seen in ((a, 0.4 / 2), (b, 0.4 / 2), (c, 0))}
    first = {symbol: seen + 0.6 * alone[symbol] for symbol, seen in ((a, 0.4), (b, 0), (c, 0))}
    for context, expected in (([], first), ([a], after_a), ([b], after_b), ([c], alone)):
        found = {symbol: model.probabilities(np.array([*context, symbol]))[-1] for symbol in (a, b, c)}
        assert found == pytest.approx(expected, rel=1e-12)


@given(IDS, st.integers(1, 4))
def test_nats_are_the_sum_of_all_surprisals(ids: list[int], order: int) -> None:
    model = NGram(np.array([0, 1, 0, 2, 1]), order, SYMBOLS)
    assert model.nats(np.array(ids)) == pytest.approx(-sum(math.log(p) for p in model.probabilities(np.array(ids))))


def test_only_the_symbols_before_a_symbol_have_a_say() -> None:
    model = NGram(np.array([0, 1, 2, 0, 1, 1]), 3, SYMBOLS)
    one, other = (model.probabilities(np.array([0, 1, last, 1])) for last in (0, 2))
    assert one[:2].tolist() == other[:2].tolist()


def random_text(length: int, depth: int, seed: int) -> Ids:
    """A text in which what comes next depends on the last `depth` symbols."""
    draw = np.random.default_rng(seed)
    table = draw.dirichlet(np.full(3, 0.5), 3**depth)
    ids = draw.integers(0, 3, depth).tolist()
    for u in draw.random(length):
        context = sum(3**place * symbol for place, symbol in enumerate(ids[-depth:]))
        ids.append(int(min(np.searchsorted(np.cumsum(table[context]), u, side="right"), 2)))
    return np.array(ids)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_best_order_is_the_depth_of_a_text_that_has_one(depth: int) -> None:
    assert best_order(random_text(6000, depth, 1), 3) == depth + 1


def test_the_order_is_chosen_without_a_look_at_the_held_out_text() -> None:
    train = random_text(4000, 2, 1)
    held_out = [random_text(500, depth, 1) for depth in (1, 2, 4)]
    names = {
        tuple(one.name for one in baselines(train, ids, outputs=3, characters=500, raw_train=b"", raw=bytes(ids)))
        for ids in held_out
    }
    assert names == {("uniform", "3-gram", "5-gram", "xz", "bz2", "zlib", *predictive_compressors())}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_text_of_a_few_symbols_has_a_best_order(count: int) -> None:
    assert best_order(np.arange(count) % 2, 2) >= 1


def test_training_text_in_front_helps_each_compressor(docs_text: str) -> None:
    train, held_out = docs_text[:20_000].encode(), docs_text[10_000:15_000].encode()
    primed, alone = (list(compressors(text, held_out, 5_000)) for text in (train, b""))
    assert [one.name for one in primed] == [one.name for one in alone] == ["xz", "bz2", "zlib"]
    for told, untold in zip(primed, alone, strict=True):
        assert told.bits_per_character < 0.8 * untold.bits_per_character


def test_bz2_is_primed_with_what_its_block_can_hold_and_no_more(docs_text: str) -> None:
    """After more than a block it would be compressed with the rest of the last block, however little that is."""
    text = (docs_text * (2_200_000 // len(docs_text) + 1)).encode()
    for size in (110_000, 700_000, 1_000_000):
        train, held_out = text[: 2_200_000 - size], text[2_200_000 - size : 2_200_000]
        tail = bz2_priming(train, held_out)
        assert train.endswith(tail)
        assert len(tail) == max(0, 877_500 - size)
    (_, told, _) = compressors(text[:890_000], text[890_000:1_000_000], 110_000)
    (_, untold, _) = compressors(b"", text[890_000:1_000_000], 110_000)
    assert told.knew == "the last 768 kB of the training text"
    assert told.bits_per_character < untold.bits_per_character
    (_, full, _) = compressors(text[:1000], text[1000:1_000_000], 999_000)
    assert full.knew == "nothing: its block is full"


@pytest.mark.parametrize("name", ["PPMd order 6", "zpaq -m5"])
def test_a_compressor_that_predicts_is_primed_where_it_is_installed(name: str, docs_text: str) -> None:
    if name not in predictive_compressors():
        pytest.skip(f"{name} is not installed")
    train, held_out = docs_text[:40_000].encode(), docs_text[40_000:50_000].encode()
    told, untold = ({one: size for one, size, _ in predictive_sizes(text, held_out)}[name] for text in (train, b""))
    strongest = min(one.bits_per_character for one in compressors(train, held_out, 10_000)) * 10_000 / 8
    assert told < min(untold, strongest)


def test_what_is_not_installed_or_fails_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pyppmd", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert predictive_compressors() == {}
    monkeypatch.setattr(shutil, "which", lambda name: sys.executable)  # which accepts none of zpaq's arguments
    assert list(predictive_compressors()) == ["zpaq -m5"]
    assert list(predictive_sizes(b"before", b"after")) == []
    monkeypatch.setattr(shutil, "which", lambda name: str(tmp_path / "gone"))
    assert list(predictive_sizes(b"before", b"after")) == []


def test_zpaq_gets_the_end_of_a_training_text_that_would_take_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[int]()

    def zpaq(data: bytes) -> int:
        given.append(len(data))
        return len(data)

    monkeypatch.setattr("charloom.evaluation.predictive_compressors.predictive_compressors", lambda: {"zpaq -m5": zpaq})
    assert list(predictive_sizes(bytes(ZPAQ_LARGEST + 5), b"held out")) == [
        ("zpaq -m5", 8, "the last 16 MB of the training text")
    ]
    assert given == [ZPAQ_LARGEST + 8, ZPAQ_LARGEST]


def test_a_compressor_that_knows_the_text_by_heart_needs_next_to_nothing(docs_text: str) -> None:
    text = docs_text[:30_000].encode()
    figures = {one.name: one.bits_per_character for one in compressors(text, text, 30_000)}
    assert figures["xz"] < 0.05
    assert figures["zlib"] < 0.2


@pytest.fixture(scope="module")
def figures(docs_text: str) -> dict[str, float]:
    """Bits per character on the last tenth of the embedded corpus."""
    vocabulary = Vocabulary.of([docs_text])
    cut = int(0.9 * len(docs_text))
    train, held_out = docs_text[:cut], docs_text[cut:]
    found = baselines(
        vocabulary.encode(train),
        vocabulary.encode(held_out),
        outputs=vocabulary.boundary,
        characters=len(held_out),
        raw_train=train.encode(),
        raw=held_out.encode(),
    )
    return {one.name: one.bits_per_character for one in found}


def test_uniform_is_the_logarithm_of_the_number_of_symbols(figures: dict[str, float], docs_text: str) -> None:
    assert figures["uniform"] == pytest.approx(math.log2(len(set(docs_text))))


def test_a_5_gram_of_the_documentation_beats_zlib_and_zlib_beats_uniform(figures: dict[str, float]) -> None:
    assert figures["5-gram"] < figures["zlib"] < figures["uniform"]


def test_a_5_gram_of_the_documentation_needs_about_two_bits(figures: dict[str, float]) -> None:
    assert 1.5 < figures["5-gram"] < 2.7


def test_each_figure_is_for_each_character_and_not_for_each_byte() -> None:
    ids = np.frombuffer(("é" * 50).encode(), np.uint8)
    (uniform, *_) = baselines(ids, ids, outputs=256, characters=50, raw_train=bytes(ids), raw=bytes(ids))
    assert uniform.bits_per_character == 16


def test_a_compressor_whose_archive_shrinks_with_more_text_has_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    def shrinking(data: bytes) -> int:
        return 1000 - len(data)

    module = "charloom.evaluation.predictive_compressors.predictive_compressors"
    monkeypatch.setattr(module, lambda: {"shrinking": shrinking, "growing": len})
    assert list(predictive_sizes(b"before", b"after")) == [("growing", 5, "the training text (compressed in front)")]

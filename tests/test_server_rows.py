"""Rows side by side do not influence each other, and compute what single steps compute."""

import sys

import numpy as np
import pytest

from charloom.generation import sampling
from charloom.generation.sampling import most_probable
from charloom.generation.writer import NEVER, Writer
from charloom.server.batching import rows as module
from charloom.server.batching.draws import NumpyDraws, make_draws
from charloom.server.batching.rows import NumpyRows, Rows, SingleRows, make_rows, treats_alike
from charloom.settings import Cell, SamplingConfig
from models import small_model

CELLS: tuple[Cell, ...] = ("lstm", "gru", "rnn-tanh", "rnn-relu")
TEXT = "the quick brown fox jumps over the lazy dog. " * 2
SHAPES = [(1, 12, TEXT), (2, 67, TEXT), (3, 130, "ab"), (1, 64, "".join(map(chr, range(32, 32 + 101))))]


def writer(cell: Cell = "lstm", layers: int = 1, hidden_size: int = 12, text: str = TEXT) -> Writer:
    return Writer(small_model(text, cell, layers=layers, hidden_size=hidden_size, seed=3))


def compiled(of: Writer, capacity: int) -> Rows:
    pytest.importorskip("numba")
    from charloom.generation.numba_rows import CompiledRows

    return CompiledRows(of.stepper, of.vocabulary.boundary, capacity)


def symbols(of: Writer, times: int, rows: int) -> np.ndarray:
    drawn = np.random.Generator(np.random.PCG64(2)).integers(0, of.vocabulary.boundary, (times, rows))
    drawn[0] = of.vocabulary.boundary
    return drawn


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("layers", "hidden_size", "text"), SHAPES)
def test_a_row_is_the_same_bits_at_every_width_and_in_every_place(
    cell: Cell, layers: int, hidden_size: int, text: str
) -> None:
    of = writer(cell, layers, hidden_size, text)
    rows, texts = compiled(of, 19), symbols(of, 9, 19)
    alone = []
    for column in texts.T:
        rows.advance(column[:, None])
        alone.append(rows.logits(np.array([0]))[0].copy())
    for width in range(1, 20):
        for first in {0, 1, (19 - width) // 2, 19 - width}:
            if first + width <= 19:
                rows.advance(texts[:, first : first + width])
                together = rows.logits(np.arange(width))
                assert np.array_equal(together, np.array(alone[first : first + width]))
    assert treats_alike(rows, of)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("layers", "hidden_size", "text"), SHAPES)
@pytest.mark.parametrize("kind", ["compiled", "numpy", "single"])
def test_rows_compute_what_single_steps_do(cell: Cell, layers: int, hidden_size: int, text: str, kind: str) -> None:
    of = writer(cell, layers, hidden_size, text)
    given = of.stepper, of.vocabulary.boundary, 5
    rows = compiled(of, 5) if kind == "compiled" else NumpyRows(*given) if kind == "numpy" else SingleRows(*given)
    texts = symbols(of, 30, 4)
    rows.advance(texts)
    expected = of.stepper.read([column[1:] for column in texts.T], of.begin([texts[:1, 0]] * 4).state).logits()
    assert np.allclose(rows.logits(np.arange(4)), expected, rtol=1e-5, atol=1e-4)
    assert np.array_equal(rows.logits(np.array([3, 1])), rows.logits(np.arange(4))[[3, 1]])


@pytest.mark.parametrize("kind", ["compiled", "numpy", "single"])
def test_symbols_may_be_read_one_at_a_time_and_in_another_row(kind: str) -> None:
    of = writer(layers=2, hidden_size=30)
    given = of.stepper, of.vocabulary.boundary, 5
    rows = compiled(of, 5) if kind == "compiled" else NumpyRows(*given) if kind == "numpy" else SingleRows(*given)
    texts = symbols(of, 12, 3)
    rows.advance(texts)
    expected = rows.logits(np.arange(3))[[2, 1]].copy()
    for now in texts[:5]:
        rows.advance(now[None])
    rows.swap(2, 0)
    for now in texts[5:]:
        rows.advance(now[None, [2, 1]])
    assert np.array_equal(rows.logits(np.arange(2)), expected)


@pytest.mark.parametrize("kind", ["compiled", "numpy", "single"])
def test_rows_that_take_no_part_remember_what_they_know(kind: str) -> None:
    of = writer(layers=2, hidden_size=30)
    given = of.stepper, of.vocabulary.boundary, 11
    rows = compiled(of, 11) if kind == "compiled" else NumpyRows(*given) if kind == "numpy" else SingleRows(*given)
    texts = symbols(of, 12, 11)
    rows.advance(texts)
    expected = rows.logits(np.arange(11)).copy()
    rows.advance(texts[:6])
    for count in (9, 3):
        rows.advance(texts[6:, :count])
        rows.advance(texts[:6, :count])
    rows.advance(texts[6:])
    assert np.allclose(rows.logits(np.arange(11)), expected, rtol=1e-5, atol=1e-4)


def test_the_boundary_begins_a_new_text() -> None:
    of = writer("gru", 2, 30)
    rows, texts = compiled(of, 3), symbols(of, 10, 3)
    rows.advance(texts)
    expected = rows.logits(np.arange(3)).copy()
    rows.advance(np.concatenate((texts[::-1], texts)))
    assert np.array_equal(rows.logits(np.arange(3)), expected)


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_that_is_not_finite_spoils_no_other(cell: Cell) -> None:
    of = writer(cell, 2, 40)
    of.stepper.gates[0].start[5] = np.nan
    rows, texts = compiled(of, 8), symbols(of, 9, 8) % 5
    texts[0] = of.vocabulary.boundary
    rows.advance(texts)
    expected = rows.logits(np.arange(8)).copy()
    assert np.isfinite(expected).all()
    texts[4, 3] = 5
    rows.advance(texts)
    logits = rows.logits(np.arange(8))
    assert not np.isfinite(logits[3]).all()
    others = np.arange(8) != 3
    assert np.array_equal(logits[others], expected[others])
    rows.advance(symbols(of, 1, 8))
    assert np.isfinite(rows.logits(np.arange(8))).all()  # the boundary forgets it


def test_the_compiled_rows_are_taken_where_numba_is_installed_and_numpy_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("numba")
    of, told = writer(), list[str]()
    assert type(make_rows(of, 4, told.append)).__name__ == "CompiledRows"
    assert type(make_draws(of)).__name__ == "CompiledDraws"
    for name in ("numba_rows", "numba_draws"):
        monkeypatch.setitem(sys.modules, f"charloom.generation.{name}", None)
    assert isinstance(make_rows(of, 4, told.append), NumpyRows | SingleRows)
    assert any("numba" in line for line in told)
    assert isinstance(make_draws(of), NumpyDraws)


class _Careless(NumpyRows):
    """Rows of which one depends on how many there are."""

    def advance(self, symbols: np.ndarray) -> None:
        super().advance(symbols)
        self._state[0][-1, 0, 0] += np.float32(1e-6) * symbols.shape[1]


def test_rows_that_influence_each_other_are_noticed_and_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    of = writer()
    assert not treats_alike(_Careless(of.stepper, of.vocabulary.boundary, 8), of)
    monkeypatch.setitem(sys.modules, "charloom.generation.numba_rows", None)
    monkeypatch.setattr(module, "NumpyRows", _Careless)
    told = list[str]()
    assert isinstance(make_rows(of, 8, told.append), SingleRows)
    assert "one after the other" in told[-1]


def random_settings(count: int) -> list[SamplingConfig]:
    draw = np.random.Generator(np.random.PCG64(5))
    return [
        SamplingConfig(
            temperature=float(draw.choice([1.0, 0.5, 1.3, 0.01])),
            top_k=int(draw.choice([0, 1, 3, 40])),
            top_p=float(draw.choice([1.0, 0.9, 0.3])),
            min_p=float(draw.choice([0.0, 0.1])),
            repetition_penalty=float(draw.choice([1.0, 1.2])),
            greedy=bool(draw.random() < 0.2),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("outputs", [2, 29, 163])
@pytest.mark.parametrize("kind", ["compiled", "numpy"])
def test_each_row_draws_with_its_own_settings_whatever_the_others_have(outputs: int, kind: str) -> None:
    pytest.importorskip("numba")
    from charloom.generation.numba_draws import CompiledDraws

    draw = np.random.Generator(np.random.PCG64(4))
    logits = draw.normal(0, 3, (200, outputs)).astype(np.float32)
    logits[:60] = np.round(logits[:60])  # equal ones
    recent = [draw.integers(0, outputs, draw.integers(0, 64)).tolist() for _ in range(200)]
    configs, uniforms = random_settings(200), draw.random(200).tolist()
    drawing = CompiledDraws(outputs, [1]) if kind == "compiled" else NumpyDraws([1])
    drawn = drawing.symbols(logits.copy(), configs, recent, uniforms)
    without = logits.copy()
    without[:, 1] = NEVER
    for row, config in enumerate(configs):
        expected = sampling.draw(sampling.distribution(without[row], config, recent[row]), uniforms[row])
        assert drawn[row] == expected
        one = [config], recent[row : row + 1], uniforms[row : row + 1]
        assert drawing.symbols(logits[row : row + 1].copy(), *one) == [expected]


@pytest.mark.parametrize("kind", ["compiled", "numpy"])
def test_reports_are_the_log_probabilities_in_order(kind: str) -> None:
    pytest.importorskip("numba")
    from charloom.generation.numba_draws import CompiledDraws

    draw = np.random.Generator(np.random.PCG64(6))
    logits = draw.normal(0, 3, (80, 23)).astype(np.float32)
    logits[:40] = np.round(logits[:40])
    symbols, counts = draw.integers(0, 23, 80).tolist(), draw.integers(0, 24, 80).tolist()
    reporting = CompiledDraws(23, []) if kind == "compiled" else NumpyDraws([])
    own, tops, ranks = reporting.reports(logits, symbols, counts)
    logs = sampling.log_probabilities(logits)
    for row, (symbol, count) in enumerate(zip(symbols, counts, strict=True)):
        assert own[row] == pytest.approx(logs[row, symbol], abs=1e-12)
        order = sorted(range(23), key=lambda each: (-logits[row, each], each))[:count]
        assert [each for each, _ in tops[row]] == order
        assert [log for _, log in tops[row]] == pytest.approx(logs[row, order].tolist(), abs=1e-12)
        assert dict(tops[row]).get(symbol, own[row]) == own[row]
        assert ranks[row] == 1 + (logits[row] > logits[row, symbol]).sum()
        one = reporting.reports(logits[row : row + 1], [symbol], [count])
        assert one == ([own[row]], [tops[row]], [ranks[row]])


def test_the_most_probable_symbols_come_in_order_and_of_equal_ones_the_smaller_first() -> None:
    logs = np.random.Generator(np.random.PCG64(4)).integers(-9, 0, (50, 23)).astype(np.float64)
    for count in (1, 2, 10, 23):
        ids, values = most_probable(logs, count)
        for row in range(50):
            expected = sorted(range(23), key=lambda symbol: (-logs[row, symbol], symbol))[:count]
            assert ids[row].tolist() == expected
            assert np.array_equal(values[row], logs[row, expected])

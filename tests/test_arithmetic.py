"""What an archive proves about the arithmetic it was made with, and what the refusal says about it."""

from dataclasses import replace

import numpy as np
import pytest

from charloom.errors import FolderError
from charloom.models.language_model import LanguageModel
from models import small_model

pytest.importorskip("constriction")
pytest.importorskip("threadpoolctl")

from charloom.compress.arithmetic import SIZE, Arithmetic, arithmetic_here, difference, remedy
from charloom.compress.codec import PROBED, PROBED_ADAPTIVE, Codec

ALPHABET = "abcdefghijklmnopqrstuvwxyz"


def model_of(symbols: int) -> LanguageModel:
    return small_model(ALPHABET[:symbols], sharpness=0.5)


def fingerprint(codec: Codec, *, adaptive: bool = False) -> bytes:
    codec._arithmetic.clear()
    return codec._fingerprint(adaptive)


@pytest.mark.parametrize("symbols", [7, 14, 26])
def test_a_table_that_is_rounded_differently_for_any_one_symbol_is_noticed(symbols: int) -> None:
    """A stride of 7 symbols, as the probe once used, visits 1, 2 and 26 of these."""
    codec = Codec(model_of(symbols))
    here = fingerprint(codec)
    start = codec._stepper._layers[0].start
    for symbol in range(0, symbols, 3):
        kept = start[symbol].copy()
        start[symbol, 0] = np.nextafter(kept[0], np.float32(np.inf))
        assert fingerprint(codec) != here, ALPHABET[symbol]
        start[symbol] = kept
    assert fingerprint(codec) == here


@pytest.mark.parametrize("symbols", [2, 7, 14])
def test_a_step_that_is_rounded_differently_after_any_two_symbols_is_noticed(
    symbols: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = Codec(model_of(symbols))
    here = fingerprint(codec)
    draw = np.random.Generator(np.random.PCG64(0))
    for pair in sorted({tuple(draw.integers(0, symbols, 2).tolist()) for _ in range(8)}):
        with monkeypatch.context() as patched:
            patched.setattr(codec, "_reader", lambda adaptive, pair=pair: _Rounding(codec, pair))
            assert fingerprint(codec) != here, pair


class _Rounding:
    """A reader on a machine whose first logit is one unit in the last place higher after a pair of symbols."""

    def __init__(self, codec: Codec, pair: tuple[int, ...]) -> None:
        self._reader, self._pair, self._last = Codec._reader(codec, False), pair, (-1, -1)

    def logits(self) -> np.ndarray:
        logits = self._reader.logits().copy()
        if self._last == self._pair:
            logits[0, 0] = np.nextafter(logits[0, 0], np.float32(np.inf))
        return logits

    def advance(self, symbol: int) -> None:
        self._last = (self._last[1], symbol)
        self._reader.advance(symbol)


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_the_text_of_the_probe_is_long_has_no_period_and_visits_every_symbol(kind: str) -> None:
    codec = Codec(small_model(ALPHABET, kind=kind, sharpness=0.5))
    read = list[int]()

    class Watched:
        def __init__(self) -> None:
            self._reader = Codec._reader(codec, False)
            self.logits = self._reader.logits

        def advance(self, symbol: int) -> None:
            read.append(symbol)
            self._reader.advance(symbol)

    codec._reader = lambda adaptive: Watched()  # type: ignore[assignment,return-value]
    fingerprint(codec)
    assert len(read) == PROBED >= 4096
    assert set(read) == set(range(codec._outputs))
    for period in range(1, len(read) // 2):
        assert read[period:] != read[:-period]


def test_a_model_that_goes_on_learning_is_probed_while_it_learns() -> None:
    codec = Codec(model_of(14))
    steps = list[int]()
    reader = codec._reader(True)
    learn = reader._learn  # type: ignore[attr-defined]
    reader._learn = lambda: (steps.append(1), learn())  # type: ignore[attr-defined]
    codec._reader = lambda adaptive: reader  # type: ignore[method-assign]
    fingerprint(codec, adaptive=True)
    assert len(steps) == PROBED_ADAPTIVE // 64 >= 32


HERE = Arithmetic(1, 1, (2, 4), 2, "SkylakeX", 2)
TORCH = replace(HERE, torch=(2, 13), torch_extension=2, torch_threads=2)


@pytest.mark.parametrize(
    "machine", [HERE, TORCH, Arithmetic(0, 0, (1, 26), 0, "", 0), replace(TORCH, blas_kernel="x" * 14)]
)
def test_a_description_comes_back_from_its_bytes(machine: Arithmetic) -> None:
    assert len(machine.pack()) == SIZE
    assert Arithmetic.unpack(machine.pack()) == machine


@pytest.mark.parametrize("with_torch", [False, True])
def test_this_machine_can_be_described(with_torch: bool) -> None:
    here = arithmetic_here(with_torch=with_torch)
    assert Arithmetic.unpack(here.pack()) == here
    assert here.numpy == tuple(int(part) for part in np.__version__.split(".")[:2])
    assert (here.torch is not None) == with_torch


def test_what_differs_is_said_and_nothing_else() -> None:
    there = replace(TORCH, torch_extension=1, torch_threads=1)
    assert (
        difference(there, TORCH)
        == "made with torch 2.13 with AVX2 in 1 thread; here torch 2.13 with AVX-512 in 2 threads"
    )
    assert difference(replace(HERE, blas_kernel="Haswell", numpy=(1, 26)), HERE) == (
        "made with numpy 1.26 with AVX-512, matrix products of Haswell in 2 threads; "
        "here numpy 2.4 with AVX-512, matrix products of SkylakeX in 2 threads"
    )
    assert "finer ways" in difference(HERE, HERE)


def test_threads_can_be_set_and_a_processor_cannot() -> None:
    assert remedy(replace(HERE, blas_threads=1), HERE) == "decompress it with OPENBLAS_NUM_THREADS=1 set"
    both = "decompress it with OPENBLAS_NUM_THREADS=2 and OMP_NUM_THREADS=4 set"
    assert remedy(replace(TORCH, torch_threads=4), TORCH) == both
    assert remedy(replace(HERE, blas_kernel="Zen", blas_threads=1), HERE) == "decompress it there"
    assert remedy(HERE, HERE) == "decompress it there"


def test_a_description_that_nothing_here_writes_is_refused() -> None:
    good = TORCH.pack()
    for place, value in ((0, 0xF1), (0, 0x1F), (1, 0xF2), (1, 0x2F), (10, 0xFF), (10, 7), (23, 65)):
        wrong = bytearray(good)
        wrong[place] = value
        with pytest.raises(FolderError, match="does not know"):
            Arithmetic.unpack(bytes(wrong))
    with pytest.raises(FolderError):  # threads of a torch that was not involved
        Arithmetic.unpack(HERE.pack()[:8] + b"\1\0" + HERE.pack()[10:])


def test_a_refusal_says_what_the_file_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = Codec(model_of(7))
    data = codec.compress(b"abc").data
    here = arithmetic_here(with_torch=False)
    monkeypatch.setattr(codec, "_arithmetic", {False: b"another "})
    another = replace(here, blas_threads=here.blas_threads + 1)
    monkeypatch.setattr("charloom.compress.codec.arithmetic_here", lambda with_torch: another)
    said = f"in {here.blas_threads} threads?; here .*in {here.blas_threads + 1} threads"
    with pytest.raises(FolderError, match=said):
        codec.decompress(data)

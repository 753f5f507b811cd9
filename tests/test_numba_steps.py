"""The compiled loop writes what the numpy path writes."""

import itertools
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

import charloom.generation.writer
from charloom.errors import CharloomError, MissingExtraError, SettingsError
from charloom.generation.generate import generate, generate_pieces
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.settings import Cell, SamplingConfig
from conftest import CELLS
from models import brute_force_nats, log_probabilities, small_model

pytest.importorskip("numba")

from charloom.generation.numba_steps import BLOCK, Loop

ALPHABET = "abcdefgh \n"
SETTINGS: list[dict[str, object]] = [
    {},
    {"temperature": 0.6},
    {"top_k": 3},
    {"top_p": 0.8},
    {"min_p": 0.1},
    {"repetition_penalty": 1.4},
    {"repetition_penalty": 0.7},
    {"greedy": True},
    {"temperature": 1.5, "top_k": 5, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.1},
]


def text_of(model: object, prompt: str = "head", **more: object) -> str:
    return "".join(generate(model, prompt, **{"length": 300, "seed": 2, **more}))  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_the_compiled_loop_writes_the_same_text_with_every_setting(cell: Cell, layers: int) -> None:
    model = small_model(ALPHABET, cell, layers=layers, sharpness=1)
    writer = Writer(model, compiled="float32")
    for settings in SETTINGS:
        assert text_of(writer, **settings) == text_of(model, **settings), settings


def test_a_network_that_several_threads_share_writes_the_same() -> None:
    model = small_model(ALPHABET, hidden_size=256, sharpness=1)
    writer = Writer(model, compiled="float32")
    ours, theirs = text_of(writer), text_of(model)
    if ours != theirs:  # rounding differs; then the draw must lie at the border of two symbols
        place = next(i for i, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other)
        cumulative = np.exp(log_probabilities(model, model.encode("head" + ours[: place + 1]).tolist())[-1]).cumsum()
        assert np.abs(cumulative - np.random.Generator(np.random.PCG64(2)).random(place + 1)[-1]).min() < 1e-5


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
def test_its_surprisal_of_a_text_is_the_networks(cell: Cell, layers: int) -> None:
    model = small_model(ALPHABET, cell, layers=layers)
    ids = model.encode("bad cafe\nhead " * 8)
    assert Loop(Writer(model).stepper, model.vocabulary.boundary, "float32").nats(ids) == pytest.approx(
        brute_force_nats(model, ids.tolist()), rel=1e-5
    )


@pytest.mark.parametrize("cell", CELLS)
def test_weights_in_eight_bits_cost_little(cell: Cell) -> None:
    model = small_model(ALPHABET, cell, hidden_size=64, sharpness=0.3)
    ids = model.encode("bad cafe\nhead " * 8)
    exact, rounded = (
        Loop(Writer(model).stepper, model.vocabulary.boundary, kind).nats(ids) / len(ids)
        for kind in ("float32", "int8")
    )  # type: ignore[arg-type]
    assert rounded != exact
    assert abs(rounded - exact) < 0.02


@pytest.mark.parametrize("cell", CELLS)
def test_it_reads_a_prompt_as_the_network_does(cell: Cell) -> None:
    model = small_model(ALPHABET, cell)
    writer = Writer(model, compiled="float32")
    state = writer.read("bad cafe")
    for ours, theirs in zip(writer.read("head", state), model.read("bad cafehead"), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_two_interleaved_texts_of_one_writer_equal_each_alone() -> None:
    writer = Writer(small_model(ALPHABET), compiled="float32")
    alone = [text_of(writer, seed=seed) for seed in (1, 2)]
    both = [generate(writer, "head", length=300, seed=seed) for seed in (1, 2)]
    woven = ["", ""]
    for pieces in itertools.zip_longest(*both, fillvalue=""):
        woven = [text + piece for text, piece in zip(woven, pieces, strict=True)]
    assert woven == alone


def test_endings_stop_strings_and_states_are_the_same() -> None:
    model = small_model("abc\nhed", documents="lines")
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 1
    writer = Writer(model, compiled="float32")
    for seed in range(5):
        ours, theirs = (list(generate_pieces(m, "a", SamplingConfig(), length=90, seed=seed)) for m in (writer, model))
        assert ours == theirs
    endless = ["".join(itertools.islice(generate(m, "", length=None, seed=1), 5 * BLOCK)) for m in (writer, model)]
    assert endless[0] == endless[1]
    assert text_of(writer, stop=["ca", "hh"]) == text_of(model, stop=["ca", "hh"])
    assert text_of(writer, "b", state=writer.read("cc")) == text_of(model, "ccb")


def test_bytes_that_are_half_a_character_are_waited_for() -> None:
    model = small_model("añ日🙂b", kind="bytes")
    assert text_of(Writer(model, compiled="float32"), "añ", length=70) == text_of(model, "añ", length=70)


def test_logits_that_are_not_finite_are_refused() -> None:
    model: LanguageModel = small_model(ALPHABET)
    with torch.no_grad():
        model.network.output.bias[0] = float("nan")
    with pytest.raises(CharloomError, match="not a finite number"):
        text_of(Writer(model, compiled="float32"))


def test_a_numba_that_cannot_keep_what_it_compiles_gives_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_folder(*_: object) -> None:
        raise RuntimeError("cannot cache function '_write': no locator available")

    monkeypatch.delitem(sys.modules, "charloom.generation.numba_steps")
    monkeypatch.setattr("numba.core.caching.FunctionCache.__init__", no_folder)
    with pytest.raises(SettingsError, match="NUMBA_CACHE_DIR"):
        Writer(small_model(ALPHABET), compiled="float32")


def test_without_numba_it_is_said_which_extra_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "charloom.generation.numba_steps")
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(MissingExtraError, match=r"charloom\[fast\]"):
        Writer(small_model(ALPHABET), compiled="float32")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts from 200 symbols on are long, and their 51st symbol is the compiled loop's."""
    monkeypatch.setattr(charloom.generation.writer, "LONG", 200)
    monkeypatch.setattr(charloom.generation.writer, "SOON", 50)


@pytest.mark.parametrize("cell", CELLS)
def test_a_long_text_is_written_on_by_the_compiled_loop_and_stays_the_same(cell: Cell, soon: None) -> None:
    model = small_model(ALPHABET, cell, layers=2, sharpness=1)
    for seed, settings in enumerate(SETTINGS * 3):
        writer, numpy = Writer(model), Writer(model)
        numpy._tried = True  # as if numba were not installed
        assert text_of(writer, **settings, seed=seed) == text_of(numpy, **settings, seed=seed), settings
        assert isinstance(writer._loop, Loop)
        assert numpy._loop is None


def test_a_long_text_of_lines_and_one_without_end_stay_the_same(soon: None) -> None:
    model = small_model("abc\nhed", documents="lines")
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 1
    numpy = Writer(model)
    numpy._tried = True
    for seed in range(5):
        texts = [
            "".join(itertools.islice(generate(m, "", length=None, seed=seed), 500)) for m in (Writer(model), numpy)
        ]
        assert texts[0] == texts[1]


def test_a_text_that_is_short_or_stopped_soon_prepares_nothing(soon: None) -> None:
    writer = Writer(small_model(ALPHABET))
    text_of(writer, length=199)
    "".join(itertools.islice(generate(writer, "", length=None), 50))
    assert writer._loop is None
    assert not writer._tried


def test_weights_that_change_meanwhile_do_not_change_a_text_that_was_begun(soon: None) -> None:
    model = small_model(ALPHABET)
    whole = text_of(model)
    pieces = generate(model, "head", length=300, seed=2)
    begun = "".join(itertools.islice(pieces, 10))
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.zero_()
    assert begun + "".join(pieces) == whole


class Failing(types.ModuleType):
    """A module of which nothing can be imported."""

    def __init__(self, name: str, failure: Exception) -> None:
        super().__init__(name)
        self._failure = failure

    def __getattr__(self, name: str) -> object:
        if name == "Loop":
            raise self._failure
        raise AttributeError(name)


@pytest.mark.parametrize(
    "failure", [None, RuntimeError("cannot cache function"), ImportError("Numba needs NumPy 2.2 or less")]
)
def test_where_the_loop_cannot_be_had_numpy_writes_long_texts(
    failure: Exception | None, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = text_of(small_model(ALPHABET))
    monkeypatch.delitem(sys.modules, "charloom.generation.numba_steps")
    if failure is None:
        monkeypatch.setitem(sys.modules, "numba", None)
    else:
        monkeypatch.setitem(
            sys.modules, "charloom.generation.numba_steps", Failing("charloom.generation.numba_steps", failure)
        )
    writer = Writer(small_model(ALPHABET))
    assert text_of(writer) == expected
    assert writer._loop is None


def test_writing_leaves_the_number_of_torchs_threads_as_it_was() -> None:
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from charloom import Writer, generate; from models import small_model\n"
        "''.join(generate(Writer(small_model('ab '), compiled='float32'), 'a', length=100))\n"
        "raise SystemExit(torch.get_num_threads() != 1)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr or "the number changed"

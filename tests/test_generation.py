"""Generated text follows the drawing rule, the prompt, the length and the stop strings."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.errors import CharloomError, SettingsError, TextError
from charloom.generation.generate import generate, generate_pieces
from charloom.generation.stopping import StopGate
from charloom.models.language_model import LanguageModel
from charloom.settings import Cell, SamplingConfig
from conftest import CELLS
from models import small_model

ALPHABET = "abcdefgh \n"


def write(model: LanguageModel, prompt: str = "", **more: object) -> str:
    return "".join(generate(model, prompt, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", CELLS)
def test_ten_plain_lines_that_follow_the_drawing_rule_write_the_same_text(cell: Cell) -> None:
    model = small_model(ALPHABET, cell)
    uniform, state = np.random.Generator(np.random.PCG64(5)), None
    ids, text = [model.vocabulary.boundary, *model.vocabulary.encode("bad").tolist()], ""
    with torch.no_grad():
        for _ in range(200):
            logits, state = model.network(torch.tensor(ids)[:, None], state)
            probabilities = torch.softmax(logits[-1, 0].double() / 0.8, -1).numpy()
            ids = [int(np.argmax(np.cumsum(probabilities) > uniform.random()))]
            text += model.vocabulary.characters[ids[0]]
    assert write(model, "bad", length=200, temperature=0.8, seed=5) == text


@pytest.mark.parametrize("cell", CELLS)
def test_two_interleaved_generations_on_one_network_equal_each_alone(cell: Cell) -> None:
    model = small_model(ALPHABET, cell)
    alone = [write(model, prompt, length=80, seed=seed) for prompt, seed in (("abc", 1), ("hg", 2))]
    both = generate(model, "abc", length=80, seed=1), generate(model, "hg", length=80, seed=2)
    woven = ["", ""]
    for pieces in itertools.zip_longest(*both, fillvalue=""):
        woven = [text + piece for text, piece in zip(woven, pieces, strict=True)]
    assert woven == alone


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    model = small_model(ALPHABET)
    assert write(model, length=100, seed=3) == write(model, length=100, seed=3)
    assert write(model, length=100, seed=3) != write(model, length=100, seed=4)


def test_generating_neither_uses_nor_changes_the_random_stream_of_torch() -> None:
    model = small_model(ALPHABET)
    before = torch.get_rng_state()
    write(model, length=10)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("cell", CELLS)
def test_temperature_towards_zero_equals_greedy(cell: Cell) -> None:
    model = small_model(ALPHABET, cell)
    assert write(model, "a", length=100, temperature=1e-6) == write(model, "a", length=100, greedy=True)


@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("length", [0, 1, 2, 37])
def test_the_length_is_exact_and_counts_new_characters_only(kind: str, length: int) -> None:
    model = small_model("añ日🙂b", kind=kind)
    assert len(write(model, "añ日🙂b" * 3, length=length, seed=1)) == length


def test_every_character_of_the_prompt_matters() -> None:
    model = small_model(ALPHABET, sharpness=8)
    prompt = "abcdefgh" * 40
    changed = "h" + prompt[1:]
    with torch.no_grad():
        first, second = (
            model.network(torch.tensor([model.vocabulary.boundary, *model.encode(p).tolist()])[:, None])[1]
            for p in (prompt, changed)
        )
    assert not torch.equal(first[0], second[0]) or write(model, "ab", length=50) != write(model, "cb", length=50)
    assert write(model, "ab", length=50) != write(model, "cb", length=50)


def test_a_prompt_with_an_unseen_character_is_refused_before_anything_is_written() -> None:
    with pytest.raises(TextError, match=r"'é' \(U\+00E9\) at character 2"):
        generate(small_model(ALPHABET), "abé")


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0},
        {"temperature": -1},
        {"top_p": 0},
        {"top_p": 1.1},
        {"length": -1},
        {"length": 10**20},
        {"length": 10**5000},
        {"stop": [""]},
        {"seed": -1},
    ],
)
def test_a_setting_out_of_range_is_refused_when_it_is_given(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        generate(small_model(ALPHABET), "a", **wrong)  # type: ignore[arg-type]


def test_a_stop_string_ends_the_text_and_is_not_in_it() -> None:
    model = small_model(ALPHABET)
    free = write(model, "a", length=300, seed=2)
    stop = free[100:103]
    stopped = list(generate_pieces(model, "a", SamplingConfig(), length=300, stop=[stop], seed=2))
    assert "".join(piece.text for piece in stopped) == free[: free.index(stop)]
    assert stopped[-1].stop_reason == "stop"


@given(st.text("ab", max_size=40), st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=3))
def test_the_gate_lets_through_just_what_precedes_the_first_stop_string(text: str, stops: list[str]) -> None:
    gate, out, stopped = StopGate(stops), "", False
    for character in text:
        given_out, stopped = gate.push(character)
        out += given_out
        if stopped:
            break
    else:
        out += gate.finish()
    ends = [text.index(stop) + len(stop) for stop in stops if stop in text]
    if not ends:
        assert (out, stopped) == (text, False)
        return
    first_end = min(ends)
    longest = max(len(stop) for stop in stops if text[:first_end].endswith(stop))
    assert (out, stopped) == (text[: first_end - longest], True)


def test_aab_is_found_in_aaab() -> None:
    gate = StopGate(["aab"])
    pushed = [gate.push(character) for character in "aaab"]
    assert "".join(text for text, _ in pushed) == "a"
    assert pushed[-1][1]


def test_a_documents_model_ends_its_text_by_itself() -> None:
    model = small_model("abc\n", documents="lines")
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 2
        model.network.output.bias[model.vocabulary.characters.index("\n")] += 5
    pieces = list(generate_pieces(model, "", SamplingConfig(), length=1000, seed=1))
    assert pieces[-1].stop_reason == "end"
    assert "\n" not in "".join(piece.text for piece in pieces)  # the boundary replaces it


def test_an_endless_documents_model_begins_another_text_after_a_newline() -> None:
    model = small_model("abc\n", documents="lines")
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 3
    text = "".join(itertools.islice(generate(model, "", length=None, seed=1), 200))
    assert text.count("\n") > 3


def test_without_an_end_the_length_is_the_reason() -> None:
    pieces = list(generate_pieces(small_model(ALPHABET), "", SamplingConfig(), length=7))
    assert pieces[-1].stop_reason == "length"
    assert sum(len(piece.text) for piece in pieces) == 7


def test_weights_that_are_not_finite_give_a_sentence_and_no_text() -> None:
    model = small_model(ALPHABET)
    with torch.no_grad():
        model.network.output.bias[0] = float("nan")
    with pytest.raises(CharloomError, match="not a finite number"):
        write(model, "a")

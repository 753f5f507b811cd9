"""Many texts at once equal the texts one by one."""

import numpy as np
import pytest
import torch

from charloom.errors import CharloomError, SettingsError, TextError
from charloom.generation.batched_generation import BLOCK, ROWS, Sample, generate_many
from charloom.generation.generate import generate_pieces
from charloom.models.language_model import LanguageModel
from charloom.settings import Cell, SamplingConfig
from conftest import CELLS
from models import log_probabilities, small_model

ALPHABET = "abcdefgh \n"
PROMPTS = ["", "a", "bad", "head cafe " * 30, "\n", "abcdefgh" * 5]


def alone(
    model: LanguageModel, prompt: str, seed: int, *, length: int, stop: tuple[str, ...] = (), **more: object
) -> tuple[str, str | None]:
    config = SamplingConfig(**more)  # type: ignore[arg-type]
    pieces = list(generate_pieces(model, prompt, config, length=length, stop=stop, seed=seed))
    return "".join(piece.text for piece in pieces), pieces[-1].stop_reason


def together(samples: list[Sample]) -> list[tuple[str, str | None]]:
    return [(sample.text, sample.stop_reason) for sample in samples]


@pytest.mark.parametrize("cell", CELLS)
def test_a_batch_of_prompts_equals_one_by_one(cell: Cell) -> None:
    model = small_model(ALPHABET, cell)
    samples = generate_many(model, PROMPTS, length=2 * BLOCK + 5, seed=3)
    assert together(samples) == [alone(model, p, 3 + i, length=2 * BLOCK + 5) for i, p in enumerate(PROMPTS)]
    assert [sample.prompt for sample in samples] == PROMPTS


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.6},
        {"top_k": 3},
        {"top_p": 0.8},
        {"min_p": 0.1},
        {"repetition_penalty": 1.4},
        {"greedy": True},
        {"temperature": 1.5, "top_k": 5, "top_p": 0.9, "min_p": 0.02, "repetition_penalty": 1.1},
    ],
    ids=str,
)
def test_a_batch_obeys_every_setting_of_sampling(settings: dict[str, object]) -> None:
    model = small_model(ALPHABET, sharpness=1)
    samples = generate_many(model, PROMPTS, length=150, **settings)  # type: ignore[arg-type]
    assert together(samples) == [alone(model, p, i, length=150, **settings) for i, p in enumerate(PROMPTS)]


def test_each_text_has_its_own_stop_and_leaves_when_it_ends() -> None:
    model = small_model(ALPHABET)
    prompts = ["ab"] * 20
    samples = generate_many(model, prompts, length=200, stop=["ca", "hh"], seed=1)
    assert together(samples) == [alone(model, "ab", 1 + i, length=200, stop=("ca", "hh")) for i in range(20)]
    assert len({len(sample.text) for sample in samples}) > 5
    assert {sample.stop_reason for sample in samples} >= {"stop"}


def test_texts_that_the_model_ends_are_the_same() -> None:
    model = small_model("abc\n", documents="lines")
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 1
    samples = generate_many(model, ["", "ab", "a\nb"] * 5, length=60)
    assert together(samples) == [alone(model, p, i, length=60) for i, p in enumerate(["", "ab", "a\nb"] * 5)]
    assert {sample.stop_reason for sample in samples} >= {"end"}


def test_bytes_that_are_half_a_character_are_waited_for() -> None:
    model = small_model("añ日🙂b", kind="bytes")
    samples = generate_many(model, ["añ", "", "🙂"], length=40)
    assert together(samples) == [alone(model, p, i, length=40) for i, p in enumerate(["añ", "", "🙂"])]
    assert all(len(sample.text) == 40 for sample in samples)


def test_more_texts_than_fit_side_by_side_come_in_their_order() -> None:
    model = small_model(ALPHABET)
    samples = generate_many(model, ["a"] * (ROWS + 3), length=10, seed=5)
    assert together(samples) == [alone(model, "a", 5 + i, length=10) for i in range(ROWS + 3)]


def test_where_a_text_differs_the_draw_lay_at_the_border_of_two_symbols() -> None:
    """With a large network rounding differs more; it must explain every difference."""
    model = small_model(ALPHABET, hidden_size=256, sharpness=1)
    samples = generate_many(model, ["a"] * 16, length=400)
    for seed, sample in enumerate(samples):
        text, _ = alone(model, "a", seed, length=400)
        if text == sample.text:
            continue
        place = next(i for i, (one, other) in enumerate(zip(text, sample.text, strict=True)) if one != other)
        ids = model.encode("a" + text[: place + 1]).tolist()
        cumulative = np.exp(log_probabilities(model, ids)[-1]).cumsum()
        uniform = np.random.Generator(np.random.PCG64(seed)).random(place + 1)[-1]
        assert np.abs(cumulative - uniform).min() < 1e-5


def test_no_prompts_give_no_texts_and_length_zero_gives_empty_ones() -> None:
    model = small_model(ALPHABET)
    assert generate_many(model, []) == []
    assert together(generate_many(model, ["a", "b"], length=0)) == [("", "length")] * 2


def test_seeds_can_be_given_one_for_each() -> None:
    model = small_model(ALPHABET)
    samples = generate_many(model, ["a", "a", "a"], length=30, seeds=[7, 2, 7])
    assert samples[0].text == samples[2].text == alone(model, "a", 7, length=30)[0]
    assert samples[1].text == alone(model, "a", 2, length=30)[0]
    with pytest.raises(SettingsError, match="3 prompts and 1 seeds"):
        generate_many(model, ["a"] * 3, seeds=[1])


def test_a_text_that_has_ended_does_not_take_the_others_with_it() -> None:
    """A ReLU that would explode just after the end of a text, while its row continues for the rest of the block."""
    model = small_model(ALPHABET, "rnn-relu", layers=1)
    with torch.no_grad():
        model.network.layers[0].weight_hh_l0.fill_(1e4)  # infinite within ten steps
    samples = generate_many(model, ["", ""], length=3, stop=["\n"])
    assert together(samples) == [alone(model, "", i, length=3, stop=("\n",)) for i in range(2)]
    with pytest.raises(CharloomError, match="not a finite number"):
        generate_many(model, [""], length=60)


def test_what_is_wrong_is_refused_before_anything_is_written() -> None:
    model = small_model(ALPHABET)
    with pytest.raises(TextError, match="U\\+00E9"):
        generate_many(model, ["a", "é"])
    for wrong in ({"length": None}, {"length": -1}, {"stop": [""]}, {"seed": -1}, {"temperature": 0}):
        with pytest.raises(SettingsError):
            generate_many(model, ["a"], **wrong)  # type: ignore[arg-type]
    with torch.no_grad():
        model.network.output.bias[0] = float("nan")
    with pytest.raises(CharloomError, match="not a finite number"):
        generate_many(model, ["a"])

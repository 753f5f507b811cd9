"""Dynamic evaluation: nothing is learned from before it is predicted, and the model itself does not change."""

import copy
import math

import numpy as np
import pytest
import torch

from charloom.errors import NotFiniteError, SettingsError
from charloom.evaluation.score import evaluate, evaluate_dynamic
from charloom.settings import Cell
from conftest import CELLS
from models import small_model

TEXT = "the quick brown fox jumps over the lazy dog; then it rests.\n" * 5


@pytest.mark.parametrize("cell", CELLS)
def test_each_weight_s_step_is_divided_by_the_size_of_its_gradients_so_far(cell: Cell) -> None:
    model = small_model(TEXT, cell, sharpness=1.0)
    network = copy.deepcopy(model.network).eval()
    squares = {name: torch.zeros_like(weight) for name, weight in network.named_parameters()}
    ids = torch.from_numpy(model.encode(TEXT).astype(np.int64))
    inputs = torch.cat((torch.tensor([model.vocabulary.boundary]), ids[:-1]))
    nats, state = 0.0, None
    for step, first in enumerate(range(0, len(ids), 20), 1):
        logits, after = network(inputs[first : first + 20, None], state)
        loss = torch.nn.functional.cross_entropy(logits[:, 0], ids[first : first + 20])
        nats += loss.item() * len(logits)
        network.zero_grad()
        loss.backward()
        with torch.no_grad():
            for name, weight in network.named_parameters():
                assert weight.grad is not None
                squares[name] += weight.grad**2
                weight -= 1e-3 * weight.grad / (torch.sqrt(squares[name] / step) + 1e-4)
        state = tuple(part.detach() for part in after)
    score = evaluate_dynamic(model, TEXT, learning_rate=1e-3, segment=20)
    assert score.nats == pytest.approx(nats, rel=1e-4)
    assert score.nats != pytest.approx(evaluate(model, TEXT).nats, rel=1e-3)
    assert score.symbols == len(TEXT)


@pytest.mark.parametrize("documents", ["none", "lines"])
def test_who_learns_nothing_scores_as_always(documents: str) -> None:
    model = small_model(TEXT, documents=documents)  # type: ignore[arg-type]
    still, score = evaluate_dynamic(model, TEXT, learning_rate=0.0), evaluate(model, TEXT)
    assert still.nats == pytest.approx(score.nats, rel=1e-5)
    assert (still.symbols, still.correct, still.characters, still.bytes) == (
        score.symbols,
        score.correct,
        score.characters,
        score.bytes,
    )


def test_no_character_is_predicted_with_what_it_taught() -> None:
    """Up to the end of a segment, the figure is that of the unchanged model, whatever follows."""
    model = small_model(TEXT)
    assert evaluate_dynamic(model, TEXT[:64]).nats == pytest.approx(evaluate(model, TEXT[:64]).nats, rel=1e-5)
    assert evaluate_dynamic(model, TEXT[:65]).nats != pytest.approx(evaluate(model, TEXT[:65]).nats, rel=1e-7)


def test_a_text_that_repeats_is_learned_and_the_model_is_left_as_it_was() -> None:
    model = small_model(TEXT)
    before = model.weights()
    assert evaluate_dynamic(model, TEXT * 4, learning_rate=3e-3).nats < 0.95 * evaluate(model, TEXT * 4).nats
    assert model.weights() == before


def test_a_learning_rate_that_breaks_the_network_is_told() -> None:
    with pytest.raises(NotFiniteError):
        evaluate_dynamic(small_model(TEXT, "rnn-relu"), TEXT, learning_rate=1e30)
    for rate, segment in ((-0.1, 64), (math.inf, 64), (0.1, 0)):
        with pytest.raises(SettingsError):
            evaluate_dynamic(small_model(TEXT), TEXT, learning_rate=rate, segment=segment)

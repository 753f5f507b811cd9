"""One step after another, interrupted or not: the same numbers."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import charloom
from charloom.data.batches import IGNORED, Streams
from charloom.data.documents import Documents
from charloom.data.vocabulary import Vocabulary
from charloom.errors import DivergedError
from charloom.evaluation.score import evaluate
from charloom.generation.batched_generation import generate_many
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig
from charloom.settings import Cell, NetworkConfig, TrainingConfig
from charloom.training.schedules import learning_rate
from charloom.training.trainer import Tensors, Trainer
from conftest import CELLS

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")

CONFIG = TrainingConfig(batch_size=4, sequence_length=16, learning_rate=1e-2, seed=7)
STEPS = 23


def begin(
    text: str,
    cell: Cell = "lstm",
    config: TrainingConfig = CONFIG,
    *,
    documents: bool = False,
    fold: bool = False,
    precision: str = "float32",
    dropout: float = 0.3,
) -> tuple[Trainer, LanguageModel]:
    vocabulary = Vocabulary.of([text])
    torch.manual_seed(config.seed)
    network = NetworkConfig(cell=cell, hidden_size=16, layers=2, embedding_size=8, dropout=dropout)
    model = LanguageModel.new(ModelConfig(network, "lines" if documents else "none", documents), vocabulary)
    ids = model.encode(text)
    sizes = {
        "boundary": vocabulary.boundary,
        "batch_size": config.batch_size,
        "sequence_length": config.sequence_length,
    }
    batches = Documents(ids, **sizes, seed=1, fold=fold) if documents else Streams(ids, **sizes)
    return Trainer(model.network, batches, config, steps=STEPS, precision=precision), model


def equal(one: Tensors, other: Tensors) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def run(trainer: Trainer, until: int = STEPS) -> list[float]:
    losses = []
    while trainer.step < until:
        losses.append(trainer.advance().loss_nats)
    return losses


@pytest.mark.parametrize("stop", [0, 1, 8, 9, 14])
@pytest.mark.parametrize("cell", CELLS)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    cell: Cell, stop: int, precision: str, small_text: str
) -> None:
    text = small_text[:600]  # an epoch of 10 steps: some stops are in its middle, some near its ends
    unbroken, _ = begin(text, cell, precision=precision)
    losses = run(unbroken)
    first, _ = begin(text, cell, precision=precision)
    losses_again = run(first, stop)
    second, _ = begin(text, cell, replace(CONFIG, seed=CONFIG.seed), precision=precision)
    run(second, 2)  # whatever it did before must have no effect
    second.restore(first.state())
    losses_again += run(second)
    assert losses_again == losses
    assert equal(second.state(), unbroken.state())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("fold", [False, True])
def test_documents_resume_bit_for_bit_too_also_within_a_long_document(
    fold: bool, cell: Cell, precision: str, small_text: str
) -> None:
    text = small_text[:900]
    if fold:  # two long texts, cut into pieces
        text = text[:600].replace("\n", " ") + "\n" + text[600:].replace("\n", " ")
    unbroken, _ = begin(text, cell, documents=True, fold=fold, precision=precision)
    run(unbroken)
    stops = range(1 + CELLS.index(cell), STEPS, 8)  # each cell elsewhere
    assert any(len(unbroken.batches[stop].carried) for stop in stops)
    for stop in stops:
        first, _ = begin(text, cell, documents=True, fold=fold, precision=precision)
        run(first, stop)
        second, _ = begin(text, cell, documents=True, fold=fold, precision=precision)
        second.restore(first.state())
        run(second)
        assert equal(second.state(), unbroken.state())


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam", "rmsprop", "sgd"])
def test_every_optimizer_learns_and_resumes_bit_for_bit(optimizer: str, small_text: str) -> None:
    rate = {"sgd": 0.5, "rmsprop": 1e-3}.get(optimizer, 1e-2)
    config = replace(CONFIG, optimizer=optimizer, learning_rate=rate)  # type: ignore[arg-type]
    unbroken, _ = begin(small_text, config=config)
    losses = run(unbroken)
    first, _ = begin(small_text, config=config)
    run(first, 11)
    second, _ = begin(small_text, config=config)
    second.restore(first.state())
    run(second)
    assert losses[-1] < losses[0] - 0.2
    assert equal(second.state(), unbroken.state())


@pytest.mark.parametrize("cell", CELLS)
def test_evaluating_after_every_step_changes_no_weight(cell: Cell, small_text: str) -> None:
    quiet, _ = begin(small_text, cell)
    run(quiet, 6)
    watched, model = begin(small_text, cell)
    for _ in range(6):
        watched.advance()
        evaluate(model, small_text[:200])
        torch.rand(3)  # other code may also draw from torch's stream
    assert equal(watched.state(), quiet.state())


def test_two_trainers_in_turn_equal_each_alone(small_text: str) -> None:
    alone = [begin(small_text, cell)[0] for cell in ("lstm", "gru")]
    for trainer in alone:
        run(trainer, 5)
    woven = [begin(small_text, cell)[0] for cell in ("lstm", "gru")]
    for _ in range(5):
        for trainer in woven:
            trainer.advance()
    assert all(equal(one.state(), other.state()) for one, other in zip(alone, woven, strict=True))


def test_the_state_is_carried_from_batch_to_batch_and_zero_where_an_epoch_begins(small_text: str) -> None:
    trainer, model = begin(small_text[:600], config=replace(CONFIG, learning_rate=1e-12, weight_decay=0))
    trainer.network.dropout.share = 0.0
    ids, streams = model.encode(small_text[:600]), trainer.batches
    for epoch_step in range(len(streams)):
        trainer.advance()
        inputs = torch.cat([streams[k].inputs for k in range(epoch_step + 1)])
        with torch.no_grad():
            _, expected = trainer.network(inputs)
        if epoch_step == len(streams) - 1:
            assert trainer._state is None
        else:
            for part, wanted in zip(trainer._state, expected, strict=True):
                torch.testing.assert_close(part, wanted, atol=1e-5, rtol=1e-4)
    assert streams[len(streams)].begins
    assert not streams[len(streams) + 1].begins
    assert len(ids) == 600


def test_the_moving_average_is_what_its_formula_says(small_text: str) -> None:
    trainer, _ = begin(small_text)
    average = copy.deepcopy(trainer.network.state_dict())
    for step in range(6):
        trainer.advance()
        decay = min(CONFIG.average, (1 + step) / (10 + step))
        for name, weights in trainer.network.state_dict().items():
            average[name] = decay * average[name] + (1 - decay) * weights
    for name, weights in trainer.average.state_dict().items():
        torch.testing.assert_close(weights, average[name])


def test_without_averaging_the_model_is_the_network_itself(small_text: str) -> None:
    trainer, _ = begin(small_text, config=replace(CONFIG, average=0.0))
    assert trainer.average is trainer.network


def test_a_gradient_beyond_the_clip_is_scaled_to_it(small_text: str) -> None:
    config = replace(CONFIG, optimizer="sgd", beta1=0.0, weight_decay=0.0, learning_rate=1.0, clip=0.01, warmup=0.0)
    trainer, _ = begin(small_text, config=config)
    before = {name: weights.clone() for name, weights in trainer.network.state_dict().items()}
    progress = trainer.advance()
    moved = sum(float(((weights - before[name]) ** 2).sum()) for name, weights in trainer.network.state_dict().items())
    assert progress.gradient_norm > 0.01
    assert moved**0.5 == pytest.approx(0.01 * learning_rate(0, STEPS, config), rel=1e-3)


def test_a_loss_that_is_not_finite_stops_training_before_the_weights_are_ruined(small_text: str) -> None:
    config = replace(CONFIG, optimizer="sgd", learning_rate=1000.0, clip=0.0, warmup=0.0)
    trainer, _ = begin(small_text, "rnn-relu", config)
    with pytest.raises(DivergedError, match=r"step \d+ of 23.*learning-rate"):
        run(trainer)
    assert all(torch.isfinite(weights).all() for weights in trainer.network.state_dict().values())


def test_padding_of_short_documents_has_no_part_in_the_loss(small_text: str) -> None:
    text = "a\nbbbbbbbbb\ncc\ndddd\n"
    trainer, _ = begin(text, documents=True, config=replace(CONFIG, learning_rate=1e-12))
    trainer.network.dropout.share = 0.0
    batch = trainer.batches[0]
    with torch.no_grad():
        logits, _ = trainer.network(batch.inputs)
        logs = torch.log_softmax(logits, -1)
    real = batch.targets >= 0
    expected = -logs[real].gather(-1, batch.targets[real][:, None]).mean().item()
    assert trainer.advance().loss_nats == pytest.approx(expected, rel=1e-5)
    assert batch.symbols == int(real.sum())


def test_a_progress_record_says_how_far_the_run_is(small_text: str) -> None:
    trainer, _ = begin(small_text[:600])
    records = list(trainer.steps())
    assert [record.step for record in records] == list(range(1, STEPS + 1))
    assert records[9].epoch == 1.0
    assert records[9].characters_seen == 600
    assert records[-1].steps == STEPS


def mean_gradient(trainer: Trainer) -> dict[str, torch.Tensor]:
    """The mean over an epoch of the gradients given to the optimizer, with fixed weights."""
    total = {name: torch.zeros_like(weights) for name, weights in trainer.network.named_parameters()}

    def add(rate: float) -> None:
        for name, weights in trainer.network.named_parameters():
            total[name] += weights.grad / len(trainer.batches)

    trainer.optimizer.step = add  # type: ignore[method-assign]
    run(trainer, len(trainer.batches))
    return total


def gradient_of_the_mean(model: LanguageModel, parts: list[torch.Tensor], length: int) -> dict[str, torch.Tensor]:
    """The gradient of the mean surprisal over all `parts`, each from a zero state, truncated every `length` symbols."""
    losses = []
    for part in parts:
        before = torch.cat((torch.tensor([model.vocabulary.boundary]), part[:-1]))
        state = None
        for first in range(0, len(part), length):
            logits, state = model.network(before[first : first + length, None], state)
            state = tuple(tensor.detach() for tensor in state)
            losses.append(
                torch.nn.functional.cross_entropy(logits[:, 0], part[first : first + length], reduction="sum")
            )
    mean = torch.stack(losses).sum() / sum(map(len, parts))
    names = dict(model.network.named_parameters())
    return dict(zip(names, torch.autograd.grad(mean, list(names.values())), strict=True))


def lines(kind: str) -> str:
    """Lines of letters, with lengths distributed as named."""
    draw = np.random.default_rng(5)
    lengths = {
        "many empty": np.where(draw.random(300) < 0.6, 0, draw.integers(1, 30, 300)),
        "all empty": np.zeros(100, int),
        "of names": draw.integers(2, 12, 200),
        "beyond the sequence": draw.integers(0, 70, 60),
        "one very long": np.append(draw.integers(0, 9, 40), 400),
        "all beyond": np.full(40, 17),
    }[kind]
    return "".join("".join(draw.choice(list("abcd"), length)) + "\n" for length in lengths) + "abcd\n"


@pytest.mark.parametrize(("batch_size", "sequence_length"), [(1, 16), (4, 16), (3, 7), (32, 128)])
@pytest.mark.parametrize(
    "kind", ["many empty", "all empty", "of names", "beyond the sequence", "one very long", "all beyond"]
)
def test_the_mean_gradient_of_an_epoch_of_documents_is_that_of_the_mean_loss_of_its_symbols(
    kind: str, batch_size: int, sequence_length: int
) -> None:
    config = replace(CONFIG, batch_size=batch_size, sequence_length=sequence_length, clip=0.0, average=0.0)
    text = lines(kind)
    trainer, model = begin(text, config=config, documents=True, dropout=0.0)
    trainer.total = 1_000_000
    ids = torch.from_numpy(model.encode(text).astype(np.int64))
    ends = (ids == model.vocabulary.boundary).nonzero()[:, 0] + 1
    parts = [part for part in ids.tensor_split(ends.tolist()) if len(part)]
    wanted = gradient_of_the_mean(model, parts, sequence_length)
    for name, found in mean_gradient(trainer).items():
        torch.testing.assert_close(found, wanted[name], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("length", [600, 601, 613, 17])
def test_the_mean_gradient_of_an_epoch_of_streams_is_that_of_the_mean_loss_of_its_symbols(
    length: int, small_text: str
) -> None:
    text = small_text[:length]
    trainer, model = begin(text, config=replace(CONFIG, clip=0.0, average=0.0), dropout=0.0)
    batches = [trainer.batches[k] for k in range(len(trainer.batches))]
    states, losses = None, []
    for batch in batches:
        logits, states = model.network(batch.inputs, states)
        states = tuple(part.detach() for part in states)
        losses.append(
            torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED, reduction="sum"
            )
        )
    mean = torch.stack(losses).sum() / length
    names = dict(model.network.named_parameters())
    wanted = dict(zip(names, torch.autograd.grad(mean, list(names.values())), strict=True))
    for name, found in mean_gradient(trainer).items():
        torch.testing.assert_close(found, wanted[name], atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_pieces_of_rows_give_what_the_rows_give_together(cell: Cell, small_text: str) -> None:
    _, model = begin(small_text, cell, dropout=0.0)
    ids, state = torch.randint(0, 20, (9, 6)), model.network.zero_state(6)
    state = tuple(torch.randn_like(part) for part in state)
    whole, after = model.network(ids, state)
    logits, last = model.network.read_pieces([ids[:4], ids[4:7, :5], ids[7:, :2]], state)
    expected = torch.cat([whole[:4].flatten(0, 1), whole[4:7, :5].flatten(0, 1), whole[7:, :2].flatten(0, 1)])
    torch.testing.assert_close(logits, expected)
    for part, wanted in zip(last, after, strict=True):
        torch.testing.assert_close(part, wanted[:, :2])


def test_recurrent_weights_that_are_dropped_are_the_same_in_all_pieces_of_a_step(small_text: str) -> None:
    trainer, _ = begin(small_text, dropout=0.0)
    network = trainer.network
    network.config = replace(network.config, weight_dropout=0.5)
    network.weight_dropout.share = 0.5
    ids = torch.randint(0, 20, (8, 3))
    torch.manual_seed(1)
    whole, _ = network(ids)
    torch.manual_seed(1)
    logits, _ = network.read_pieces([ids[:5], ids[5:]])
    torch.testing.assert_close(logits, whole.flatten(0, 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_model_of_lines_writes_as_many_empty_lines_as_its_text_has(seed: int) -> None:
    draw = np.random.default_rng(seed)
    words = ["to be", "or not", "that is", "the question", "slings", "and arrows of outrageous fortune"]
    written = [" ".join(draw.choice(words, draw.integers(1, 4) * (draw.random() > 0.3))) for _ in range(3000)]
    text = "\n".join(written) + "\n"
    vocabulary = Vocabulary.of([text])
    torch.manual_seed(seed)
    model = LanguageModel.new(ModelConfig(NetworkConfig(hidden_size=32), "lines", True), vocabulary)
    config = TrainingConfig(batch_size=8, sequence_length=64, learning_rate=12e-3, seed=seed)
    batches = Documents(model.encode(text), boundary=vocabulary.boundary, batch_size=8, sequence_length=64, seed=seed)
    trainer = Trainer(model.network, batches, config, steps=150)
    run(trainer, 150)
    samples = generate_many(model.with_network(trainer.average), [""] * 1000, temperature=1.0, length=100, seed=seed)
    lines_again = [sample.text.rstrip("\n") for sample in samples]
    share = sum(not line for line in lines_again) / len(lines_again)
    assert share == pytest.approx(sum(not line for line in written) / len(written), abs=0.1)
    length = sum(map(len, lines_again)) / len(lines_again)
    assert length == pytest.approx(sum(map(len, written)) / len(written), rel=0.15)


@pytest.mark.parametrize("cell", CELLS)
def test_training_and_scores_are_the_same_within_autocast_of_a_caller(
    cell: Cell, precision: str, small_text: str, tmp_path: Path
) -> None:
    """Also where one was left open by an interruption: torch would then cast the weights once and never again."""

    def figures(name: str) -> tuple[list[dict[str, Any]], charloom.Score]:
        network = charloom.NetworkConfig(cell=cell, hidden_size=8, embedding_size=4)
        run = charloom.train(small_text, run=tmp_path / name, steps=6, network=network, precision=precision)
        return run.metrics(), charloom.evaluate(run, small_text[:300])

    plain = figures("plain")
    with torch.autocast("cpu", torch.bfloat16):
        assert figures("within") == plain

"""A text becomes a run, and the run describes it truthfully."""

import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import charloom
from charloom.data.text_sources import open_text, string_corpus
from charloom.errors import CharloomError, DivergedError, FolderError, SettingsError
from charloom.evaluation.score import evaluate
from charloom.machine import hardware
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.training import start
from charloom.training.loop import SaveEvery
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Run
from charloom.training.session import Session
from charloom.training.texts import same_text

NETWORK = NetworkConfig(hidden_size=16, embedding_size=8, dropout=0.2)
TRAINING = TrainingConfig(batch_size=4, sequence_length=16, learning_rate=1e-2, validations=3)


def begin(
    text: str,
    run: Path,
    *,
    steps: int = 12,
    corpus: CorpusConfig = CorpusConfig(),
    network: NetworkConfig = NETWORK,
    training: TrainingConfig = TRAINING,
    origin: Path | None = None,
    save_every: SaveEvery = SaveEvery(),
) -> Session:
    request = RunRequest(corpus, network, training, length=Length(steps=steps), origin=origin, precision="float32")
    return start.begin(string_corpus(text, corpus), request, run=run, save_every=save_every)


def finish(session: Session) -> Run:
    for _ in session.events():
        pass
    return session.run


def weights(run: Run) -> bytes:
    from safetensors.numpy import load_file

    tensors = load_file(run.path / "checkpoint.safetensors")
    return b"".join(tensor.tobytes() for name, tensor in sorted(tensors.items()) if name.startswith("weights/"))


def test_the_figure_of_a_run_is_the_score_of_its_model_on_its_validation_text(small_text: str, tmp_path: Path) -> None:
    session = begin(small_text, tmp_path / "run")
    run = finish(session)
    text = small_text[int(0.9 * len(small_text)) :]
    score = evaluate(charloom.load(run.path), text)
    final = session.final_validation()
    assert final is not None
    assert final["protocol"] == "carried"
    assert final["characters"] == len(text) == score.characters
    assert final["nats_per_character"] == score.nats_per_character


def test_validating_more_often_gives_the_same_weights(small_text: str, tmp_path: Path) -> None:
    often, seldom = (
        finish(begin(small_text, tmp_path / str(n), training=replace(TRAINING, validations=n))) for n in (12, 1)
    )
    assert weights(often) == weights(seldom)


def test_saving_more_often_gives_the_same_run(small_text: str, tmp_path: Path) -> None:
    one = finish(begin(small_text, tmp_path / "one", save_every=SaveEvery(None, 1)))
    two = finish(begin(small_text, tmp_path / "two"))
    names = sorted(str(path.relative_to(one.path)) for path in one.path.rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(two.path)) for path in two.path.rglob("*") if path.is_file())
    for name in names:
        if name != "clock.jsonl":
            assert (one.path / name).read_bytes() == (two.path / name).read_bytes(), name


def test_the_validation_figure_does_not_depend_on_the_training_batch_size(small_text: str, tmp_path: Path) -> None:
    figures = []
    for size in (1, 4, 7):
        training = replace(TRAINING, batch_size=size, learning_rate=1e-30, average=0.0)
        run = finish(begin(small_text, tmp_path / str(size), training=training, steps=2))
        figures += [line["validation"]["nats_per_character"] for line in run.metrics() if "validation" in line]
    assert max(figures) - min(figures) < 1e-6


def test_the_model_that_is_kept_is_the_best_that_was_validated(small_text: str, tmp_path: Path) -> None:
    run = finish(begin(small_text, tmp_path / "run", steps=30, training=replace(TRAINING, validations=10)))
    seen = [line["validation"]["nats_per_character"] for line in run.metrics() if "validation" in line]
    part = small_text[int(0.9 * len(small_text)) :]
    kept = charloom.evaluation.score.evaluate_folded(charloom.load(run.path), charloom.Text.of(part)).nats_per_character
    assert len(seen) == 10
    assert kept == pytest.approx(min(seen), rel=1e-6)


def test_a_part_of_the_validation_text_is_read_while_training_and_said_to_be_one(
    small_text: str, tmp_path: Path
) -> None:
    text = small_text * (60_000 // len(small_text) + 1)
    run = finish(begin(text[:60_000], tmp_path / "run", steps=2))
    (found, *_) = [line["validation"] for line in run.metrics() if "validation" in line]
    assert (found["characters"], found["of_characters"]) == (4096, 6000)
    assert found["standard_error_nats"] > 0
    (final,) = [line["final"] for line in run.metrics() if "final" in line]
    assert (final["characters"], final["of_characters"], final["standard_error_nats"]) == (6000, 6000, None)
    assert "(6,000 validation characters, state carried)" in (run.model / "README.md").read_text()


def test_the_training_loss_of_the_metrics_is_the_mean_over_all_symbols_since_the_last_line(
    small_text: str, tmp_path: Path
) -> None:
    session = begin(small_text, tmp_path / "run", steps=1200, network=replace(NETWORK, hidden_size=4))
    assert session.config.plan.log_every == 2
    losses = []
    for event in session.events():
        losses.append((event.progress.loss_nats * event.progress.symbols, event.progress.symbols))
    lines = [line for line in session.run.metrics() if "loss_nats" in line]
    assert [line["step"] for line in lines] == list(range(2, 1201, 2))
    for k, line in enumerate(lines):
        (one, n), (two, m) = losses[2 * k : 2 * k + 2]
        assert line["loss_nats"] == pytest.approx((one + two) / (n + m), rel=1e-12)


def test_a_resumed_run_takes_the_text_only_if_it_is_the_same(small_text: str, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text(small_text)
    corpus = open_text(path, CorpusConfig())
    request = RunRequest(CorpusConfig(), NETWORK, TRAINING, length=Length(steps=6))
    session = start.begin(corpus, request, run=tmp_path / "run")
    finish(session)
    start.resume(tmp_path / "run", Length(steps=8))
    path.write_text(small_text + "x")
    with pytest.raises(FolderError, match="has changed since"):
        start.resume(tmp_path / "run", Length(steps=9))


def test_more_steps_extend_a_finished_run_and_fewer_are_refused(small_text: str, tmp_path: Path) -> None:
    finish(begin(small_text, tmp_path / "run", steps=6))
    session = start.resume(tmp_path / "run", Length(steps=10))
    assert session.resumed_from == 6
    run = finish(session)
    steps = [line["step"] for line in run.metrics() if "loss_nats" in line]
    assert steps == list(range(1, 11))
    with pytest.raises(SettingsError, match="fewer"):
        start.resume(tmp_path / "run", Length(steps=4))


def test_resuming_a_finished_run_changes_nothing_and_gives_its_figure_again(small_text: str, tmp_path: Path) -> None:
    first = begin(small_text, tmp_path / "run")
    finish(first)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    second = start.resume(tmp_path / "run")
    finish(second)
    assert second.final_validation() == first.final_validation()
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_a_run_in_bfloat16_goes_on_in_float32_where_the_processor_does_not_have_it(
    small_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(begin(small_text, tmp_path / "plain", steps=6))
    finish(start.resume(tmp_path / "plain", Length(steps=10)))
    finish(begin(small_text, tmp_path / "moved", steps=6))
    planned_in_bfloat16(tmp_path / "moved")
    monkeypatch.setattr(hardware, "_processor_multiplies_bfloat16", lambda: False)
    done = start.resume(tmp_path / "moved")
    finish(done)
    assert done.config.plan.precision == Run(tmp_path / "moved").config().plan.precision == "bfloat16"
    assert done.notices == ()  # nothing was left to train
    session = start.resume(tmp_path / "moved", Length(steps=10))
    why = "the processor does not multiply bfloat16 itself; up to step 6 training was in bfloat16"
    assert session.notices == (f"training goes on in float32: {why}",)
    run = finish(session)
    assert weights(run) == weights(Run(tmp_path / "plain"))
    assert (run.config().plan.precision, run.config().plan.precision_reason) == ("float32", why)
    assert f", seed 1, float32 ({why})\n" in (run.model / "README.md").read_text()


def test_a_run_in_bfloat16_that_stopped_early_keeps_its_record_where_the_processor_does_not_have_it(
    small_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = TrainingConfig(batch_size=4, sequence_length=16, learning_rate=0.5, validations=20, patience=1)
    session = begin(small_text, tmp_path / "run", steps=60, training=training)
    finish(session)
    assert session.stopped_early
    planned_in_bfloat16(tmp_path / "run")
    monkeypatch.setattr(hardware, "_processor_multiplies_bfloat16", lambda: False)
    again = start.resume(tmp_path / "run")
    finish(again)
    assert again.notices == () and Run(tmp_path / "run").config().plan.precision == "bfloat16"


def planned_in_bfloat16(run: Path) -> None:
    """As if the run had been started on another processor."""
    path = run / "config.json"
    path.write_text(path.read_text().replace('"precision": "float32"', '"precision": "bfloat16"'))


def test_leaving_the_loop_early_saves_the_last_step(small_text: str, tmp_path: Path) -> None:
    session = begin(small_text, tmp_path / "run")
    for event in session.events():
        if event.progress.step == 5:
            break
    assert start.resume(tmp_path / "run").resumed_from == 5


@pytest.mark.parametrize("save_every", [1, 1000])
def test_a_run_that_diverges_keeps_a_model_that_can_be_used_and_a_checkpoint_that_loads(
    save_every: int, small_text: str, tmp_path: Path
) -> None:
    training = replace(TRAINING, optimizer="sgd", learning_rate=1000.0, clip=0.0, warmup=0.0)
    network = replace(NETWORK, cell="rnn-relu")
    session = begin(
        small_text, tmp_path / "run", training=training, network=network, save_every=SaveEvery(None, save_every)
    )
    with pytest.raises(DivergedError, match="stopped being finite"):
        finish(session)
    assert evaluate(charloom.load(tmp_path / "run"), small_text[:100]).symbols == 100
    start.resume(tmp_path / "run")


def test_two_processes_cannot_train_into_one_run(small_text: str, tmp_path: Path) -> None:
    session = begin(small_text, tmp_path / "run")
    with pytest.raises(FolderError, match="is being trained by another process"):
        start.resume(tmp_path / "run")
    finish(session)
    start.resume(tmp_path / "run")


def test_an_existing_run_is_never_overwritten(small_text: str, tmp_path: Path) -> None:
    run = finish(begin(small_text, tmp_path / "run"))
    before = weights(run)
    with pytest.raises(FolderError, match="exists; choose another"):
        begin(small_text, tmp_path / "run")
    assert weights(run) == before


def test_that_a_run_exists_is_said_before_any_work(
    small_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(begin(small_text, tmp_path / "run", steps=1))
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(start, "choose_device", None)  # what comes next
    for name, said in (("run", "or resume it with"), ("file", "is not a run")):
        with pytest.raises(FolderError, match=f"exists.*{said}|exists and {said}"):
            begin(small_text, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_runs_without_a_name_get_the_name_of_the_text_and_a_number(
    small_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hamlet.txt").write_text(small_text)
    paths = [
        charloom.train(Path("hamlet.txt"), steps=1, network=NETWORK, training=TRAINING).path.as_posix()
        for _ in range(3)
    ]
    assert paths == ["runs/hamlet", "runs/hamlet-2", "runs/hamlet-3"]


@pytest.mark.parametrize("documents", ["none", "lines"])
def test_a_text_of_200_characters_trains(documents: str, docs_text: str, tmp_path: Path) -> None:
    corpus = CorpusConfig(documents=documents)  # type: ignore[arg-type]
    session = begin(docs_text[1000:1200], tmp_path / "run", corpus=corpus, training=TrainingConfig(), steps=3)
    finish(session)
    assert session.final_validation() is not None


def test_a_text_of_one_repeated_character_trains_and_is_learned(tmp_path: Path) -> None:
    session = begin("a" * 3000, tmp_path / "run", steps=5)
    finish(session)
    final = session.final_validation()
    assert final is not None
    assert final["bits_per_character"] == pytest.approx(0, abs=1e-6)


def test_a_split_without_validation_trains_and_has_no_figure(small_text: str, tmp_path: Path) -> None:
    session = begin(small_text, tmp_path / "run", corpus=CorpusConfig(split=(1.0, 0.0, 0.0)))
    run = finish(session)
    assert session.final_validation() is None
    assert charloom.load(run.path).weights() == replace(session.model).weights()


def test_fine_tuning_starts_from_the_weights_also_where_the_text_has_new_characters(
    small_text: str, tmp_path: Path
) -> None:
    parent_run = finish(begin(small_text, tmp_path / "parent", steps=60))
    parent = charloom.load(parent_run.path)
    text = small_text[:600].replace("e", "é") + small_text[600:2000]
    session = begin(text, tmp_path / "child", steps=2, origin=tmp_path / "parent")
    child = charloom.load(tmp_path / "child")  # before the first step
    known = [child.vocabulary.characters.index(c) for c in parent.vocabulary.characters]
    ids = torch.tensor(parent.encode(small_text[:100]).astype(int))[:, None]
    mapped = torch.tensor(known)[ids]
    with torch.no_grad():
        torch.testing.assert_close(child.network(mapped)[0][..., known], parent.network(ids)[0])
    assert session.config.origin is not None
    assert session.config.origin.new_symbols == 1
    finish(session)


def test_a_network_that_was_asked_for_is_said_not_to_be_that_of_the_model_to_start_from(
    small_text: str, tmp_path: Path
) -> None:
    finish(begin(small_text, tmp_path / "parent", steps=1))
    network = NetworkConfig(hidden_size=48, dropout=0.1, cell="gru")
    request = RunRequest(network=network, length=Length(steps=1), origin=tmp_path / "parent")
    chosen = replace(request, chosen=["network.hidden_size", "network.dropout"])
    corpus = string_corpus(small_text, CorpusConfig())
    session = start.begin(corpus, chosen, run=tmp_path / "child")
    real = charloom.load(tmp_path / "parent").config.network.hidden_size
    assert session.notices == (
        f"network.hidden_size is {real}, not 48: the network is that of the model to start from",
    )
    finish(session)
    assert start.begin(corpus, replace(request, network=NetworkConfig()), run=tmp_path / "other").notices == ()


def test_a_time_budget_is_kept_and_fixes_the_number_of_steps(docs_text: str, tmp_path: Path) -> None:
    started = time.monotonic()
    corpus, request = string_corpus(docs_text, CorpusConfig()), RunRequest(network=NetworkConfig(hidden_size=32))
    in_time = replace(request, length=Length(budget=8.0))
    session = start.begin(corpus, in_time, run=tmp_path / "run", started=started)
    run = finish(session)
    assert time.monotonic() - started < 1.1 * 8 + 5
    config = run.config()
    in_steps = replace(request, length=Length(steps=config.plan.steps))
    again = start.begin(corpus, in_steps, run=tmp_path / "again")
    if not session.unfinished:
        assert weights(finish(again)) == weights(run)


def test_measuring_the_speed_of_training_leaves_the_first_weights_alone(docs_text: str, tmp_path: Path) -> None:
    corpus, request = string_corpus(docs_text, CorpusConfig()), RunRequest(network=NETWORK, training=TRAINING)
    measured, not_measured = (
        start.begin(corpus, replace(request, length=length), run=tmp_path / name)
        for name, length in (("measured", Length(budget=2.0)), ("not", Length(steps=5)))
    )
    assert weights(measured.run) == weights(not_measured.run)
    assert measured.model.weights() == not_measured.model.weights() == charloom.load(tmp_path / "measured").weights()


def test_a_run_has_one_length() -> None:
    with pytest.raises(SettingsError, match="one length"):
        Length(steps=1, epochs=2)
    with pytest.raises(SettingsError, match="above 0"):
        Length(steps=0)


def test_a_path_given_as_a_text_is_not_trained_on_as_if_it_were_one(tmp_path: Path) -> None:
    (tmp_path / "hamlet.txt").write_text("to be")
    with pytest.raises(CharloomError, match="path of a file"):
        charloom.train(str(tmp_path / "hamlet.txt"), steps=1)


def test_nothing_in_a_model_folder_tells_when_or_where_it_was_made(small_text: str, tmp_path: Path) -> None:
    one = finish(begin(small_text, tmp_path / "one"))
    (tmp_path / "deeper").mkdir()
    two = finish(begin(small_text, tmp_path / "deeper" / "two"))
    for name in ("model.safetensors", "config.json", "vocabulary.json", "README.md"):
        assert (one.model / name).read_bytes() == (two.model / name).read_bytes()


def test_a_run_records_its_text_its_split_and_what_it_was_decided_by(small_text: str, tmp_path: Path) -> None:
    run = finish(begin(small_text, tmp_path / "run"))
    config = json.loads((run.path / "config.json").read_text())
    assert config["text"]["characters"] == len(small_text)
    assert config["corpus"]["split"] == [0.9, 0.1, 0.0]
    assert config["plan"]["precision"] == "float32"
    assert config["text"]["unseen_in_training"] == len(set(small_text) - set(small_text[: int(0.9 * len(small_text))]))


def test_a_run_of_shuffled_lines_keeps_a_copy_that_is_read_again_as_it_was(tmp_path: Path) -> None:
    text = "".join(f"{letter}{number}\n" for letter in "abcd" for number in range(60))
    config = CorpusConfig(documents="lines", shuffle=3)
    run = finish(begin(text, tmp_path / "run", steps=2, corpus=config))
    again = same_text(run, run.config())
    assert str(again.text) == str(string_corpus(text, config).text) != text
    assert run.config().corpus.shuffle == 3
    assert start.resume(run.path, Length(steps=3)).trainer.step == 2


def test_what_a_model_of_several_texts_writes_from_nothing_starts_as_its_texts_start(tmp_path: Path) -> None:
    draw = np.random.Generator(np.random.PCG64(1))
    words = ["loom", "weaves", "wool", "and", "silk", "in", "every", "colour", "of", "the", "year"]
    folder = tmp_path / "letters"
    folder.mkdir()
    for number in range(10):  # the first starts unlike all others: it must not become the rule
        (folder / f"{number}.txt").write_text(("Z" if number else "A") + " ".join(draw.choice(words, 6)), "utf-8")
    run = charloom.train(
        folder,
        run=tmp_path / "run",
        steps=300,
        corpus=CorpusConfig(split=(1.0, 0.0, 0.0)),
        network=NetworkConfig(hidden_size=32, embedding_size=16, dropout=0),
        training=TrainingConfig(batch_size=2, sequence_length=40, optimizer="adamw", learning_rate=1e-2),
    )
    written = charloom.generate_many(charloom.load(run.path), [""] * 200, length=1, seed=1)
    starts = Counter(sample.text for sample in written)
    assert 165 <= starts["Z"] <= 195
    assert 5 <= starts["A"] <= 35

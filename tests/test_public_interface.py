"""What a Python user meets: paths and runs in place of models and texts, new seeds, objects in a notebook."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import charloom

NETWORK = charloom.NetworkConfig(hidden_size=8, embedding_size=4)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_text: str) -> charloom.Run:
    return charloom.train(small_text, run=tmp_path_factory.mktemp("made") / "run", steps=3, network=NETWORK)


def test_a_run_its_path_and_its_model_folder_stand_for_the_model(run: charloom.Run, small_text: str) -> None:
    model, text = charloom.load(run.path), small_text[:300]
    for place in (run, run.path, str(run.path), run.model, charloom.load(run.path)):
        assert charloom.evaluate(place, text) == charloom.evaluate(model, text)
        assert charloom.surprisal(place, text).sum() == pytest.approx(charloom.evaluate(model, text).nats)
        assert "".join(charloom.generate(place, "a", length=20)) == "".join(charloom.generate(model, "a", length=20))
        assert charloom.beam_search(place, "a", length=3) == charloom.beam_search(model, "a", length=3)
        assert charloom.Completer(place, "th").suggest(2) == charloom.Completer(model, "th").suggest(2)
        assert charloom.report.predict(place, text).nats.sum() == charloom.report.predict(model, text).nats.sum()


def test_a_run_is_enough_to_compress(run: charloom.Run, small_text: str) -> None:
    pytest.importorskip("constriction")
    packed = charloom.compress.Codec(run.path).compress(small_text[:50].encode())
    assert charloom.compress.Codec(charloom.load(run.path)).decompress(packed.data) == small_text[:50].encode()


def test_a_path_stands_for_the_text_that_lies_there(run: charloom.Run, small_text: str, tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    file.write_text(small_text[:300], "utf-8")
    assert charloom.evaluate(run, file) == charloom.evaluate(run, small_text[:300])
    assert charloom.surprisal(run, file).tolist() == charloom.surprisal(run, small_text[:300]).tolist()
    records = list(charloom.evaluation.Surprises(run, file))
    assert records == list(charloom.evaluation.Surprises(run, small_text[:300]))
    with pytest.raises(charloom.CharloomError, match="nosuch"):
        charloom.evaluate(run, tmp_path / "nosuch.txt")


def test_without_a_seed_each_text_is_another_and_names_the_seed_that_gives_it_again(run: charloom.Run) -> None:
    streams = [charloom.generate(run, "a", length=30, seed=None) for _ in range(2)]
    texts = ["".join(stream) for stream in streams]
    assert texts[0] != texts[1]
    assert ["".join(charloom.generate(run, "a", length=30, seed=stream.seed)) for stream in streams] == texts
    samples = charloom.generate_many(run, ["a", "a"], length=30, seed=None)
    assert samples[0].seed is not None and samples[1].seed == samples[0].seed + 1
    assert "".join(charloom.generate(run, "a", length=30, seed=samples[1].seed)) == samples[1].text


def test_on_the_command_line_a_random_seed_is_said(run: charloom.Run, charloom_process: Any) -> None:
    said = charloom_process("generate", run.path, "--length", "30", "--seed", "random")
    seed = said.stderr.split()[1]
    assert said.stderr.startswith("seed ")
    assert charloom_process("generate", run.path, "--length", "30", "--seed", seed).stdout == said.stdout
    wrong = charloom_process("generate", run.path, "--seed", "rnd")
    assert (wrong.returncode, wrong.stdout) == (2, "") and "seed" in wrong.stderr


def test_a_notebook_shows_scores_models_and_pictures(run: charloom.Run, small_text: str, tmp_path: Path) -> None:
    score = charloom.evaluate(run, small_text[:300])
    assert f"| bits per character | {score.bits_per_character:.4f} |" in score._repr_markdown_()
    shown = run._repr_markdown_()
    assert f"**{run.path}**" in shown and "| steps | 3 of 3 |" in shown and "| best validation |" in shown
    assert "| network | 1 x 8 lstm |" in charloom.load(run.path)._repr_markdown_()
    assert repr(charloom.load(run.path)).startswith("<LanguageModel: lstm 1x8, ")
    picture = charloom.plotting.draw_loss(run)
    assert picture._repr_png_().startswith(b"\x89PNG") and "PNG" in repr(picture)
    picture.save(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes() == bytes(picture)


def test_a_run_shows_the_step_that_is_saved_not_the_last_in_its_log(small_text: str, tmp_path: Path) -> None:
    run = charloom.train(small_text, run=tmp_path / "run", steps=3, network=NETWORK)
    log = run.path / "metrics.jsonl"
    log.write_text(log.read_text().splitlines(keepends=True)[0])  # written at intervals: it may lag behind
    assert run.step() == 3
    assert "| steps | 3 of 3 |" in run._repr_markdown_()


def test_a_notebook_shows_a_run_before_its_first_step_and_names_that_look_like_markup(
    small_text: str, tmp_path: Path
) -> None:
    begun = charloom.train(small_text, run=tmp_path / "a|b$c\nd", steps=2, network=NETWORK)
    (begun.path / "metrics.jsonl").unlink()  # as before the first line and the first checkpoint
    for name in ("checkpoint.safetensors", "checkpoint.safetensors.previous"):
        (begun.path / name).unlink()
    shown = begun._repr_markdown_()
    assert "nan nats" not in shown and "| steps | 0 of 2 |" in shown and "training loss" not in shown
    assert r"a\|b\$c\\nd" in shown.splitlines()[0]
    text = tmp_path / "p|q.txt"
    text.write_text(small_text, "utf-8")
    run = charloom.train(text, run=tmp_path / "run", steps=1, network=NETWORK)
    assert r"| text | p\|q, " in run._repr_markdown_()


def test_errors_reach_the_process_that_waits_for_them() -> None:
    for error in (charloom.errors.MissingExtraError("this", "plot"), charloom.errors.NotFiniteError()):
        assert str(pickle.loads(pickle.dumps(error))) == str(error) != ""


def test_training_calls_back_after_each_step_and_ends_where_it_is_told_to(small_text: str, tmp_path: Path) -> None:
    steps: list[int] = []

    def three(event: Any) -> bool:
        steps.append(event.progress.step)
        return len(steps) == 3

    made = charloom.train(small_text, run=tmp_path / "run", steps=9, network=NETWORK, callback=three)
    assert steps == [1, 2, 3]
    whole = charloom.train(small_text, run=tmp_path / "whole", steps=9, network=NETWORK)
    charloom.train(resume=made)
    for name in ("metrics.jsonl", "model/model.safetensors"):
        assert (made.path / name).read_bytes() == (whole.path / name).read_bytes()
    longer = charloom.train(resume=str(made.path), steps=12)
    assert longer.metrics()[-1]["step"] == 12


def test_a_callback_that_fails_costs_no_completed_step(small_text: str, tmp_path: Path) -> None:
    def fail(event: Any) -> None:
        if event.progress.step == 4:
            raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine") as kept:  # as a notebook keeps the last error
        charloom.train(small_text, run=tmp_path / "run", steps=9, network=NETWORK, callback=fail)
    seen: list[int] = []
    charloom.train(resume=tmp_path / "run", callback=lambda event: seen.append(event.progress.step))
    assert seen == [5, 6, 7, 8, 9] and kept.value.__traceback__ is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "there is no text to train on"),
        ({"resume": "runs/nosuch"}, "there is no such folder"),
        ({"resume": 5}, "expected a path"),
        ({"resume": "runs/x", "network": NETWORK}, "keeps its settings; leave out network"),
        ({"resume": "runs/x", "run": "runs/y"}, "keeps its settings; leave out run"),
        ({"resume": "runs/x", "precision": "float32"}, "keeps its settings; leave out precision"),
        ({"resume": "runs/x", "text": 5}, "expected a path"),
    ],
)
def test_training_that_cannot_begin_gets_a_sentence(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(charloom.CharloomError, match=said):
        charloom.train(**arguments)


def test_progress_is_shown_where_it_is_wanted(
    small_text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (wanted, lines) in enumerate(((None, False), (False, False), (True, True))):
        charloom.train(small_text, run=tmp_path / str(number), steps=2, network=NETWORK, progress=wanted)
        shown = capsys.readouterr()
        assert shown.out == "" and bool(shown.err) == lines
    assert "step 2/2" in shown.err and "nats" in shown.err


def test_a_notebook_sees_one_line_that_changes(
    small_text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    handle = SimpleNamespace(update=lambda data, raw: lines.append(data["text/plain"]))
    monkeypatch.setattr(
        "charloom.training.display.Console", lambda **_: SimpleNamespace(is_terminal=False, is_jupyter=True)
    )
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    charloom.train(small_text, run=tmp_path / "run", steps=2, network=NETWORK)
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]


def test_help_reads_as_an_introduction() -> None:
    assert charloom.__doc__ is not None
    for name in (
        "train",
        "load",
        "generate",
        "evaluate",
        "surprisal",
        *(f"charloom.{each}" for each in ("report", "study")),
    ):
        assert name in charloom.__doc__

"""What a Python user meets: paths and runs in place of models and texts, new seeds, and objects that a notebook shows."""

from pathlib import Path
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
    assert "| network | 1 x 8 lstm |" in charloom.load(run.path)._repr_markdown_()
    assert repr(charloom.load(run.path)).startswith("<LanguageModel: lstm 1x8, ")
    picture = charloom.plotting.draw_loss(run)
    assert picture._repr_png_().startswith(b"\x89PNG") and "PNG" in repr(picture)
    picture.save(tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes() == bytes(picture)


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

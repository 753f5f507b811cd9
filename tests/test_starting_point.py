"""Where the training of a small text starts: from the ready-made English model if that model can read the text."""

import hashlib
import importlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

import charloom as library
from charloom.data.text import Text
from charloom.data.text_sources import string_corpus
from charloom.machine.hardware import choose_device
from charloom.places import ready_made
from charloom.places.ready_made import READY_MADE
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.training import speed as speeds
from charloom.training import start, starting_point
from charloom.training.distributed import ALONE
from charloom.training.request import Length, RunRequest
from charloom.training.starting_point import MOST_BITS, SMALL, UNKNOWN_BITS, bits_per_character, may_choose

GERMAN = "Der Hund des Nachbarn bellte die ganze Nacht, und niemand konnte schlafen. "
RUSSIAN = "Он долго смотрел на реку и ничего не говорил. "
PYTHON = (
    "def main(argv=None):\n    args = parse(argv)\n    for path in args.paths:\n        print(repr(path), end='')\n"
)


@pytest.fixture(scope="module")
def english() -> library.LanguageModel:
    return library.load("english")


def test_english_reads_english_below_the_limit_and_other_texts_above_it(
    english: library.LanguageModel, docs_text: str
) -> None:
    assert bits_per_character(english, Text.of(docs_text)) < MOST_BITS
    letter = "I have not seen the new house yet, but my sister says that the kitchen is far too small for all of us. "
    assert bits_per_character(english, Text.of(letter * 3)) < MOST_BITS
    for other in (GERMAN, RUSSIAN, PYTHON):
        assert bits_per_character(english, Text.of(other * 3)) > MOST_BITS


@pytest.mark.parametrize("module", ["heapq", "random", "textwrap", "json.decoder"])
def test_modules_of_the_standard_library_are_not_english(english: library.LanguageModel, module: str) -> None:
    source = Path(importlib.import_module(module).__file__ or "").read_text("utf-8")
    assert bits_per_character(english, Text.of(source)) > MOST_BITS


def test_a_folder_called_english_changes_nothing_that_nobody_asked_for(
    tmp_path: Path, docs_text: str, slow_machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "english").write_bytes(b"PK\3\4")
    run = library.train(docs_text[:12_000], run=tmp_path / "run", time_budget=2, progress=False)
    origin = run.config().origin
    assert origin is not None and origin.path == "english"
    assert "Started from: english" in (run.model / "README.md").read_text()


def test_every_character_counts_known_or_not(english: library.LanguageModel) -> None:
    assert bits_per_character(english, Text.of("жжж")) == UNKNOWN_BITS
    plain = bits_per_character(english, Text.of("the end of it"))
    mixed = bits_per_character(english, Text.of("the end of it" + "ж" * 13))
    assert mixed == pytest.approx((plain + UNKNOWN_BITS) / 2)


def test_a_long_text_is_read_in_pieces_from_its_beginning_to_its_end(english: library.LanguageModel) -> None:
    size = starting_point.PIECES * starting_point.LENGTH
    text = "a" * starting_point.LENGTH + "ж" * (3 * size) + "a" * starting_point.LENGTH
    share = (starting_point.PIECES - 2) / starting_point.PIECES
    assert bits_per_character(english, Text.of(text)) > share * UNKNOWN_BITS
    assert bits_per_character(english, Text.of(text)) < UNKNOWN_BITS


@pytest.mark.parametrize(
    "more",
    [
        {"length": Length(steps=5)},
        {"length": Length(epochs=1)},
        {"origin": Path("runs/my")},
        {"corpus": CorpusConfig(vocabulary="bytes")},
        {"chosen": ("network.hidden_size",)},
        {"chosen": None},
    ],
)
def test_what_the_user_decided_is_left_alone(more: dict[str, Any]) -> None:
    asked = {"chosen": (), "automatic": True, "length": Length(budget=30.0)}
    assert may_choose(RunRequest(**asked))  # type: ignore[arg-type]
    assert not may_choose(RunRequest(**(asked | more)))


def test_a_small_english_text_starts_from_english_and_the_run_says_so(
    charloom: Any, tmp_path: Path, docs_text: str, slow_machine: None
) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text(docs_text[:12_000])
    done = charloom("train", text, "--run", run, "--time-budget", "2s")
    assert done.returncode == 0, done.stderr
    assert "the ready-made model 'english' reads this text at" in done.stderr
    assert "(--from none starts from nothing)" in done.stderr
    config = json.loads((run / "config.json").read_text())
    assert config["origin"]["path"] == "english"
    used = hashlib.sha256((READY_MADE["english"].folder / "model.safetensors").read_bytes()).hexdigest()
    assert config["origin"]["sha256"] == used
    said = f"Started from: english, whose file of weights has the SHA-256 `{used}`"
    assert said in (run / "model" / "README.md").read_text()
    assert config["network"]["hidden_size"] == library.load("english").config.network.hidden_size


@pytest.mark.parametrize(
    ("flags", "text"),
    [(("--from", "none"), "english"), ((), "python"), (("--network.hidden-size", "16"), "english")],
)
def test_others_start_from_nothing(
    charloom: Any, tmp_path: Path, docs_text: str, flags: tuple[str, ...], text: str, slow_machine: None
) -> None:
    file, run = tmp_path / "text.txt", tmp_path / "run"
    file.write_text(docs_text[:12_000] if text == "english" else PYTHON * 100)
    done = charloom("train", file, "--run", run, "--time-budget", "2s", *flags)
    assert done.returncode == 0, done.stderr
    assert json.loads((run / "config.json").read_text())["origin"] is None
    assert ("so it is not mostly English" in " ".join(done.stderr.split())) == (text == "python")


@pytest.mark.parametrize(
    ("bits", "from_english", "from_nothing", "starts"),
    [
        (2.5, 1_000, 40_000, None),  # nothing reads the text 5 times, english 0.1 times
        (2.5, 1_000, 10_000, "english"),  # both too seldom
        (2.5, 9_000, 300_000, "english"),  # both often
        (1.9, 1_000, 40_000, "english"),  # near enough however little is read
    ],
)
def test_a_text_that_is_not_near_starts_from_english_only_if_there_is_time_to_read_it(
    bits: float,
    from_english: float,
    from_nothing: float,
    starts: str | None,
    docs_text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def speed(device: Any, precision: Any, network: NetworkConfig, *more: Any) -> float:
        return from_english if network.hidden_size == 768 else from_nothing

    monkeypatch.setattr(speeds, "characters_per_second", speed)
    monkeypatch.setattr(starting_point, "bits_per_character", lambda *_: bits)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)  # nothing takes any time
    request = RunRequest(automatic=True, chosen=(), length=Length(budget=1.5))
    corpus = string_corpus(docs_text[:12_000], CorpusConfig())
    filled, recipe, parent, why = start._choose(
        request, corpus, started=1000.0, device=choose_device("cpu"), ranks=ALONE
    )
    assert (parent is None) == (starts is None) == (filled.origin is None)
    assert recipe is not None
    assert filled.network.hidden_size == (768 if starts else 128)
    said = "could train on it only 0.13 times from there in the time available, so the run starts from nothing"
    assert (said in why) == (starts is None)


def test_a_large_text_is_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting_point, "load_folder", lambda folder: pytest.fail("it was read"))
    request = RunRequest(automatic=True, chosen=(), length=Length(budget=30.0))
    assert starting_point.starting_point(Text.of("a" * (SMALL + 1)), request) is None


def test_a_damaged_installation_trains_from_nothing_and_says_why(
    tmp_path: Path, docs_text: str, monkeypatch: pytest.MonkeyPatch, slow_machine: None
) -> None:
    monkeypatch.setattr(ready_made, "DATA", tmp_path)
    run = library.train(docs_text[:12_000], run=tmp_path / "run", time_budget=2, progress=False)
    assert run.config().origin is None
    recipe = run.config().plan.recipe
    assert recipe is not None
    assert recipe.reason.startswith("the run starts from nothing, because this installation of charloom lacks")


def test_from_python_a_small_text_starts_from_english_too(tmp_path: Path, docs_text: str, slow_machine: None) -> None:
    run = library.train(docs_text[:12_000], run=tmp_path / "run", time_budget=2, progress=False)
    assert run.config().origin is not None
    fresh = library.train(docs_text[:12_000], run=tmp_path / "fresh", time_budget=2, origin=None, progress=False)
    assert fresh.config().origin is None
    given = library.train(
        docs_text[:12_000], run=tmp_path / "given", steps=1, training=TrainingConfig(), network=NetworkConfig()
    )
    assert given.config().origin is None


def test_english_stands_wherever_a_run_is_expected(charloom: Any, tmp_path: Path) -> None:
    assert "english" in READY_MADE
    written = charloom("generate", "english", "--prompt", "It was", "--length", 40, "--seed", 1)
    assert written.stdout.startswith("It was") and len(written.stdout.rstrip("\n")) >= 40
    assert charloom("info", "english").returncode == 0
    assert charloom("score", "english", "It was a dark night.", "--json").returncode == 0
    (tmp_path / "english").mkdir()  # a folder of that name goes first
    refused = charloom("generate", "english", "--length", 5)
    assert refused.returncode == 2 and "neither a run nor a model folder" in refused.stderr

"""The metadata of cards: valid for a hub, with the measured figures, and nothing that is empty or invented."""

import json
from pathlib import Path
from typing import Any

import pytest

import classify_rows
from charloom.data.datasets import DATASETS
from charloom.data.text_sources import open_text, string_corpus
from charloom.places.ready_made import READY_MADE
from charloom.settings import CorpusConfig
from charloom.training.card_metadata import Metadata, quoted
from tiny_runs import TinyRun, finish, sample_text


def read(card: str) -> Any:
    """The metadata of a card as the hub's own library reads it."""
    cards = pytest.importorskip("huggingface_hub")
    return cards.ModelCard(card).data


def nothing_empty(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(nothing_empty, value.values()))
    if isinstance(value, list):
        return bool(value) and all(map(nothing_empty, value))
    return value not in (None, "")


@pytest.mark.parametrize(
    "name", ["plain", 'a "quoted" \\ name: # - x', "tab\tand\nnewline", "\u2028\x85\U0001f600", "- no", ""]
)
def test_any_string_survives_as_yaml(name: str) -> None:
    yaml = pytest.importorskip("yaml")
    assert yaml.safe_load(f"key: {quoted(name)}") == {"key": name}


@pytest.mark.parametrize("text", ["ordinary", 'x: "y"\n---\n# z', "€ ¿ …", "???"])
def test_a_block_is_valid_whatever_the_text_is_called(text: str) -> None:
    metadata = Metadata("text-generation", text, "validation", {"bits_per_character": 2.0})
    data = read("\n".join([*metadata.block(f"A model of {text}"), "# Title"]))
    assert data.model_name == f"A model of {text}"
    (result,) = data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == (text, "bits_per_character", 2.0)
    assert result.dataset_type


def test_what_is_not_known_does_not_appear(tmp_path: Path) -> None:
    session = TinyRun(steps=2).begin(tmp_path / "run")
    before = read((session.run.model / "README.md").read_text("utf-8")).to_dict()
    assert set(before) == {"library_name", "pipeline_tag", "tags"}  # not measured yet
    finish(session)
    after = read((session.run.model / "README.md").read_text("utf-8")).to_dict()
    assert set(after) == {"library_name", "pipeline_tag", "tags", "model-index"}
    assert nothing_empty(after)


def test_the_results_are_the_final_score(tmp_path: Path) -> None:
    session = TinyRun(steps=2).begin(tmp_path / "run")
    finish(session)
    data = read((session.run.model / "README.md").read_text("utf-8"))
    final = session.final_validation()
    assert final is not None
    found = {result.metric_type: result.metric_value for result in data.eval_results}
    assert found == {name: pytest.approx(final[name], abs=6e-5) for name in found}
    assert {"nats_per_character", "bits_per_character", "bits_per_byte", "accuracy"} <= set(found)
    assert {result.task_type for result in data.eval_results} == {"text-generation"}


def test_a_named_text_brings_its_language_and_licence(tmp_path: Path) -> None:
    named = open_text("python-docs", CorpusConfig())
    session = TinyRun(steps=1, validations=1).begin(tmp_path / "run", corpus=named)
    card = (session.run.model / "README.md").read_text("utf-8")
    assert read(card).language == ["en"]
    assert f"licence: {DATASETS['python-docs'].licence}" in card
    other = TinyRun(steps=1).begin(tmp_path / "other", corpus=string_corpus(sample_text(2000), CorpusConfig()))
    assert read((other.run.model / "README.md").read_text("utf-8")).language is None


def test_a_classifiers_card_has_its_figures_on_held_out_rows(tmp_path: Path) -> None:
    session = classify_rows.begin(classify_rows.small_rows(), tmp_path / "run", steps=4)
    classify_rows.finish(session)
    data = read((session.run.model / "README.md").read_text("utf-8"))
    best = session.best()
    assert best is not None
    assert {each.metric_type: each.metric_value for each in data.eval_results} == pytest.approx(dict(best), abs=6e-5)
    assert data.pipeline_tag == "text-classification"
    assert {each.dataset_split for each in data.eval_results} == {"held-out rows"}


def test_the_cards_of_ready_made_models_have_the_block_that_everything_else_has() -> None:
    shipped = READY_MADE["languages"]
    block = (shipped.folder / "README.md").read_text().split("---\n")[1].splitlines()
    classes = json.loads((shipped.folder / "config.json").read_text())["classes"]
    codes = tuple(sorted({name.split("-")[0] for name in classes}))
    tags = ("character-level", "n-grams", "language-identification")
    known = Metadata("text-classification", "Common Voice", "held out", licence="cc0-1.0", language=codes, tags=tags)
    assert known.block("languages") == ["---", *block, "---"]

"""The models that come with the package: their files, their cards, and what happens if they are damaged."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import charloom as library
from charloom.errors import FolderError
from charloom.places import ready_made as places
from charloom.places.located import lasting, lasting_name, located
from charloom.places.ready_made import READY_MADE

DICKENS = "It was the best of times, it was the worst of times, it was the age of wisdom."
"""Charles Dickens, A Tale of Two Cities."""


@pytest.mark.parametrize("name", READY_MADE)
def test_the_shipped_weights_are_those_of_the_card(name: str) -> None:
    entry = READY_MADE[name]
    said = re.search(r"SHA-256 of model\.safetensors: `([0-9a-f]{64})`", entry.card())
    assert said, "the card names the hash"
    assert hashlib.sha256((entry.folder / "model.safetensors").read_bytes()).hexdigest() == said[1]


def test_every_file_with_a_hash_on_the_card_of_english_has_it() -> None:
    entry = READY_MADE["english"]
    said = dict(re.findall(r"SHA-256 of ([\w.]+)[^\n]*?`([0-9a-f]{64})`", entry.card()))
    assert said.keys() == {"model.safetensors", "words.xz"}
    for name, value in said.items():
        assert hashlib.sha256((entry.folder / name).read_bytes()).hexdigest() == value


def test_english_scores_a_fixed_text_as_it_did() -> None:
    score = library.evaluate("english", DICKENS)
    assert score.characters == len(DICKENS)
    assert round(score.nats_per_character, 4) == 1.0022
    assert library.surprisal("english", DICKENS).sum() == pytest.approx(score.nats, rel=1e-6)


def test_english_writes_the_same_with_and_without_torch() -> None:
    by_torch = "".join(library.generate(library.load("english"), "It was ", length=80, seed=7))
    assert by_torch == "".join(library.generate(library.Writer("english"), "It was ", length=80, seed=7))


def test_all_shipped_files_together_are_small() -> None:
    sizes = [path.stat().st_size for path in places.DATA.rglob("*") if path.is_file()]
    assert sum(sizes) <= 12 << 20
    assert (READY_MADE["english"].folder / "model.safetensors").stat().st_size <= 8 << 20


def test_a_path_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert located("english") == READY_MADE["english"].folder
    assert located("./english") == located(Path("english")) == Path("english")
    (tmp_path / "english").mkdir()
    assert located("english") == Path("english")
    assert located("runs/absent") == Path("runs/absent")
    assert located("a\0b") == Path("a\0b")


def test_a_recorded_ready_made_model_is_never_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = lasting_name("english")
    (tmp_path / "english").mkdir()
    assert lasting(name) == READY_MADE["english"].folder
    assert lasting("runs/my") == Path("runs/my")


def test_the_models_are_listed_and_shown(charloom: Any) -> None:
    listed = charloom("models", "list")
    assert listed.returncode == 0
    facts = json.loads(charloom("models", "list", "--json").stdout)
    assert [fact["name"] for fact in facts] == list(READY_MADE)
    for fact in facts:
        assert fact["name"] in listed.stdout and fact["summary"] in listed.stdout
        shown = charloom("models", "show", fact["name"])
        assert shown.returncode == 0 and shown.stdout.startswith(f"# {fact['name']}")
        assert json.loads(charloom("models", "show", fact["name"], "--json").stdout)["card"] == shown.stdout
    refused = charloom("models", "show", "englsh")
    assert refused.returncode == 2
    assert refused.stderr == "charloom: there is no ready-made model 'englsh'; did you mean 'english'?\n"
    refused = charloom("generate", "englsh")
    assert refused.returncode == 2 and "did you mean the ready-made model 'english'?" in refused.stderr


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped files, to be damaged."""
    shutil.copytree(places.DATA, tmp_path / "data")
    monkeypatch.setattr(places, "DATA", tmp_path / "data")
    return tmp_path / "data" / "english"


@pytest.mark.parametrize("file", ["config.json", "vocabulary.json", "model.safetensors"])
@pytest.mark.parametrize("how", ["missing", "cut"])
def test_damaged_package_data_gets_one_sentence(charloom: Any, copy: Path, file: str, how: str) -> None:
    if how == "missing":
        (copy / file).unlink()
    else:
        (copy / file).write_bytes((copy / file).read_bytes()[:-20])
    refused = charloom("generate", "english", "--length", 5)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1 and "Traceback" not in refused.stderr
    with pytest.raises(FolderError):
        library.load("english")


def test_a_missing_card_gets_one_sentence(charloom: Any, copy: Path) -> None:
    (copy / "README.md").unlink()
    refused = charloom("models", "show", "english")
    assert refused.returncode == 2 and "install charloom again" in refused.stderr


def test_a_model_folder_has_no_curve_to_plot(charloom: Any, tmp_path: Path) -> None:
    refused = charloom("plot", "english", "--output", tmp_path / "loss.png")
    assert refused.returncode == 2
    assert "is a model folder, which has no record of its training; name its run" in refused.stderr


@pytest.mark.parametrize("character", ["\t", "€", "Å"])
def test_a_character_that_english_lacks_is_refused_with_what_to_do(
    character: str, charloom: Callable[..., "subprocess.CompletedProcess[str]"]
) -> None:
    done = charloom("generate", "english", "--prompt", f"It cost 5 {character} more")
    assert (done.returncode, done.stdout) == (2, "")
    assert "replace it, or train on text that has it" in done.stderr and "--from, learns it" in done.stderr
    assert "bytes" not in done.stderr
    with pytest.raises(library.CharloomError, match="with origin, learns it"):
        library.surprisal("english", character)

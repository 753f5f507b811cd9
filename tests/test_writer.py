"""Writing continues from a state that was read; a writer is a prepared model, and needs no torch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import charloom
from charloom.errors import FolderError, SettingsError, TextError
from charloom.generation.generate import generate
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import VocabularyRecord
from charloom.settings import Cell
from charloom.storage import strict_json
from conftest import CELLS
from models import small_model

ALPHABET = "abcdefgh"


def text_of(model: object, prompt: str = "", **more: object) -> str:
    return "".join(generate(model, prompt, length=60, **more))  # type: ignore[arg-type]


def saved(model: LanguageModel, folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_bytes(strict_json.dump(model.config))
    (folder / "vocabulary.json").write_bytes(
        strict_json.dump(VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters))
    )
    (folder / "model.safetensors").write_bytes(model.weights())
    return folder


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("ready", [False, True], ids=["model", "writer"])
def test_a_state_that_was_read_is_gone_on_from(cell: Cell, ready: bool) -> None:
    model = small_model(ALPHABET, cell)
    reader = Writer(model) if ready else model
    state = reader.read("head")
    assert text_of(model, "cafe", state=state) == text_of(model, "headcafe")
    assert text_of(model, "", state=state) == text_of(model, "head")
    assert text_of(model, "", state=reader.read("cafe", state)) == text_of(model, "headcafe")


@pytest.mark.parametrize("cell", CELLS)
def test_a_model_and_a_writer_read_the_same(cell: Cell) -> None:
    model = small_model(ALPHABET, cell)
    text = "badcafe" * 300
    ours, theirs = Writer(model).read(text), model.read(text)
    assert isinstance(theirs[0], torch.Tensor)
    assert all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(ours, theirs, strict=True))
    in_pieces = None
    for start in range(0, len(text), 700):
        in_pieces = model.read(text[start : start + 700], in_pieces)
    assert in_pieces is not None
    assert all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(ours, in_pieces, strict=True))


def test_a_state_is_not_changed_by_going_on_from_it() -> None:
    model = small_model(ALPHABET)
    state = model.read("head")
    before = [part.clone() for part in state]
    assert text_of(model, state=state) == text_of(model, state=state)
    assert all(torch.equal(new, old) for new, old in zip(state, before, strict=True))


def test_reading_nothing_is_the_beginning_of_a_text() -> None:
    model = small_model(ALPHABET)
    assert text_of(model, "bad", state=model.read("")) == text_of(model, "bad")
    state = model.read("bad")
    assert all(torch.equal(a, b) for a, b in zip(model.read("", state), state, strict=True))


def test_with_documents_a_prompt_that_begins_another_text_forgets_the_state() -> None:
    model = small_model("abc\n", documents="lines")
    assert text_of(model, "a\nb", state=model.read("cc")) == text_of(model, "b")
    assert text_of(model, "b", state=model.read("cc")) == text_of(model, "ccb")


@pytest.mark.parametrize("ready", [False, True], ids=["model", "writer"])
def test_with_documents_the_state_is_that_of_the_last_one(ready: bool) -> None:
    model = small_model("abc\n", documents="lines")
    reader = Writer(model) if ready else model
    same = reader.read("b")
    for state in (reader.read("ca\nb"), reader.read("ca\nb", reader.read("cc"))):
        assert all(np.array_equal(a, b) for a, b in zip(state, same, strict=True))


def test_a_state_of_another_model_is_refused() -> None:
    state = small_model(ALPHABET, hidden_size=8).read("a")
    with pytest.raises(SettingsError, match="the state has parts of the shapes"):
        text_of(small_model(ALPHABET), state=state)
    with pytest.raises(SettingsError, match="the state has parts"):
        text_of(small_model(ALPHABET, "gru"), state=small_model(ALPHABET).read("a"))


def test_a_state_of_a_writer_fits_the_model_and_the_other_way_round() -> None:
    model = small_model(ALPHABET)
    ours, theirs = Writer(model).read("cafe", model.read("head")), model.read("cafe", Writer(model).read("head"))
    assert all(np.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(ours, theirs, strict=True))
    with pytest.raises(SettingsError, match="the state has parts"):
        model.read("a", small_model(ALPHABET, hidden_size=8).read("a"))


def test_a_prompt_that_several_texts_share_is_read_once() -> None:
    writer = Writer(small_model(ALPHABET))
    seen = []
    read = writer.stepper.read
    writer.stepper.read = lambda texts, state=None: seen.append(len(texts)) or read(texts, state)  # type: ignore[method-assign]
    rows = writer.begin(writer.prompts(["head"] * 5 + ["cafe"]))
    assert seen == [2]
    assert len(rows) == 6
    assert np.array_equal(rows.state[0][:, 0], rows.state[0][:, 4])
    assert not np.array_equal(rows.state[0][:, 0], rows.state[0][:, 5])
    writer.begin([np.array([8, 1, 2]), np.array([8, 1, 2])])  # the same by their values
    assert seen == [2, 1]


def test_an_unseen_character_is_refused_when_it_is_read() -> None:
    for reader in (small_model(ALPHABET), Writer(small_model(ALPHABET))):
        with pytest.raises(TextError, match="U\\+007A"):
            reader.read("az")  # type: ignore[attr-defined]


def test_a_writer_keeps_the_weights_it_was_made_of() -> None:
    model = small_model(ALPHABET)
    writer, before = Writer(model), text_of(model)
    with torch.no_grad():
        model.network.output.bias += torch.arange(model.network.outputs)
    assert text_of(writer) == before != text_of(model)


def test_a_writer_is_loaded_from_a_folder_without_torch(tmp_path: Path) -> None:
    model = small_model(ALPHABET)
    folder = saved(model, tmp_path / "model")
    code = (
        "import sys, charloom; writer = charloom.Writer.load(sys.argv[1]); "
        "print(''.join(charloom.generate(writer, 'bad', length=60)), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [text_of(model, "bad"), "False"]
    assert text_of(charloom.load(folder), "bad") == text_of(model, "bad")


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="no run or model folder"):
        Writer.load(tmp_path / "nowhere")

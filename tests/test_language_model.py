"""A model folder returns the saved model, or an error of one sentence."""

import json
from pathlib import Path

import pytest
import torch

from charloom.errors import FolderError
from charloom.models.language_model import LanguageModel, load_folder
from charloom.models.model_folder import VocabularyRecord
from charloom.settings import Cell
from charloom.storage import strict_json
from conftest import CELLS
from models import small_model

TEXT = "some text — with a dash\n"


def save(model: LanguageModel, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_bytes(strict_json.dump(model.config))
    vocabulary = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    (folder / "vocabulary.json").write_bytes(strict_json.dump(vocabulary))
    (folder / "model.safetensors").write_bytes(model.weights())
    return folder


def change(path: Path, **values: object) -> None:
    content = json.loads(path.read_text())
    content.update(values)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_a_saved_model_comes_back_the_same(cell: Cell, kind: str, tmp_path: Path) -> None:
    model = small_model(TEXT, cell, kind=kind)
    back = load_folder(save(model, tmp_path / "model"))
    ids = torch.tensor(model.encode(TEXT).astype(int))[:, None]
    assert back.vocabulary == model.vocabulary
    assert back.config == model.config
    assert torch.equal(back.network(ids)[0], model.network(ids)[0])
    assert back.weights() == model.weights()


def test_a_vocabulary_that_does_not_fit_the_weights_is_refused(tmp_path: Path) -> None:
    folder = save(small_model(TEXT), tmp_path / "model")
    change(folder / "vocabulary.json", characters="abc")
    with pytest.raises(FolderError, match="belong to different models"):
        load_folder(folder)


def test_weights_cut_in_half_are_refused(tmp_path: Path) -> None:
    folder = save(small_model(TEXT), tmp_path / "model")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(FolderError, match=r"model\.safetensors is damaged"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"cel": "lstm"}, "has no setting 'cel'; did you mean 'cell'"),
        ({"hidden_size": "12"}, "network.hidden_size should be a whole number"),
        ({"hidden_size": True}, "network.hidden_size should be a whole number"),
        ({"hidden_size": 13}, "belong to different models"),
        ({"hidden_size": 10**9}, "network.hidden_size is 1e"),
        ({"cell": "lstn"}, "did you mean 'lstm'"),
    ],
)
def test_a_configuration_with_a_mistake_is_refused(changed: dict[str, object], sentence: str, tmp_path: Path) -> None:
    folder = save(small_model(TEXT), tmp_path / "model")
    content = json.loads((folder / "config.json").read_text())
    content["network"].update(changed)
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match=sentence):
        load_folder(folder)


def test_a_configuration_with_a_key_missing_is_refused(tmp_path: Path) -> None:
    folder = save(small_model(TEXT), tmp_path / "model")
    content = json.loads((folder / "config.json").read_text())
    del content["network"]["layers"]
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(FolderError, match="network lacks 'layers'"):
        load_folder(folder)


def test_a_network_and_a_vocabulary_of_different_models_do_not_go_together() -> None:
    one, other = small_model("abc"), small_model("abcd")
    with pytest.raises(FolderError, match="belong to different models"):
        LanguageModel(one.network, other.vocabulary, one.config)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"has no config\.json"):
        load_folder(tmp_path)

"""One step of a network as an ONNX graph: onnxruntime computes what charloom computes."""

import builtins
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charloom.errors import CharloomError
from charloom.generation.numpy_steps import Stepper
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig
from charloom.settings import Cell, NetworkConfig
from conftest import CELLS
from models import small_model, with_biases, write_folder

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from charloom.export import onnx_check  # noqa: E402
from charloom.export.onnx_graph import OPSET, onnx_graph  # noqa: E402

TEXT = "The quick brown fox jumps over 13 lazy dogs.\nAnd again!\n"


def session(model: LanguageModel) -> Any:
    data = onnx_graph(model.arrays()).SerializeToString()
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def assert_steps_agree(model: LanguageModel, *, rows: int, steps: int = 30) -> None:
    running, own = session(model), Stepper(model.config.network, model.arrays().weights).begin(rows)
    names, state = ["h", "c"][: len(own.state)], [part.copy() for part in own.state]
    symbols = np.random.Generator(np.random.PCG64(rows)).integers(0, len(model.vocabulary), (steps, rows))
    for step in symbols:
        logits, *state = running.run(None, {"symbol": step, **dict(zip(names, state, strict=True))})
        own.advance(step)
        np.testing.assert_allclose(logits, own.logits(), atol=1e-5, rtol=1e-5)
        for part, other in zip(state, own.state, strict=True):
            np.testing.assert_allclose(part, other, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_logits_and_states_agree_at_any_batch_size(cell: Cell, layers: int) -> None:
    model = with_biases(small_model(TEXT, cell, layers=layers, documents="lines" if layers == 3 else "none"))
    for rows in (1, 2, 7):
        assert_steps_agree(model, rows=rows)


@pytest.mark.parametrize("shape", [{"embedding_size": 0}, {"embedding_size": 16, "tied": True}])
def test_one_hot_inputs_and_shared_outputs_agree(shape: dict[str, Any]) -> None:
    base = small_model(TEXT, "gru")
    config = NetworkConfig(cell="gru", hidden_size=16, layers=2, **shape)
    model = LanguageModel.new(ModelConfig(config, "none", False), base.vocabulary)
    assert_steps_agree(with_biases(model), rows=3)


def test_names_batch_and_metadata_say_how_to_use_it() -> None:
    model = small_model(TEXT)
    running = session(model)
    assert [(each.name, each.shape) for each in running.get_inputs()] == [
        ("symbol", ["batch"]),
        ("h", [2, "batch", 12]),
        ("c", [2, "batch", 12]),
    ]
    assert [each.name for each in running.get_outputs()] == ["logits", "next_h", "next_c"]
    about = running.get_modelmeta().custom_metadata_map
    assert json.loads(about["vocabulary.json"])["characters"] == model.vocabulary.characters
    assert json.loads(about["config.json"])["network"]["cell"] == "lstm"
    assert int(about["boundary"]) == model.vocabulary.boundary
    graph = onnx_graph(model.arrays())
    assert [each.version for each in graph.opset_import] == [OPSET]
    assert {each.name for each in graph.graph.initializer} >= set(model.arrays().weights)


def test_the_command_writes_a_file_that_is_complete_or_absent(
    charloom: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(small_model(TEXT), tmp_path / "tiny")
    done = charloom("export", folder, "--onnx", "tiny.onnx", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["opset"] == OPSET and told["bytes"] == (tmp_path / "tiny.onnx").stat().st_size
    assert told["largest_difference"] <= onnx_check.TOLERANCE
    assert charloom("export", folder, "--onnx", "tiny.onnx").returncode == 2
    assert charloom("export", folder, "--onnx", "tiny.onnx", "--force").returncode == 0
    monkeypatch.setattr(onnx_check, "TOLERANCE", 0.0)
    done = charloom("export", folder, "--onnx", "other.onnx")
    assert (done.returncode, done.stdout) == (2, "") and "other logits" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny", "tiny.onnx"]


def test_a_graph_that_computes_something_else_is_refused() -> None:
    model, other = (small_model(TEXT, seed=seed).arrays() for seed in (0, 1))
    with pytest.raises(CharloomError, match="other logits"):
        onnx_check.largest_difference(onnx_graph(model).SerializeToString(), other)


def test_without_onnx_the_command_says_what_to_install(
    charloom: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, imported = write_folder(small_model(TEXT), tmp_path / "tiny"), builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "onnx":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return imported(name, *rest)

    monkeypatch.delitem(sys.modules, "charloom.export.onnx_graph")
    monkeypatch.setattr(builtins, "__import__", without)
    done = charloom("export", folder, "--onnx", "tiny.onnx")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'charloom[onnx]'" in done.stderr


def test_a_text_written_with_the_graph_is_the_one_that_charloom_writes(tmp_path: Path) -> None:
    from charloom import generate
    from charloom.generation.sampling import distribution, draw
    from charloom.settings import SamplingConfig

    model = small_model(TEXT)
    running, vocabulary = session(model), model.vocabulary
    uniform = np.random.Generator(np.random.PCG64(4))
    state = [np.zeros((2, 1, 12), np.float32)] * 2
    text, ids = "", [vocabulary.boundary, *vocabulary.encode("The ").tolist()]
    while len(text) < 200:
        for symbol in ids:
            logits, *state = running.run(None, {"symbol": [symbol], "h": state[0], "c": state[1]})
        ids = [draw(distribution(logits[0], SamplingConfig()), uniform.random())]
        text += vocabulary.decode(ids)
    assert text == "".join(generate(Writer(model), "The ", length=200, seed=4))

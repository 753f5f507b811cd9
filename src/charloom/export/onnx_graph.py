"""A network as an ONNX graph of one step: symbols and a state in, logits and the next state out.

    symbol (B,) int64, h (layers, B, H)[, c for an LSTM]  ->  logits (B, V), next_h[, next_c]

B may be any number. The weights keep the names and shapes that they have in `model.safetensors`; the graph consists of
plain products, sums and activations, so that every runtime computes the same equations as `charloom.models.network`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from charloom.errors import MissingExtraError, SettingsError
from charloom.models.model_folder import ModelArrays, VocabularyRecord
from charloom.settings import NetworkConfig
from charloom.storage import strict_json
from charloom.storage.tensor_files import Array
from charloom.version import __version__

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    raise MissingExtraError("an ONNX file", "onnx") from None

OPSET = 17
"""Runtimes since the middle of 2022 know it."""

_IR_VERSION = 8
"""The file format that came with it."""

_LARGEST = 2_000_000_000
"""Bytes of weights: a protocol buffer has at most two gibibytes."""


def onnx_graph(model: ModelArrays) -> onnx.ModelProto:
    """The graph of a model's network, with its configuration and vocabulary as metadata, checked by onnx.

    Raises `SettingsError` for a network that no single file can hold.
    """
    size = sum(array.nbytes for array in model.weights.values())
    if size > _LARGEST:
        raise SettingsError(f"the network has {size:,} bytes of weights; an ONNX file holds at most {_LARGEST:,}")
    steps = _Steps(model.config.network, model.weights)
    network = model.config.network
    parts = ["h", "c"] if network.cell == "lstm" else ["h"]
    shape: list[str | int | None] = [network.layers, "batch", network.hidden_size]
    symbols = helper.make_tensor_value_info("symbol", TensorProto.INT64, ["batch"])
    before = [helper.make_tensor_value_info(part, TensorProto.FLOAT, shape) for part in parts]
    after = [helper.make_tensor_value_info(f"next_{part}", TensorProto.FLOAT, shape) for part in parts]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(model.weights["output.bias"])])
    steps.run()
    graph = helper.make_graph(steps.nodes, "charloom", [symbols, *before], [logits, *after], steps.constants)
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="charloom",
        producer_version=__version__,
    )
    helper.set_model_props(made, _metadata(model))
    onnx.checker.check_model(made, full_check=True)
    return made


def _metadata(model: ModelArrays) -> dict[str, str]:
    vocabulary = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    return {
        "config.json": strict_json.dump(model.config).decode(),
        "vocabulary.json": strict_json.dump(vocabulary).decode(),
        "boundary": str(model.vocabulary.boundary),
    }


class _Steps:
    """The nodes of one step of a network; a value is known by its name."""

    def __init__(self, config: NetworkConfig, weights: Mapping[str, Array]) -> None:
        self._config = config
        self._cell = {"lstm": self._lstm, "gru": self._gru, "rnn-tanh": self._rnn, "rnn-relu": self._rnn}[config.cell]
        self.constants = [numpy_helper.from_array(np.ascontiguousarray(each), name) for name, each in weights.items()]
        self.nodes: list[onnx.NodeProto] = []

    def run(self) -> None:
        """Every node, from the symbols to the logits and the next state."""
        self._constant("axis", np.array([0], np.int64))
        below, after = self._inputs(), list[tuple[str, ...]]()
        for layer in range(self._config.layers):
            number = self._constant(f"layer.{layer}", np.array(layer, np.int64))
            parts = ("h", "c") if self._config.cell == "lstm" else ("h",)
            state = [self._add("Gather", [part, number], f"{part}.{layer}", axis=0) for part in parts]
            inputs = below if layer == 0 else self._product(below, f"layers.{layer}.weight_ih_l0", self._bias(layer))
            recurrent = self._product(state[0], f"layers.{layer}.weight_hh_l0", f"layers.{layer}.bias_hh_l0")
            after.append(self._cell(layer, inputs, recurrent, state))
            below = after[-1][0]
        for part, values in zip(("h", "c"), zip(*after, strict=True), strict=False):
            rows = [self._add("Unsqueeze", [value, "axis"], f"{value}.row") for value in values]
            self._add("Concat", rows, f"next_{part}", axis=0)
        self._output(below)

    def _inputs(self) -> str:
        """What the symbols add to the gates of the first layer, (B, G H)."""
        weights, bias = "layers.0.weight_ih_l0", self._bias(0)
        if self._config.embedding_size:
            return self._product(
                self._add("Gather", ["embedding.weight", "symbol"], "embedding", axis=0), weights, bias
            )
        columns = self._add("Gather", [weights, "symbol"], "columns", axis=1)
        rows = self._add("Transpose", [columns], "rows", perm=[1, 0])
        return self._add("Add", [rows, bias], "inputs")

    def _output(self, hidden: str) -> None:
        weights = "output.weight"
        if self._config.tied:
            self._add("Shape", ["output.bias"], "outputs")
            self._constant("zero", np.array([0], np.int64))
            weights = self._add("Slice", ["embedding.weight", "zero", "outputs", "axis"], "output.weight")
        self._add("Gemm", [hidden, weights, "output.bias"], "logits", transB=1)

    def _lstm(self, layer: int, inputs: str, recurrent: str, state: list[str]) -> tuple[str, ...]:
        total = self._add("Add", [inputs, recurrent], f"gates.{layer}")
        opened, kept, candidate, shown = self._split(total, 4)
        new = self._add("Mul", [self._sigmoid(opened), self._tanh(candidate)], f"new.{layer}")
        old = self._add("Mul", [self._sigmoid(kept), state[1]], f"old.{layer}")
        c = self._add("Add", [old, new], f"next_c.{layer}")
        return self._add("Mul", [self._sigmoid(shown), self._tanh(c)], f"next_h.{layer}"), c

    def _gru(self, layer: int, inputs: str, recurrent: str, state: list[str]) -> tuple[str, ...]:
        reset, update, candidate = self._split(inputs, 3)
        reset_h, update_h, candidate_h = self._split(recurrent, 3)
        reset = self._sigmoid(self._add("Add", [reset, reset_h], f"reset.{layer}"))
        update = self._sigmoid(self._add("Add", [update, update_h], f"update.{layer}"))
        remembered = self._add("Mul", [reset, candidate_h], f"remembered.{layer}")
        new = self._tanh(self._add("Add", [candidate, remembered], f"candidate.{layer}"))
        difference = self._add("Sub", [state[0], new], f"difference.{layer}")
        kept = self._add("Mul", [update, difference], f"kept.{layer}")
        return (self._add("Add", [new, kept], f"next_h.{layer}"),)

    def _rnn(self, layer: int, inputs: str, recurrent: str, state: list[str]) -> tuple[str, ...]:
        total = self._add("Add", [inputs, recurrent], f"gates.{layer}")
        return (self._add("Tanh" if self._config.cell == "rnn-tanh" else "Relu", [total], f"next_h.{layer}"),)

    def _bias(self, layer: int) -> str:
        return f"layers.{layer}.bias_ih_l0"

    def _product(self, values: str, weights: str, bias: str) -> str:
        return self._add("Gemm", [values, weights, bias], f"{weights}.product", transB=1)

    def _split(self, gates: str, count: int) -> list[str]:
        names = [f"{gates}.{number}" for number in range(count)]
        self.nodes.append(helper.make_node("Split", [gates], names, axis=1))
        return names

    def _sigmoid(self, value: str) -> str:
        return self._add("Sigmoid", [value], f"{value}.sigmoid")

    def _tanh(self, value: str) -> str:
        return self._add("Tanh", [value], f"{value}.tanh")

    def _constant(self, name: str, value: Array) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def _add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

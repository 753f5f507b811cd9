"""A language model: a network and the vocabulary that gives its ids a meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Union

import safetensors.torch
import torch

from charloom.data.stored_ids import AnyIds
from charloom.data.text import Text
from charloom.data.text_ids import remembered
from charloom.data.vocabulary import Ids, Vocabulary
from charloom.errors import FolderError, arguments
from charloom.machine.notebook import table
from charloom.models.model_folder import (
    ModelArrays,
    ModelConfig,
    ModelPlace,
    encode_for,
    ids_for,
    model_folder,
    place_of,
    read_model,
    sizes,
)
from charloom.models.model_source import REMEDY
from charloom.models.network import CharRNN, State, reading
from charloom.models.state import as_state
from charloom.storage.tensor_files import Array, Expected

CHUNK = 1024
"""Symbols read at a time: bounds the memory and does not change any figure."""


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A network that predicts the next symbol of a text, together with its vocabulary."""

    network: CharRNN
    vocabulary: Vocabulary
    config: ModelConfig

    def __post_init__(self) -> None:
        inputs, outputs = sizes(self.vocabulary, self.config.predicts_end)
        if (self.network.inputs, self.network.outputs) != (inputs, outputs):
            raise FolderError(
                f"the network reads {self.network.inputs} symbols and predicts {self.network.outputs}, "
                f"but the vocabulary asks for {inputs} and {outputs}; they belong to different models"
            )

    @classmethod
    def new(cls, config: ModelConfig, vocabulary: Vocabulary, *, device: str | torch.device = "cpu") -> "LanguageModel":
        """A model with freshly initialised weights on `device` ("meta": no weights at all)."""
        inputs, outputs = sizes(vocabulary, config.predicts_end)
        with torch.device(device):
            network = CharRNN(config.network, inputs=inputs, outputs=outputs)
        return cls(network.eval(), vocabulary, config)

    @classmethod
    def of(cls, model: ModelArrays) -> "LanguageModel":
        """The model with these weights."""
        loaded = cls.new(model.config, model.vocabulary, device="meta")
        loaded.network.load_state_dict(as_tensors(model.weights), assign=True)
        return loaded

    def __repr__(self) -> str:
        shape = self.config.network
        sizes = f"{shape.cell} {shape.layers}x{shape.hidden_size}, {self.network.parameter_count():,} parameters"
        return f"<LanguageModel: {sizes}, {self.vocabulary.boundary} {self.vocabulary.kind}>"

    def _repr_markdown_(self) -> str:
        shape, vocabulary = self.config.network, self.vocabulary
        return table(
            "A character-level language model",
            {
                "network": f"{shape.layers} x {shape.hidden_size} {shape.cell}",
                "parameters": f"{self.network.parameter_count():,}",
                "vocabulary": f"{vocabulary.boundary} {vocabulary.kind}",
                "trained on": "lines, each a text" if self.config.documents == "lines" else "running text",
            },
        )

    def with_network(self, network: CharRNN) -> "LanguageModel":
        """The same model with other weights."""
        return replace(self, network=network)

    def encode(self, text: str | Text) -> Ids:
        """Ids (T,) of a text, with boundaries where this model expects them. Raises `TextError` for an unseen
        character."""
        return encode_for(self.config, self.vocabulary, text)

    def ids(self, text: Text) -> AnyIds:
        """The same ids, left in the text's file if it is large: for what reads them piece by piece."""
        return ids_for(self.config, self.vocabulary, text)

    def read(self, text: str | Text, state: Sequence[Any] | None = None) -> State:
        """The state after `text`, read from the boundary or from `state` on; with documents, the state of the last one.

        Use it to read a shared beginning only once: `charloom.generate(model, state=...)` continues from there.
        Raises `TextError` for an unseen character, `SettingsError` for a state of another model.
        """
        ids = remembered(self.encode(text), self.vocabulary.boundary, begun=state is not None)
        kept: State | None = None
        if state is not None and not (len(ids) and ids[0] == self.vocabulary.boundary):
            arrays = as_state(self.config.network, state)
            kept = tuple(torch.from_numpy(part).to(self.network.device) for part in arrays)
        column = torch.from_numpy(ids).to(self.network.device)[:, None]
        with reading(self.network):
            for first in range(0, len(column), CHUNK):
                _, kept = self.network(column[first : first + CHUNK], kept)
        return kept if kept is not None else self.network.zero_state(1)

    def arrays(self) -> ModelArrays:
        """The model as arrays, which share the network's memory on a CPU."""
        weights = {name: tensor.detach().cpu().numpy() for name, tensor in self.network.state_dict().items()}
        return ModelArrays(self.config, self.vocabulary, weights)

    def weights(self) -> bytes:
        """The weights as a safetensors file; equal weights give equal bytes."""
        return pack(self.network.state_dict())


def pack(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Tensors as a safetensors file."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def as_tensors(arrays: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    """Copies of arrays as tensors."""
    return {name: torch.tensor(array) for name, array in arrays.items()}


def expected_of(tensors: Mapping[str, torch.Tensor]) -> Expected:
    """Shape and type of each tensor, in the form that `tensor_files.unpack` compares with."""
    return {name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for name, tensor in tensors.items()}


AnyModel = Union[LanguageModel, ModelPlace]  # noqa: UP007
"""A model, a run, or the path of a run directory or model folder."""


def as_model(source: AnyModel) -> LanguageModel:
    """The model itself, or the one of a run or a path. Raises `CharloomError` for anything else."""
    if isinstance(source, LanguageModel):
        return source
    if place_of(source) is None:
        arguments.kind(source, LanguageModel, "the model", REMEDY)
    return load_folder(model_folder(source))


def load_folder(folder: Path) -> LanguageModel:
    """Load the model in `folder`. Raises `FolderError` with one sentence about what is wrong."""
    return LanguageModel.of(read_model(folder))

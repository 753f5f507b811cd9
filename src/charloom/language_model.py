"""A language model: a network and the vocabulary that its numbers stand for.

A model folder holds `config.json`, `vocabulary.json`, `model.safetensors` and a card, `README.md`. Nothing in it is ever
executed or unpickled, and sizes are checked against the configuration before a network is built.
"""

import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch

from charloom import records
from charloom.corpus import Text
from charloom.encoding import encode
from charloom.errors import CharloomError, FolderError
from charloom.network import CharRNN
from charloom.settings import Documents, NetworkConfig, VocabularyKind
from charloom.vocabulary import Ids, Vocabulary

LARGEST_VOCABULARY = 16 << 20
LARGEST_HEADER = 1 << 20
LARGEST_WEIGHTS = 16 << 30


@dataclass(frozen=True)
class ModelConfig:
    """What `config.json` of a model folder says."""

    network: NetworkConfig
    documents: Documents
    "How the training text was cut into texts."
    predicts_end: bool
    "Whether the model learned where a text ends."
    format: Literal["charloom-model-1"] = "charloom-model-1"


@dataclass(frozen=True)
class VocabularyRecord:
    """What `vocabulary.json` says."""

    kind: VocabularyKind
    characters: str


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A network that predicts the next symbol of a text, and the symbols."""

    network: CharRNN
    vocabulary: Vocabulary
    config: ModelConfig

    def __post_init__(self) -> None:
        inputs, outputs = sizes(self.vocabulary, self.config.predicts_end)
        if (self.network.inputs, self.network.outputs) != (inputs, outputs):
            raise FolderError(
                f"the network reads {self.network.inputs} symbols and predicts {self.network.outputs}, but the vocabulary "
                f"asks for {inputs} and {outputs}; they belong to different models"
            )

    @classmethod
    def new(cls, config: ModelConfig, vocabulary: Vocabulary, *, device: str | torch.device = "cpu") -> "LanguageModel":
        """A model with fresh weights on `device` ("meta": none at all)."""
        inputs, outputs = sizes(vocabulary, config.predicts_end)
        with torch.device(device):
            network = CharRNN(config.network, inputs=inputs, outputs=outputs)
        return cls(network.eval(), vocabulary, config)

    def with_network(self, network: CharRNN) -> "LanguageModel":
        """The same model with other weights."""
        return replace(self, network=network)

    def encode(self, text: str | Text) -> Ids:
        """Ids (T,) of a text, with the boundaries that this model knows. Raises `TextError` for an unseen character."""
        text = Text.of(text) if isinstance(text, str) else text
        if not self.config.predicts_end:
            text = Text(text.data, text.characters)
        return encode(text, self.vocabulary, self.config.documents)

    def weights(self) -> bytes:
        """The weights as a safetensors file: the same weights give the same bytes."""
        return pack(self.network.state_dict())


def sizes(vocabulary: Vocabulary, predicts_end: bool) -> tuple[int, int]:
    """Symbols that are read and symbols that are predicted: the boundary is predicted only where ends were seen."""
    return len(vocabulary), len(vocabulary) - (not predicts_end)


def pack(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Tensors as a safetensors file."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def unpack(data: bytes, expected: Mapping[str, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file, which must have the names, shapes and types of `expected`, all finite.

    The header is compared before anything is built. Raises `FolderError`.
    """
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(LARGEST_HEADER, len(data) - 8):
        raise FolderError(f"{where} is damaged: it is cut off or is no safetensors file; restore it from a copy")
    header = records.parse(data[8 : 8 + length], where)
    if not isinstance(header, dict):
        raise FolderError(f"{where} is damaged: its header names no tensors; restore it from a copy")
    header.pop("__metadata__", None)
    for name in [*expected, *header]:
        if name not in header or name not in expected:
            what = "lacks" if name in expected else "has an unknown"
            raise FolderError(f"{where} {what} tensor {name[:100]!r}; it does not belong to this configuration")
        entry, tensor = header[name], expected[name]
        shape = entry.get("shape") if isinstance(entry, dict) else None
        if shape != list(tensor.shape):
            raise FolderError(
                f"{where}: tensor {name!r} has the shape {records.shown(shape)}, but configuration and vocabulary ask for "
                f"{list(tensor.shape)}; the files belong to different models"
            )
    try:
        tensors = safetensors.torch.load(data)
    except Exception as error:  # safetensors has an exception of its own, and others for what it did not foresee
        reason = repr(str(error)[:150])[1:-1]  # it may quote what the file says
        raise FolderError(f"{where} is damaged: {reason}; restore it from a copy") from None
    for name, tensor in tensors.items():
        if tensor.dtype != expected[name].dtype:
            raise FolderError(f"{where}: tensor {name!r} is {tensor.dtype}, not {expected[name].dtype}; restore it")
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise FolderError(f"{where}: tensor {name!r} holds numbers that are not finite; restore it from a copy")
    return {name: tensor.clone() for name, tensor in tensors.items()}  # aligned, and independent of `data`


def largest_file(expected: Mapping[str, torch.Tensor]) -> int:
    """Bytes that a safetensors file of such tensors has at most."""
    return 8 + LARGEST_HEADER + sum(tensor.numel() * tensor.element_size() for tensor in expected.values())


def read_model_file(folder: Path, name: str, largest: int) -> bytes:
    """The bytes of a file of a model or run, at most `largest`. Raises `FolderError`."""
    path = folder / name
    try:
        status = path.stat()
        size = status.st_size if stat.S_ISREG(status.st_mode) else largest + 1
        data = path.read_bytes() if size <= largest else b""
    except FileNotFoundError:
        raise FolderError(f"{folder} is not complete: it has no {name}; restore it from a copy") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FolderError(f"{path} cannot be read ({str(reason).lower()}); restore it from a copy") from None
    if size > largest:
        raise FolderError(
            f"{path} is no file of at most {largest:,} bytes, so it is not one of ours; restore it from a copy"
        )
    return data


def load_folder(folder: Path) -> LanguageModel:
    """The model in `folder`. Raises `FolderError` with one sentence for whatever is wrong with it."""
    config = records.load(
        ModelConfig,
        records.parse(read_model_file(folder, "config.json", records.LARGEST_JSON), str(folder / "config.json")),
        str(folder / "config.json"),
    )
    where = str(folder / "vocabulary.json")
    record = records.load(
        VocabularyRecord,
        records.parse(
            read_model_file(folder, "vocabulary.json", LARGEST_VOCABULARY), where, largest=LARGEST_VOCABULARY
        ),
        where,
    )
    try:
        vocabulary = Vocabulary(record.kind, record.characters)
    except CharloomError as error:
        raise FolderError(f"{where}: {error}") from None
    expected = LanguageModel.new(config, vocabulary, device="meta").network.state_dict()
    data = read_model_file(folder, "model.safetensors", min(LARGEST_WEIGHTS, largest_file(expected)))
    tensors = unpack(data, expected, str(folder / "model.safetensors"))
    model = LanguageModel.new(config, vocabulary, device="meta")
    model.network.load_state_dict(tensors, assign=True)
    return model

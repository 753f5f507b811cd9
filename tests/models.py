"""Small models for tests, and slow, plain ways to compute what the package computes fast."""

import itertools
from pathlib import Path

import numpy as np
import torch

from charloom.data.ends import ends_at
from charloom.data.text import Text
from charloom.data.vocabulary import Vocabulary
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig, VocabularyRecord
from charloom.settings import Cell, DocumentKind, NetworkConfig
from charloom.storage import strict_json


def small_model(
    text: str,
    cell: Cell = "lstm",
    *,
    kind: str = "characters",
    documents: DocumentKind = "none",
    predicts_end: bool | None = None,
    layers: int = 2,
    hidden_size: int = 12,
    seed: int = 0,
    sharpness: float = 3.0,
) -> LanguageModel:
    """A model with random weights over the characters of `text`; its logits are spread: no choice is a coin flip."""
    torch.manual_seed(seed)
    config = ModelConfig(
        NetworkConfig(cell=cell, hidden_size=hidden_size, layers=layers, embedding_size=6, dropout=0.4),
        documents,
        documents == "lines" if predicts_end is None else predicts_end,
    )
    model = LanguageModel.new(config, Vocabulary.of([text], kind))  # type: ignore[arg-type]
    with torch.no_grad():
        model.network.output.weight *= sharpness * hidden_size**0.5
        model.network.output.bias.normal_()
    return model


@torch.no_grad()
def with_biases(model: LanguageModel, seed: int = 0) -> LanguageModel:
    """The model with random biases in its recurrent layers, which a new network has not."""
    uniform = torch.Generator().manual_seed(seed)
    for name, parameter in model.network.named_parameters():
        if name.startswith("layers.") and "bias" in name:
            parameter.normal_(std=0.5, generator=uniform)
    return model


def uniform_model(text: str, **more: object) -> LanguageModel:
    """A model for which all symbols are equally likely, always."""
    model = small_model(text, **more)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.zero_()
    return model


@torch.no_grad()
def log_probabilities(model: LanguageModel, ids: list[int]) -> np.ndarray:
    """log p (T, V) before each symbol of `ids`, read one symbol at a time from the boundary and a zero state."""
    state, rows, symbol = None, [], model.vocabulary.boundary
    for following in ids:
        logits, state = model.network(torch.tensor([[symbol]]), state)
        rows.append(torch.log_softmax(logits[0, 0].double(), -1).numpy())
        symbol = following
    return np.array(rows).reshape(len(ids), model.network.outputs)


def brute_force_nats(model: LanguageModel, ids: list[int]) -> float:
    """Total surprisal of one text, one symbol at a time."""
    return float(-sum(row[symbol] for row, symbol in zip(log_probabilities(model, ids), ids, strict=True)))


def several_texts(*texts: str) -> Text:
    """One text made of several."""
    joined = "".join(texts)
    ends = ends_at(itertools.accumulate(map(len, texts)))
    return Text(memoryview(joined.encode()), len(joined), ends)


def write_folder(model: LanguageModel, path: Path) -> Path:
    """The model as a model folder."""
    path.mkdir()
    (path / "config.json").write_bytes(strict_json.dump(model.config))
    known = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    (path / "vocabulary.json").write_bytes(strict_json.dump(known))
    (path / "model.safetensors").write_bytes(model.weights())
    return path

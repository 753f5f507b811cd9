"""Fine-tuning: start training from another model's weights, even if that model lacks some symbols of the text."""

import torch

from charloom.data.vocabulary import Vocabulary
from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.models.language_model import LanguageModel


def joined(vocabulary: Vocabulary, parent: LanguageModel | None) -> Vocabulary:
    """The symbols of a text and of the parent model together. Raises `SettingsError` if their kinds differ."""
    if parent is None:
        return vocabulary
    if parent.vocabulary.kind != vocabulary.kind:
        raise SettingsError(
            f"the model to start from has a vocabulary of {parent.vocabulary.kind}; "
            f"use {option('vocabulary', parent.vocabulary.kind)}"
        )
    return Vocabulary.of([vocabulary.characters, parent.vocabulary.characters], vocabulary.kind)


@torch.no_grad()
def inherit(model: LanguageModel, parent: LanguageModel) -> None:
    """Copy the parent's weights into `model`; the row of each symbol moves to the symbol's new id."""
    symbols = {character: place for place, character in enumerate(model.vocabulary.characters)}
    known = [symbols[character] for character in parent.vocabulary.characters] or list(range(256))
    reads = torch.tensor([*known, model.vocabulary.boundary])
    predicts = reads if model.config.predicts_end and parent.config.predicts_end else reads[:-1]
    mine = model.network.state_dict()
    for name, weights in parent.network.state_dict().items():
        if name == "embedding.weight":
            mine[name][reads] = weights
        elif name.startswith("output."):
            mine[name][predicts] = weights[: len(predicts)]
        elif name == "layers.0.weight_ih_l0" and parent.network.embedding is None:
            mine[name][:, reads] = weights
        else:
            mine[name].copy_(weights)

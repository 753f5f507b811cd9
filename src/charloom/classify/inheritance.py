"""Starts a classifier from the weights of a language model, symbol by symbol."""

from dataclasses import replace

import torch

from charloom.classify.model import Classifier
from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.models.language_model import LanguageModel
from charloom.settings import ClassifierNetworkConfig


def inherited_shape(network: ClassifierNetworkConfig, parent: LanguageModel) -> ClassifierNetworkConfig:
    """The shape that takes the parent's weights, with the dropout of `network`. Raises `SettingsError`."""
    if parent.vocabulary.kind != "characters" or parent.network.embedding is None:
        raise SettingsError(
            "the model to start from reads bytes or has no embedding; give one that was trained on characters with "
            f"{option('network.embedding_size')} above 0"
        )
    shape = parent.config.network
    return replace(
        network,
        cell=shape.cell,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        embedding_size=shape.embedding_size,
        initialization=shape.initialization,
    )


@torch.no_grad()
def inherit(classifier: Classifier, parent: LanguageModel) -> None:
    """Copy what the parent has: the embeddings of the symbols that it knows, and its layers.

    Both directions start from the parent's layers, although it only read forward. Above the first layer, a
    bidirectional network reads both directions, so the parent's matrix fills the half that reads its own direction.
    """
    network, mine, theirs = classifier.network, classifier.table, parent.vocabulary
    rows = parent.network.embedding.weight  # type: ignore[union-attr]
    places = {character: place for place, character in enumerate(theirs.characters)}
    network.embedding.weight.copy_(rows.mean(0))  # a symbol that the parent does not know gets the mean
    for place, character in enumerate(mine.vocabulary.characters):
        if character in places:
            network.embedding.weight[place] = rows[places[character]]
    network.embedding.weight[mine.boundary] = rows[theirs.boundary]
    directions = len(network.layers) // len(parent.network.layers)
    for number, layer in enumerate(network.layers):
        depth, side = divmod(number, directions)
        source = dict(parent.network.layers[depth].named_parameters())
        for name, weights in layer.named_parameters():
            inherited = source[name]
            if weights.shape == inherited.shape:
                weights.copy_(inherited)
            else:  # weight_ih of a layer that reads both directions, or a class in addition to the character
                size = inherited.shape[1]
                start = side * size if depth else 0
                weights.zero_()
                weights[:, start : start + size] = inherited

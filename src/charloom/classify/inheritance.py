"""A classifier that starts from a language model's weights: what reads forward is the language model's, symbol by symbol."""

from dataclasses import replace

import torch

from charloom.classify.model import Classifier
from charloom.errors import SettingsError
from charloom.models.language_model import LanguageModel
from charloom.settings import ClassifierNetworkConfig


def inherited_shape(network: ClassifierNetworkConfig, parent: LanguageModel) -> ClassifierNetworkConfig:
    """The shape that takes the parent's weights, with the dropout of `network`. Raises `SettingsError`."""
    if parent.vocabulary.kind != "characters" or parent.network.embedding is None:
        raise SettingsError(
            "the model to start from reads bytes or has no embedding; a classifier starts from one of characters with "
            "--network.embedding-size above 0"
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
    """Copy what the parent has: rows of the embedding where it knows the symbol, and the layers.

    Both directions start from the parent's layers, the reversed one in the hope that letters are letters; above the first
    layer a network of two directions reads both, so the parent's matrix takes the half that comes from its own direction.
    """
    network, mine, theirs = classifier.network, classifier.table, parent.vocabulary
    rows = parent.network.embedding.weight  # type: ignore[union-attr]
    places = {character: place for place, character in enumerate(theirs.characters)}
    network.embedding.weight.copy_(rows.mean(0))  # what the parent does not know is nothing in particular
    for place, character in enumerate(mine.vocabulary.characters):
        if character in places:
            network.embedding.weight[place] = rows[places[character]]
    network.embedding.weight[mine.boundary] = rows[theirs.boundary]
    directions = len(network.layers) // len(parent.network.layers)
    for number, layer in enumerate(network.layers):
        depth, side = divmod(number, directions)
        source = dict(parent.network.layers[depth].named_parameters())
        for name, weights in layer.named_parameters():
            given = source[name]
            if weights.shape == given.shape:
                weights.copy_(given)
            else:  # weight_ih of a layer that reads both directions, or a class beside the character
                size = given.shape[1]
                start = side * size if depth else 0
                weights.zero_()
                weights[:, start : start + size] = given

"""The network that tells classes apart: recurrent layers over the characters, pooled over time, and one linear layer.

    h_t = LSTM(e_1 … e_t),  g_t = LSTM(e_T … e_t)      each direction starts at its own end of the text
    p   = [mean_t h_t, max_t h_t, h_T, …]               the same of g, over the symbols of the text alone
    P(class) = softmax((W p + b) / temperature)

The temperature is set on held-out texts after training (Guo et al. 2017, arXiv 1706.04599).
Axes: T time, B texts, E embedding, H hidden, C classes.
"""

import torch
from torch import nn

from charloom.applications.classify.batches import TextBatch
from charloom.dropout import Dropout
from charloom.network import Recurrent, make_layer, start_layer
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig


class ClassifierNetwork(Recurrent):
    """ids (T, B), lengths (B,) -> logits (B, C), not yet divided by the temperature."""

    temperature: torch.Tensor

    def __init__(
        self, network: ClassifierNetworkConfig, classification: ClassificationConfig, *, symbols: int, classes: int
    ) -> None:
        super().__init__()
        self.config, self.classification = network, classification
        self.directions = 2 if classification.bidirectional else 1
        self.embedding = nn.Embedding(symbols, network.embedding_size or network.hidden_size)
        below = [self.embedding.embedding_dim] + [network.hidden_size * self.directions] * (network.layers - 1)
        self.layers = nn.ModuleList(make_layer(network, size) for size in below for _ in range(self.directions))
        self.dropout, self.weight_dropout = Dropout(network.dropout), Dropout(network.weight_dropout)
        width = network.hidden_size * self.directions
        self.attention = nn.Linear(width, 1) if classification.pooling == "attention" else None
        parts = {"last": 1, "mean-max-last": 3, "attention": 4}[classification.pooling]
        self.output = nn.Linear(width * parts, classes)
        self.register_buffer("temperature", torch.ones(()))
        for layer in self.layers:
            start_layer(layer, network)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids (T, B), lengths (B,) >= 1 -> logits (B, C)"""
        times = torch.arange(len(ids), device=ids.device)[:, None]
        inside = times < lengths
        turned = torch.where(inside, lengths - 1 - times, times)  # each text from its own end; padding stays behind
        values = self.dropout(self.embedding(ids))
        sides: list[torch.Tensor] = []
        for depth in range(self.config.layers):
            if depth:
                values = self.dropout(torch.cat([sides[0], *(_at(side, turned) for side in sides[1:])], -1))
            reads = [values, _at(values, turned)] if self.directions == 2 else [values]
            layers = self.layers[depth * self.directions : (depth + 1) * self.directions]
            sides = [self._read(layer, read, None)[0] for layer, read in zip(layers, reads, strict=True)]
        return self.output(self.dropout(self._pool(sides, inside, lengths, turned)))  # type: ignore[no-any-return]

    def _pool(
        self, sides: list[torch.Tensor], inside: torch.Tensor, lengths: torch.Tensor, turned: torch.Tensor
    ) -> torch.Tensor:
        """Each direction (T, B, H) -> (B, parts of H), whatever lies behind the end of a text left out."""
        ends = (lengths - 1)[None, :, None].expand(1, -1, self.config.hidden_size)
        parts = [side.gather(0, ends)[0] for side in sides]
        if self.classification.pooling == "last":
            return torch.cat(parts, -1)
        for side in sides:
            parts.append((side * inside[..., None]).sum(0) / lengths[:, None])
            parts.append(side.masked_fill(~inside[..., None], -torch.inf).amax(0))
        if self.attention is not None:
            both = torch.cat([sides[0], *(_at(side, turned) for side in sides[1:])], -1)
            weights = self.attention(both).masked_fill(~inside[..., None], -torch.inf).softmax(0)
            parts.append((weights * both).sum(0))
        return torch.cat(parts, -1)

    def loss(self, batch: TextBatch, weights: torch.Tensor) -> torch.Tensor:
        """Mean loss of a batch, classes weighted by `weights` (C,)."""
        logits = self(batch.ids, batch.lengths).float()
        smoothing = self.classification.label_smoothing
        return nn.functional.cross_entropy(logits, batch.labels, weights, label_smoothing=smoothing)


def _at(values: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """values (T, B, H) read in the order `times` (T, B)."""
    return values.gather(0, times[..., None].expand_as(values))

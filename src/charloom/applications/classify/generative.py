"""The network that writes like each class: one character model that is told the class at every step, and Bayes' rule.

    log P(text | class) = sum_t log softmax(W_o h_t + b_o)[c_t],   h_t = RNN([embedding(c_{t-1}), embedding(class)])
    P(class | text) = softmax((log P(text | class) + log P(class)) / temperature)

Sharing the layers lets a class with few texts profit from the others (Yogatama et al. 2017, arXiv 1703.01898).
"""

import torch
from torch import nn

from charloom.applications.classify.batches import TextBatch
from charloom.dropout import Dropout
from charloom.network import Recurrent, make_layer, start_layer
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig

COLUMNS = 1024
"""Texts times classes that are read side by side at most."""


class GenerativeNetwork(Recurrent):
    """ids (T, B), lengths (B,) -> log P(text, class) (B, C), not yet divided by the temperature."""

    temperature: torch.Tensor
    prior: torch.Tensor

    def __init__(
        self, network: ClassifierNetworkConfig, classification: ClassificationConfig, *, symbols: int, classes: int
    ) -> None:
        super().__init__()
        self.config, self.classification, self.classes = network, classification, classes
        size = network.embedding_size or network.hidden_size
        self.embedding, self.condition = nn.Embedding(symbols, size), nn.Embedding(classes, size)
        below = [2 * size] + [network.hidden_size] * (network.layers - 1)
        self.layers = nn.ModuleList(make_layer(network, inputs) for inputs in below)
        self.dropout, self.weight_dropout = Dropout(network.dropout), Dropout(network.weight_dropout)
        self.output = nn.Linear(network.hidden_size, symbols)
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("prior", torch.full((classes,), 1 / classes).log())
        for layer in self.layers:
            start_layer(layer, network)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids (T, B), lengths (B,) -> log P(text, class) (B, C)"""
        together = max(1, COLUMNS // self.classes)
        parts = []
        for first in range(0, ids.shape[1], together):
            some, long = ids[:, first : first + together], lengths[first : first + together]
            texts = some.shape[1]
            every = torch.arange(self.classes, device=ids.device).repeat_interleave(texts)
            nats = self._nats(some.repeat(1, self.classes), long.repeat(self.classes), every)
            parts.append(-nats.sum(0).view(self.classes, texts).T)
        return torch.cat(parts) + self.prior

    def loss(self, batch: TextBatch, weights: torch.Tensor) -> torch.Tensor:
        """Mean surprisal of a batch's symbols given the class, classes weighted by `weights` (C,)."""
        nats = self._nats(batch.ids, batch.lengths, batch.labels)
        each = weights[batch.labels]
        return (nats * each).sum() / ((batch.lengths - 1) * each).sum()

    @torch.no_grad()
    def set_prior(self, counts: tuple[int, ...]) -> None:
        """Take the frequencies of the classes, none of them zero, for how probable they are before a text is read."""
        texts = torch.tensor(counts, dtype=torch.float32, device=self.prior.device).clamp_min(1.0)
        self.prior.copy_((texts / texts.sum()).log())

    def _nats(self, ids: torch.Tensor, lengths: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Surprisal (T-1, B) of each symbol after the first, zero behind the end of a text."""
        values = torch.cat([self.embedding(ids[:-1]), self.condition(labels).expand(len(ids) - 1, -1, -1)], -1)
        for layer in self.layers:
            values, _ = self._read(layer, self.dropout(values), None)
        logits = self.output(self.dropout(values)).float()
        losses = nn.functional.cross_entropy(logits.flatten(0, 1), ids[1:].flatten(), reduction="none")
        inside = torch.arange(1, len(ids), device=ids.device)[:, None] < lengths
        return losses.view(ids[1:].shape) * inside

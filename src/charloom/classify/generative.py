"""The generative classifier: one character model conditioned on the class at every step, and Bayes' rule.

    log P(text | class) = sum_t log softmax(W_o h_t + b_o)[c_t],   h_t = RNN([embedding(c_{t-1}), embedding(class)])
    P(class | text) = softmax((log P(text | class) + log P(class)) / temperature)

Sharing the layers lets a class with few texts profit from the others (Yogatama et al. 2017, arXiv 1703.01898).
"""

import torch
from torch import nn

from charloom.classify.batches import TextBatch
from charloom.classify.calibrated import Calibrated
from charloom.models.dropout import Dropout
from charloom.models.network import make_embedding, make_layer, start_layer
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig

TOGETHER = 1 << 24
"""Logits that are held at a time at most: of each symbol, at each place of each text, for each class."""


class GenerativeNetwork(Calibrated):
    """ids (T, B), lengths (B,) -> log P(text, class) (B, C), not yet divided by the temperature."""

    prior: torch.Tensor

    def __init__(
        self, network: ClassifierNetworkConfig, classification: ClassificationConfig, *, symbols: int, classes: int
    ) -> None:
        super().__init__()
        self.config, self.classification, self.classes = network, classification, classes
        size = network.embedding_size or network.hidden_size
        self.embedding, self.condition = make_embedding(symbols, size), make_embedding(classes, size)
        below = [2 * size] + [network.hidden_size] * (network.layers - 1)
        self.layers = nn.ModuleList(make_layer(network, inputs) for inputs in below)
        self.dropout, self.weight_dropout = Dropout(network.dropout), Dropout(network.weight_dropout)
        self.output = nn.Linear(network.hidden_size, symbols)
        self.register_buffer("prior", torch.full((classes,), 1 / classes).log())
        for layer in self.layers:
            start_layer(layer, network)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids (T, B), lengths (B,) -> log P(text, class) (B, C)"""
        texts = ids.shape[1]
        columns = max(1, TOGETHER // (ids.shape[0] * self.output.out_features))
        nats = []
        for first in range(0, texts * self.classes, columns):
            pairs = torch.arange(first, min(first + columns, texts * self.classes), device=ids.device)
            some = pairs % texts
            nats.append(self._nats(ids[:, some], lengths[some], pairs // texts).sum(0))
        return self.prior - torch.cat(nats).view(self.classes, texts).T

    def loss(self, batch: TextBatch, weights: torch.Tensor) -> torch.Tensor:
        """Surprisal of a batch's symbols given the class, classes weighted by `weights` (C,).

        Its mean over an epoch is the mean over the epoch's symbols.
        """
        nats = self._nats(batch.ids, batch.lengths, batch.labels)
        return (nats * weights[batch.labels]).sum() / batch.symbols_per_batch

    @torch.no_grad()
    def set_prior(self, counts: tuple[float, ...]) -> None:
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

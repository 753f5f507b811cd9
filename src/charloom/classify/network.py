"""The classification network: recurrent layers over the characters, pooled over time, and one linear layer.

    h_t = LSTM(e_1 … e_t),  g_t = LSTM(e_T … e_t)      each direction starts at its own end of the text
    p   = [mean_t h_t, max_t h_t, h_T, …]               the same of g, without padding
    P(class) = softmax((W p + b + count_weight * n_grams) / temperature)

Temperature and count weight are set on held-out texts after training (`charloom.classify.calibration`).
Axes: T time, B texts, E embedding, H hidden, C classes.
"""

import torch
from torch import nn

from charloom.classify.batches import TextBatch
from charloom.classify.calibrated import Calibrated
from charloom.models.dropout import Dropout
from charloom.models.network import make_embedding, make_layer, start_layer
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig

PREDICTED = 2048
"""The most characters per batch that the second task predicts, drawn at random from possibly thousands."""


class ClassifierNetwork(Calibrated):
    """ids (T, B), lengths (B,) -> logits (B, C), not yet divided by the temperature."""

    def __init__(
        self, network: ClassifierNetworkConfig, classification: ClassificationConfig, *, symbols: int, classes: int
    ) -> None:
        super().__init__()
        self.config, self.classification = network, classification
        self.directions = 2 if classification.bidirectional else 1
        self.embedding = make_embedding(symbols, network.embedding_size or network.hidden_size)
        below = [self.embedding.embedding_dim] + [network.hidden_size * self.directions] * (network.layers - 1)
        self.layers = nn.ModuleList(make_layer(network, size) for size in below for _ in range(self.directions))
        self.dropout, self.weight_dropout = Dropout(network.dropout), Dropout(network.weight_dropout)
        width = network.hidden_size * self.directions
        parts = {"last": 1, "mean-max-last": 3}[classification.pooling]
        self.output = nn.Linear(width * parts, classes)
        self.every = (
            nn.ModuleList(nn.Linear(network.hidden_size, classes) for _ in range(self.directions))
            if classification.every_place
            else None
        )
        self.next = (
            nn.ModuleList(nn.Linear(network.hidden_size, self.embedding.embedding_dim) for _ in range(self.directions))
            if classification.next_character
            else None
        )
        for layer in self.layers:
            start_layer(layer, network)
        nn.init.zeros_(self.output.bias)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids (T, B), lengths (B,) >= 1 -> logits (B, C)"""
        logits, _, _ = self._read_texts(ids, lengths)
        return logits

    def loss(self, batch: TextBatch, weights: torch.Tensor) -> torch.Tensor:
        """Loss of a batch, with classes weighted by `weights` (C,), plus the losses of the tasks that are switched on.

        Its mean over an epoch is the mean over the texts; that of the next-character task, the mean over the
        characters.
        """
        logits, first, last = self._read_texts(batch.ids, batch.lengths)
        smoothing = self.classification.label_smoothing
        loss = nn.functional.cross_entropy(
            logits.float(), batch.labels, weights, label_smoothing=smoothing, reduction="sum"
        )
        loss = loss / batch.texts_per_batch
        inside, turned = _times(batch.ids, batch.lengths)
        if self.every is not None:
            labels = batch.labels.expand_as(batch.ids)[inside]
            for head, side in zip(self.every, last, strict=True):
                each = head(self.dropout(side[inside])).float()
                nats = nn.functional.cross_entropy(each, labels, weights, label_smoothing=smoothing, reduction="sum")
                nats = nats / (batch.symbols_per_batch + batch.texts_per_batch)
                loss = loss + self.classification.every_place / self.directions * nats
        if self.next is None:
            return loss
        places = inside[1:].flatten().nonzero()[:, 0]
        share = self.classification.next_character / self.directions * len(places) / batch.symbols_per_batch
        if len(places) > PREDICTED:
            places = places[torch.randperm(len(places))[:PREDICTED].to(places.device)]
        for head, side, ids in zip(
            self.next, first, (batch.originals, batch.originals.gather(0, turned)), strict=False
        ):
            states = head(self.dropout(side[:-1].flatten(0, 1)[places]))
            logits = nn.functional.linear(states, self.embedding.weight).float()
            loss = loss + share * nn.functional.cross_entropy(logits, ids[1:].flatten()[places])
        return loss

    def _read_texts(
        self, ids: torch.Tensor, lengths: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
        """Logits (B, C), and the states (T, B, H) of the first and of the last layer in each direction."""
        inside, turned = _times(ids, lengths)
        values = self.dropout(self.embedding(ids))
        sides: list[torch.Tensor] = []
        first: list[torch.Tensor] = []
        for depth in range(self.config.layers):
            if depth:
                values = self.dropout(torch.cat([sides[0], *(_at(side, turned) for side in sides[1:])], -1))
            reads = [values, _at(values, turned)] if self.directions == 2 else [values]
            layers = self.layers[depth * self.directions : (depth + 1) * self.directions]
            sides = [self._read(layer, read, None)[0] for layer, read in zip(layers, reads, strict=True)]
            first = first or sides
        return self.output(self.dropout(self._pool(sides, inside, lengths))), first, sides

    def _pool(self, sides: list[torch.Tensor], inside: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Each direction (T, B, H) -> (B, parts of H), without padding."""
        ends = (lengths - 1)[None, :, None].expand(1, -1, self.config.hidden_size)
        parts = [side.gather(0, ends)[0] for side in sides]
        if self.classification.pooling == "last":
            return torch.cat(parts, -1)
        for side in sides:
            parts.append((side * inside[..., None]).sum(0) / lengths[:, None])
            parts.append(side.masked_fill(~inside[..., None], -torch.inf).amax(0))
        return torch.cat(parts, -1)


def _times(ids: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whether a place (T, B) is inside its text, and the order that reads each text backwards, padding last."""
    times = torch.arange(len(ids), device=ids.device)[:, None]
    inside = times < lengths
    return inside, torch.where(inside, lengths - 1 - times, times)


def _at(values: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """values (T, B, H) read in the order `times` (T, B)."""
    return values.gather(0, times[..., None].expand_as(values))

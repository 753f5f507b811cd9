"""Several networks side by side, each with weights, dropout and mistakes of its own; what they say is averaged.

Lakshminarayanan, Pritzel and Blundell 2017, "Simple and scalable predictive uncertainty estimation using deep ensembles"
(arXiv 1612.01474).
"""

import math

import torch
from torch import nn

from charloom.classify.batches import TextBatch
from charloom.classify.calibrated import Calibrated
from charloom.classify.network import ClassifierNetwork
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig


class EnsembleNetwork(Calibrated):
    """ids (T, B), lengths (B,) -> log of the members' mean probabilities (B, C), not yet divided by the temperature."""

    def __init__(
        self, network: ClassifierNetworkConfig, classification: ClassificationConfig, *, symbols: int, classes: int
    ) -> None:
        super().__init__()
        self.config, self.classification = network, classification
        self.members = nn.ModuleList(
            ClassifierNetwork(network, classification, symbols=symbols, classes=classes)
            for _ in range(classification.members)
        )

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """ids (T, B), lengths (B,) >= 1 -> logits (B, C)"""
        each = torch.stack([member(ids, lengths).float().log_softmax(-1) for member in self.members])
        return each.logsumexp(0) - math.log(len(self.members))

    def loss(self, batch: TextBatch, weights: torch.Tensor) -> torch.Tensor:
        """Mean of the members' losses: each learns as if it were alone."""
        losses = [member.loss(batch, weights) for member in self.members]  # type: ignore[operator]
        return torch.stack(losses).mean()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.temperature.device

"""Training a classifier: the same trainer as for language models, with a classifier's loss."""

import numpy as np
import torch

from charloom.classify.batches import TextBatch
from charloom.classify.generative import GenerativeNetwork
from charloom.classify.network import ClassifierNetwork
from charloom.models.network import State, reading
from charloom.settings import TrainingConfig
from charloom.training.trainer import BaseTrainer, Epochs

AnyNetwork = ClassifierNetwork | GenerativeNetwork


class ClassifierTrainer(BaseTrainer[AnyNetwork, TextBatch]):
    """Trains a classifier's network in place for `steps` steps; classes are weighted by `weights` (C,)."""

    def __init__(
        self,
        network: AnyNetwork,
        batches: Epochs[TextBatch],
        config: TrainingConfig,
        *,
        weights: torch.Tensor,
        steps: int,
        precision: str = "float32",
    ) -> None:
        super().__init__(network, batches, config, steps=steps, precision=precision)
        self._weights = weights.to(network.device)

    def _loss(self, batch: TextBatch) -> tuple[torch.Tensor, float, int, State | None]:
        device = self.network.device
        with torch.autocast(device.type, torch.bfloat16, enabled=self._bfloat16):
            loss = self.network.loss(batch.to(device), self._weights)
        return loss, 1.0, batch.symbols, None  # each text is already weighted in the loss

    def _output(self, batch: TextBatch) -> torch.Tensor:
        device = self.network.device
        with reading(self.average):
            logits: torch.Tensor = self.average(batch.ids[:, :4].to(device), batch.lengths[:4].to(device))
        return logits


def class_weights(counts: tuple[float, ...], power: float) -> torch.Tensor:
    """Weights (C,) of the classes: frequency to the power `-power`, scaled so that the mean over texts is 1.

    A class without training texts counts as if it had one.
    """
    texts = np.maximum(np.array(counts, np.float64), 1.0)
    weights = texts**-power
    return torch.tensor(weights * texts.sum() / (weights * texts).sum(), dtype=torch.float32)

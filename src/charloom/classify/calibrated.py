"""What every classifier's network stores next to its weights: the two numbers that calibration sets."""

import torch

from charloom.models.network import Recurrent


class Calibrated(Recurrent):
    """Probabilities are softmax((its logits + count_weight * what the n-grams say) / temperature)."""

    temperature: torch.Tensor
    count_weight: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("temperature", "count_weight"):
            self.register_buffer(name, torch.ones(()))

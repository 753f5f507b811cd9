"""Dropout that draws sixteen random bits for each unit, because torch's own took an eighth of a training step on two
cores.

Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting". The dropped share
is exact to 1/65,536.
"""

import math

import torch


class Dropout(torch.nn.Module):
    """Zeroes a share of its input while training and scales the rest so that the mean stays the same."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.part: tuple[torch.Tensor, int] | None = None
        "Which of how many rows the values are: draws are made for all of them, so that processes which read a row "
        "each drop what one process would drop that reads them all. None: all rows."

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """values (…) -> values (…), unchanged unless training"""
        if not self.training or self.share == 0:
            return values
        if values.device.type != "cpu":
            return self._on_accelerator(values)
        shape = values.shape if self.part is None else (self.part[1], *values.shape[1:])
        count = math.prod(shape)
        words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[:count].view(shape)
        if self.part is not None:
            bits = bits[self.part[0]]
        keep = bits >= round(self.share * 65_536) - 32_768
        return values * keep.to(values.dtype).mul_(1 / (1 - self.share))

    def _on_accelerator(self, values: torch.Tensor) -> torch.Tensor:
        if self.part is None:
            return torch.nn.functional.dropout(values, self.share)
        rows, whole = self.part
        drawn = torch.empty((whole, *values.shape[1:]), dtype=torch.bool, device=values.device)
        keep = drawn.bernoulli_(1 - self.share)[rows.to(values.device)]
        return values * keep.to(values.dtype).mul_(1 / (1 - self.share))

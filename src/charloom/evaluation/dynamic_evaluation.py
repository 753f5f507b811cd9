"""Dynamic evaluation: a network that keeps learning from the text it reads.

Each segment is predicted with what was learned from the segments before it. Then the weights take a step against the
gradient g of its mean loss, divided by the root of the mean of the squared gradients so far (Krause, Kahembwe, Murray
and Renals 2018, arXiv 1709.07432; they take that mean from the training text, which a model folder does not have):

    w <- w - learning_rate g / (sqrt(mean g^2) + EPSILON)

The network never knows a segment before it predicts it, so the figure is honest. But it is the figure of a network that
changes: report it next to the static one, never in its place.
"""

import copy
from dataclasses import replace

import torch

from charloom.models.dropout import Dropout
from charloom.models.network import CharRNN, State

SEGMENT = 64
"""Symbols read between two steps."""

LEARNING_RATE = 3e-4

EPSILON = 1e-4


class Learner:
    """A copy of a network that takes a step after each segment; the network itself does not change."""

    def __init__(self, network: CharRNN, learning_rate: float = LEARNING_RATE) -> None:
        self.network = copy.deepcopy(network)
        self.network.config = replace(network.config, dropout=0.0, weight_dropout=0.0)
        self.network.dropout = self.network.weight_dropout = Dropout(0.0)
        self.network.train()  # otherwise cuDNN keeps nothing for the gradient
        self._weights = list(self.network.parameters())
        self._squares = [torch.zeros_like(weight) for weight in self._weights]
        self._learning_rate, self._steps = learning_rate, 0

    def read(self, inputs: torch.Tensor, targets: torch.Tensor, state: State | None) -> tuple[torch.Tensor, State]:
        """Predict a segment (T, B), then learn from it: logits (T, B, V) from before the step, and the state after the
        segment.

        Targets below 0 are ignored.
        """
        with torch.enable_grad():
            logits, after = self.network(inputs, state)
            kept = targets >= 0
            if bool(kept.any()):
                loss = torch.nn.functional.cross_entropy(logits[kept], targets[kept])
                self._step(torch.autograd.grad(loss, self._weights))
        return logits.detach(), tuple(part.detach() for part in after)

    @torch.no_grad()
    def _step(self, gradients: tuple[torch.Tensor, ...]) -> None:
        self._steps += 1
        for weight, gradient, square in zip(self._weights, gradients, self._squares, strict=True):
            square.addcmul_(gradient, gradient)
            weight.addcdiv_(gradient, (square / self._steps).sqrt_().add_(EPSILON), value=-self._learning_rate)

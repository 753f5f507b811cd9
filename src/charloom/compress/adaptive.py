"""A reader whose network keeps learning from what it reads, as `evaluate --dynamic` measures it.

Reading the same symbols gives the same weights, so a text can be encoded and decoded with them.
"""

import torch

from charloom.compress.reader import Reader
from charloom.evaluation.dynamic_evaluation import SEGMENT, Learner
from charloom.generation.numpy_steps import Stepper
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelArrays
from charloom.models.network import State


class AdaptiveReader(Reader):
    """Like `Reader`, but the weights take a step after each segment and at each boundary."""

    def __init__(self, model: ModelArrays, stepper: Stepper) -> None:
        super().__init__(stepper, model.vocabulary.boundary)
        self._learner = Learner(LanguageModel.of(model).network)
        self._inputs, self._targets = [self._boundary], list[int]()
        self._began: State | None = None
        "The state before the first of the inputs."

    def advance(self, symbol: int) -> None:
        """Read a symbol, and learn from each full segment."""
        self._targets.append(symbol)
        if symbol == self._boundary or len(self._targets) == SEGMENT:
            self._learn()
        if symbol == self._boundary:
            self._began = None
        super().advance(symbol)
        self._inputs.append(symbol)

    def _learn(self) -> None:
        inputs, targets = (torch.tensor(symbols)[:, None] for symbols in (self._inputs, self._targets))
        _, self._began = self._learner.read(inputs, targets, self._began)
        weights = {name: tensor.numpy() for name, tensor in self._learner.network.state_dict().items()}
        self._stepper = Stepper(self._stepper.config, weights)
        self._rows = self._stepper.take_up(self._rows.state)
        self._inputs, self._targets = [], []

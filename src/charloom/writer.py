"""A model made ready to write: its weights as the one-step path likes them, and the way from a prompt to its logits."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from charloom.encoding import newline_id, remembered
from charloom.errors import MissingExtraError, SettingsError
from charloom.gates import Floats
from charloom.model_files import ModelArrays, model_folder, read_model
from charloom.sampling import REPETITION_WINDOW, distributions, draw
from charloom.settings import SamplingConfig, Weights
from charloom.stepping import Arrays, Rows, Stepper
from charloom.tensor_files import Array

NEVER = np.float32(-1e30)
"""A logit so low that its symbol has no probability at all."""


class Model(Protocol):
    """Whatever can give a model's arrays: a `LanguageModel`, a `Writer`, or the arrays themselves."""

    def arrays(self) -> ModelArrays:
        """The model as arrays."""


class Writer:
    """A model made ready to write, once for many texts: `charloom.generate` takes it in a model's place.

    It holds a copy of the weights as they are now. `Writer.load` needs no torch. `compiled` (needs the extra `fast`) has single
    texts written by a compiled loop, with weights in "float32" or rounded to "int8": for long texts, see the README.
    """

    def __init__(self, model: Model, *, compiled: Weights | None = None) -> None:
        self._arrays = model.arrays()
        self.config, self.vocabulary = self._arrays.config, self._arrays.vocabulary
        self.stepper = Stepper(self.config.network, self._arrays.weights)
        newline = newline_id(self.vocabulary)
        self._never = [] if self.config.documents == "none" or newline is None else [newline]
        "Symbols that stand in no text of this kind: in a model of lines the newline, for which the boundary stands."
        self._loop = _compiled_loop(self._arrays, compiled, self._never) if compiled else None

    @classmethod
    def of(cls, model: Model) -> "Writer":
        """The model itself if it is ready to write, else one that is."""
        return model if isinstance(model, cls) else cls(model)

    @classmethod
    def load(cls, path: str | Path, *, compiled: Weights | None = None) -> "Writer":
        """The model of a run directory or a model folder. Raises `FolderError`."""
        return cls(read_model(model_folder(path)), compiled=compiled)

    def arrays(self) -> ModelArrays:
        """The model as arrays."""
        return self._arrays

    def read(self, text: str, state: Sequence[Any] | None = None) -> Arrays:
        """What the model remembers after `text`, read from the boundary, or on from `state`; see `LanguageModel.read`."""
        return self.begin(self.prompts([text], state), state).state

    def prompts(self, prompts: Sequence[str], state: Sequence[Any] | None = None) -> list[Array]:
        """What is to be read for each prompt, the boundary first, or, after `state`, the prompt alone.

        With documents only the last line is the text that is being continued. Raises `TextError`, `SettingsError`.
        """
        if state is not None:
            self._state(state)
        boundary, begun = self.vocabulary.boundary, state is not None
        return [remembered(self._arrays.encode(prompt), boundary, begun=begun) for prompt in prompts]

    def begin(self, prompts: Sequence[Array], state: Sequence[Any] | None = None) -> Rows:
        """Rows that have read these prompts; those that do not begin with the boundary go on from `state`."""
        taken = self.stepper.begin(len(prompts)).state
        if state is not None:
            begun = [not len(ids) or ids[0] != self.vocabulary.boundary for ids in prompts]
            for part, given in zip(taken, self._state(state), strict=True):
                part[:, begun] = given
        if self._loop is not None and len(prompts) == 1:
            return self.stepper.take_up(self._loop.read(prompts[0], taken))
        return self.stepper.read(prompts, taken)

    def logits(self, rows: Rows) -> Floats:
        """Logits (B, V) of the next symbols; what never stands in a text is out of the question."""
        logits = rows.logits()
        if self._never:
            logits[:, self._never] = NEVER
        return logits

    def symbols(
        self, rows: Rows, recent: Sequence[int], config: SamplingConfig, uniform: np.random.Generator
    ) -> Iterator[int]:
        """Symbols without end that go on from a single row, drawn with a number each; after the boundary it begins anew."""
        if self._loop is not None:
            yield from self._loop.symbols(rows.state, list(recent), config, uniform)
        last, latest = deque(recent, maxlen=REPETITION_WINDOW), np.empty(1, np.int64)
        while True:
            probabilities = distributions(self.logits(rows), config, (last,))
            symbol = draw(probabilities[0], uniform.random())
            yield symbol
            if symbol == self.vocabulary.boundary:
                rows = self.stepper.begin()
            else:
                last.append(symbol)
            latest[0] = symbol
            rows.advance(latest)

    def _state(self, state: Sequence[Any]) -> Arrays:
        """A state as arrays, each (layers, 1, H). Raises `SettingsError` if it is no state of this model for one text."""
        network = self.config.network
        parts = tuple(np.asarray(part.cpu() if hasattr(part, "cpu") else part, np.float32) for part in state)
        wanted = [(network.layers, 1, network.hidden_size)] * (2 if network.cell == "lstm" else 1)
        if [part.shape for part in parts] != wanted:
            raise SettingsError(
                f"the state has parts of the shapes {[part.shape for part in parts]}, but this model remembers {wanted}; "
                "take one that read gave for this model"
            )
        return parts


def _compiled_loop(model: ModelArrays, kind: Weights, never: list[int]) -> Any:
    try:
        from charloom.compiled import Loop
    except ImportError:
        raise MissingExtraError("writing with a compiled loop", "fast") from None
    return Loop(model, kind, never)

"""A model prepared for generation: weights laid out for single steps, and the way from a prompt to the next symbol."""

import contextlib
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from charloom.data.text_ids import newline_id, remembered
from charloom.errors import MissingExtraError, SettingsError, arguments
from charloom.generation.numpy_steps import Stepper, StepRows
from charloom.generation.sampling import REPETITION_WINDOW, distributions, draw
from charloom.machine.threads import alone, shared, working
from charloom.models.model_folder import ModelPlace, encode_for, model_folder, read_model
from charloom.models.model_source import ModelSource, arrays_of
from charloom.models.state import Arrays, as_state
from charloom.models.step_weights import Floats
from charloom.settings import SamplingConfig, Weights
from charloom.storage.tensor_files import Array

if TYPE_CHECKING:
    from charloom.generation.numba_steps import Loop

NEVER = np.float32(-1e30)
"""A logit so low that its symbol has probability 0."""


LONG = 20_000
"""Characters from which the compiled loop pays for its preparation: half a second, once it has been compiled on this
machine."""

SOON = 4_000
"""Symbols of such a text that numpy writes first, so a text that ends sooner pays for nothing."""

_LOOK = 64
"""Symbols after which the guard of threads is told again that there is work."""


class Writer:
    """A model prepared once for generating many texts; `charloom.generate` accepts it in place of a model.

    `model` is a `LanguageModel`, a run, or a path; a path needs no torch. The writer holds a copy of the current
    weights. If the extra `fast` is installed, a compiled loop takes over in long texts; with `compiled` it writes every
    single text from the start, its weights in "float32" or rounded to "int8". Preparing the loop takes half a second,
    and several seconds the first time on a machine. `read` and several texts at once always use numpy.
    """

    def __init__(self, model: ModelSource, *, compiled: Weights | None = None) -> None:
        arrays = arrays_of(model)
        self.config, self.vocabulary = arrays.config, arrays.vocabulary
        self.stepper = Stepper(self.config.network, arrays.weights)
        self.parameters = sum(array.size for array in arrays.weights.values())
        newline = newline_id(self.vocabulary)
        self.never = [] if self.config.documents == "none" or newline is None else [newline]
        "Symbols that never occur: in a model of lines the newline, which the boundary replaces."
        self._loop = self._compiled_loop(compiled) if compiled else None
        self._chosen = self._tried = compiled is not None
        "Whether a compiled loop was requested: then it writes from the first symbol."

    @classmethod
    def of(cls, model: "Model") -> "Writer":
        """The model itself if it is a writer, otherwise a writer for it. Raises `CharloomError` for anything else."""
        return model if isinstance(model, Writer) else cls(model)

    @classmethod
    def load(cls, path: ModelPlace, *, compiled: Weights | None = None) -> "Writer":
        """A writer for the model of a run directory or a model folder. Raises `FolderError`."""
        return cls(read_model(model_folder(path)), compiled=compiled)

    def read(self, text: str, state: Sequence[Any] | None = None) -> Arrays:
        """The state after `text`, read from the boundary or from `state` on; see `LanguageModel.read`."""
        return self.begin(self.prompts([text], state), state).state

    def prompts(self, prompts: Sequence[str], state: Sequence[Any] | None = None) -> list[Array]:
        """The symbols (T,) to read for each prompt: the boundary and the prompt, or after `state` the prompt alone.

        In a model of lines only the last line counts. Raises `TextError`, `SettingsError`.
        """
        if state is not None:
            as_state(self.config.network, state)
        for prompt in prompts:
            arguments.text(prompt)
        encoded = {prompt: encode_for(self.config, self.vocabulary, prompt) for prompt in dict.fromkeys(prompts)}
        boundary, begun = self.vocabulary.boundary, state is not None
        read = {prompt: remembered(ids, boundary, begun=begun) for prompt, ids in encoded.items()}
        return [read[prompt] for prompt in prompts]

    def begin(self, prompts: Sequence[Array], state: Sequence[Any] | None = None) -> StepRows:
        """Rows that have read these prompts; prompts that do not begin with the boundary continue from `state`.

        Prompts that are equal are read once.
        """
        keys = [ids.tobytes() for ids in prompts]
        distinct = dict(zip(keys, prompts, strict=True))
        start = self.stepper.begin(len(distinct)).state
        if state is not None:
            goes_on = [not len(ids) or ids[0] != self.vocabulary.boundary for ids in distinct.values()]
            for part, before in zip(start, as_state(self.config.network, state), strict=True):
                part[:, goes_on] = before
        rows = self.stepper.read(list(distinct.values()), start)
        if len(distinct) == len(prompts):
            return rows
        places = {key: place for place, key in enumerate(distinct)}
        return rows.keep(np.array([places[key] for key in keys]))

    def logits(self, rows: StepRows) -> Floats:
        """Logits (B, V) of the next symbols; `NEVER` for symbols that cannot occur."""
        logits = rows.logits()
        if self.never:
            logits[:, self.never] = NEVER
        return logits

    def symbols(
        self,
        ids: Array,
        state: Sequence[Any] | None,
        config: SamplingConfig,
        uniform: np.random.Generator,
        *,
        length: int | None = 0,
    ) -> Iterator[int]:
        """Endless symbols that continue a prompt, one random number each; a new text begins after the boundary.

        The compiled loop takes over if it is installed and pays for a text of `length` symbols (None: endless).
        """
        boundary = self.vocabulary.boundary
        recent = ids[ids != boundary][-REPETITION_WINDOW:].tolist()
        if self._loop is not None and self._chosen:
            before = self.begin([ids[:0]], state if len(ids) == 0 or ids[0] != boundary else None).state
            yield from self._loop.symbols(self._loop.read(ids, before), recent, config, uniform)
        with working():
            rows = self.begin([ids], state)
        last, latest = deque(recent, maxlen=REPETITION_WINDOW), np.empty(1, np.int64)
        for written in itertools.count():
            if written % _LOOK == 0:
                with working():
                    pass
            if written == SOON and (length is None or length >= LONG):
                loop = self._fast()
                if loop is not None:
                    yield from loop.symbols(rows.state, last, config, uniform)
            logits = alone(self.logits, rows) if shared() else self.logits(rows)
            symbol = draw(distributions(logits, config, (last,))[0], uniform.random())
            yield symbol
            if symbol == boundary:
                rows = self.stepper.begin()
            else:
                last.append(symbol)
            latest[0] = symbol
            if shared():
                alone(rows.advance, latest)
            else:
                rows.advance(latest)

    def _fast(self) -> "Loop | None":
        """The compiled loop, prepared on first use; None if it is not available."""
        if not self._tried:
            self._tried = True
            with contextlib.suppress(MissingExtraError, SettingsError):
                self._loop = self._compiled_loop("float32")
        return self._loop

    def _compiled_loop(self, kind: Weights) -> "Loop":
        try:
            from charloom.generation.numba_steps import Loop
        except ImportError as error:
            if error.name == "numba":
                raise MissingExtraError("writing with a compiled loop", "fast") from None
            raise SettingsError(f"numba cannot be used here ({error}); leave out compiled") from None
        except RuntimeError as error:  # numba finds no folder for its cache
            raise SettingsError(f"{error}; set NUMBA_CACHE_DIR to a folder that can be written") from None
        return Loop(self.stepper, self.vocabulary.boundary, kind, self.never)


Model = Union[ModelSource, Writer]  # noqa: UP007
"""What can generate text: a model, where it lies, or a `Writer`."""

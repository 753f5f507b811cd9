"""A model made ready to write: its weights as the one-step path likes them, and the way from a prompt to the next symbol."""

import contextlib
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union

import numpy as np

from charloom.data.text_ids import newline_id, remembered
from charloom.errors import MissingExtraError, SettingsError, arguments
from charloom.generation.numpy_steps import Stepper, StepRows
from charloom.generation.sampling import REPETITION_WINDOW, distributions, draw
from charloom.machine.threads import alone, shared, working
from charloom.models.model_folder import ModelArrays, encode_for, model_folder, read_model
from charloom.models.state import Arrays, as_state
from charloom.models.step_weights import Floats
from charloom.settings import SamplingConfig, Weights
from charloom.storage.tensor_files import Array

if TYPE_CHECKING:
    from charloom.generation.numba_steps import Loop

NEVER = np.float32(-1e30)
"""A logit so low that its symbol has no probability at all."""


LONG = 20_000
"""Characters of a text from which on the compiled loop pays for its preparation, of half a second once it was compiled here."""

SOON = 4_000
"""Symbols that numpy writes of such a text first: a text that is given up sooner, or is stopped, pays for nothing."""

_LOOK = 64
"""Symbols after which it is said that there still is work."""


class HasArrays(Protocol):
    """A `LanguageModel`, or the arrays of its files."""

    def arrays(self) -> ModelArrays:
        """The model as arrays."""


class Writer:
    """A model made ready to write, once for many texts: `charloom.generate` takes it in a model's place.

    It holds a copy of the weights as they are now. `Writer.load` needs no torch. Where the extra `fast` is installed, a long
    text is written on by a compiled loop; with `compiled`, any single text from its beginning, its weights in "float32" or
    rounded to "int8". Preparing the loop takes half a second, and some seconds when it is first used on a machine. Several
    texts at once, and what `read` gives, are numpy's in any case.
    """

    def __init__(self, model: HasArrays, *, compiled: Weights | None = None) -> None:
        arrays = model.arrays()
        self.config, self.vocabulary = arrays.config, arrays.vocabulary
        self.stepper = Stepper(self.config.network, arrays.weights)
        self.parameters = sum(array.size for array in arrays.weights.values())
        newline = newline_id(self.vocabulary)
        self._never = [] if self.config.documents == "none" or newline is None else [newline]
        "Symbols that never occur in such a text: in a model of lines the newline, which the boundary replaces."
        self._loop = self._compiled_loop(compiled) if compiled else None
        self._chosen = self._tried = compiled is not None
        "Whether a compiled loop was asked for: then it writes from the first symbol on."

    @classmethod
    def of(cls, model: "Model") -> "Writer":
        """The model itself if it is ready to write, else one that is."""
        if not hasattr(model, "arrays"):
            arguments.kind(model, cls, "the model", "give a model, as charloom.load(RUN) does")
        return model if isinstance(model, cls) else cls(model)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path, *, compiled: Weights | None = None) -> "Writer":
        """The model of a run directory or a model folder. Raises `FolderError`."""
        return cls(read_model(model_folder(path)), compiled=compiled)

    def read(self, text: str, state: Sequence[Any] | None = None) -> Arrays:
        """What the model remembers after `text`, read from the boundary, or on from `state`; see `LanguageModel.read`."""
        return self.begin(self.prompts([text], state), state).state

    def prompts(self, prompts: Sequence[str], state: Sequence[Any] | None = None) -> list[Array]:
        """What is to be read for each prompt, the boundary first, or, after `state`, the prompt alone.

        With documents only the last line is the text that is being continued. Raises `TextError`, `SettingsError`.
        """
        if state is not None:
            as_state(self.config.network, state)
        boundary, begun, found = self.vocabulary.boundary, state is not None, {}
        for prompt in prompts:
            arguments.text(prompt)
            if prompt not in found:
                ids = encode_for(self.config, self.vocabulary, prompt)
                found[prompt] = remembered(ids, boundary, begun=begun)
        return [found[prompt] for prompt in prompts]

    def begin(self, prompts: Sequence[Array], state: Sequence[Any] | None = None) -> StepRows:
        """Rows that have read these prompts; those that do not begin with the boundary continue from `state`.

        A prompt that stands there several times, as the same array, is read once.
        """
        distinct = list({id(ids): ids for ids in prompts}.values())
        taken = self.stepper.begin(len(distinct)).state
        if state is not None:
            begun = [not len(ids) or ids[0] != self.vocabulary.boundary for ids in distinct]
            for part, given in zip(taken, as_state(self.config.network, state), strict=True):
                part[:, begun] = given
        rows = self.stepper.read(distinct, taken)
        places = {id(ids): place for place, ids in enumerate(distinct)}
        return rows if len(distinct) == len(prompts) else rows.keep(np.array([places[id(ids)] for ids in prompts]))

    def logits(self, rows: StepRows) -> Floats:
        """Logits (B, V) of the next symbols; symbols that never occur in a text get `NEVER`."""
        logits = rows.logits()
        if self._never:
            logits[:, self._never] = NEVER
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
        """Endless symbols that continue a prompt, one random number each; after the boundary a new text begins.

        A text of `length` symbols, None for no end, is written on by the compiled loop where it is installed and pays.
        """
        boundary = self.vocabulary.boundary
        recent = ids[ids != boundary][-REPETITION_WINDOW:].tolist()
        if self._loop is not None and self._chosen:
            before = self.begin([ids[:0]], state if len(ids) == 0 or ids[0] != boundary else None).state
            yield from self._loop.symbols(self._loop.read(ids, before), recent, config, uniform)
        with working():
            rows, last, latest = (
                self.begin([ids], state),
                deque(recent, maxlen=REPETITION_WINDOW),
                np.empty(1, np.int64),
            )
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
        """The compiled loop, prepared when it is first asked for; None where it cannot be had."""
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
        except RuntimeError as error:  # it finds no folder for what it compiles
            raise SettingsError(f"{error}; set NUMBA_CACHE_DIR to a folder that can be written") from None
        return Loop(self.stepper, self.vocabulary.boundary, kind, self._never)


Model = Union[HasArrays, Writer]  # noqa: UP007
"""What can write: a `LanguageModel`, the arrays of its files, or a `Writer`."""

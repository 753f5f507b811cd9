"""What stands for a model: the model itself, a run, or the path of a run directory or model folder. No torch."""

from os import PathLike
from pathlib import Path
from typing import Protocol, Union

from charloom.errors import arguments
from charloom.models.model_folder import ModelArrays, model_folder, read_model


class HasArrays(Protocol):
    """A `LanguageModel`, or the arrays of its files."""

    def arrays(self) -> ModelArrays:
        """The model as arrays."""


class HasPath(Protocol):
    """A `Run`."""

    @property
    def path(self) -> Path:
        """Its directory."""


ModelPlace = Union[HasPath, str, PathLike[str]]  # noqa: UP007
"""Where a model lies."""

ModelSource = Union[HasArrays, ModelPlace]  # noqa: UP007
"""A model, or where it lies."""

REMEDY = "give a model, as charloom.load(RUN) does, or the path of a run"


def arrays_of(source: ModelSource) -> ModelArrays:
    """The model as arrays. Raises `CharloomError` for anything else."""
    place = place_of(source)
    if place is not None:
        return read_model(model_folder(place))
    if not hasattr(source, "arrays"):
        arguments.kind(source, ModelArrays, "the model", REMEDY)
    return source.arrays()  # type: ignore[union-attr]


def place_of(source: object) -> str | Path | None:
    """The path that a path, a string or a run stands for; None for anything else."""
    place = source if isinstance(source, (str, PathLike)) else getattr(source, "path", None)
    return place if isinstance(place, str) else Path(place) if isinstance(place, PathLike) else None

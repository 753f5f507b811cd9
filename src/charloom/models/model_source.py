"""What stands for a model: the model itself, a run, or the path of a run directory or model folder. No torch."""

from typing import Protocol, Union

from charloom.errors import arguments
from charloom.models.model_folder import ModelArrays, ModelPlace, model_folder, place_of, read_model


class HasArrays(Protocol):
    """A `LanguageModel`, or the arrays of its files."""

    def arrays(self) -> ModelArrays:
        """The model as arrays."""


ModelSource = Union[HasArrays, ModelPlace]  # noqa: UP007
"""A model, or where it lies."""

REMEDY = "give a model, as charloom.load(RUN) does, or the path of a run"


def arrays_of(source: ModelSource) -> ModelArrays:
    """The model as arrays. Raises `CharloomError` for anything else."""
    if place_of(source) is not None:
        return read_model(model_folder(source))  # type: ignore[arg-type]
    if not hasattr(source, "arrays"):
        arguments.kind(source, ModelArrays, "the model", REMEDY)
    return source.arrays()  # type: ignore[union-attr]

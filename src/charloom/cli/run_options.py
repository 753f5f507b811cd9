"""The options of every training."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from charloom.durations import seconds
from charloom.errors import SettingsError
from charloom.settings import Device, Precision
from charloom.training.request import AUTO

if TYPE_CHECKING:
    from charloom.training.loop import SaveEvery


NONE = "none"
"""The origin of a run that starts from nothing."""


@dataclass(frozen=True)
class RunOptions:
    """Where the run is, how often it is saved, and what it is computed with."""

    run: Path | None = None
    "Directory of the run; by default runs/NAME after the data, then -2, -3. An existing run is never overwritten."
    resume: bool = False
    "Continue --run from its last checkpoint."
    from_: Annotated[str, Parameter(name="--from")] = AUTO
    """A run, model folder or ready-made model of a language model to start from, which also sets the cell and sizes;
    none starts from nothing. By default a language model of a small English text starts from english."""
    save_every: str = "30s"
    "How often to save a checkpoint: 30s, or a number of steps."
    device: Device = "auto"
    "Where to train; auto takes the first available of CUDA, MPS and the CPU."
    precision: Precision = "auto"
    "Number format of products in training; auto takes bfloat16 if the processor supports it."
    json: bool = False
    "Print one JSON value at the end."

    @property
    def origin(self) -> str | None:
        """The model to start from, if the user named one."""
        return None if self.from_ in (AUTO, NONE) else self.from_

    @property
    def automatic(self) -> bool:
        """Whether the text may decide where training starts."""
        return self.from_ == AUTO

    @property
    def resumed(self) -> Path:
        """The run to resume. Raises `SettingsError`."""
        if self.run is None:
            raise SettingsError("--resume needs a run; name it with --run")
        return self.run

    @property
    def saving(self) -> "SaveEvery":
        """How often to save: a duration, or a number of steps. Raises `SettingsError`."""
        from charloom.training.loop import SaveEvery

        text = self.save_every
        if text.isdecimal() and len(text) < 16:
            if int(text) == 0:
                raise SettingsError("save-every is 0; give a duration such as 30s, or a number of steps from 1")
            return SaveEvery(None, int(text))
        return SaveEvery(seconds(text))

"""The options that every training has, whatever it trains."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from charloom.durations import seconds
from charloom.errors import SettingsError
from charloom.settings import Device, Precision

if TYPE_CHECKING:
    from charloom.training.loop import SaveEvery


@dataclass(frozen=True)
class RunOptions:
    """Where a run lies, how it is saved, and what computes it."""

    run: Path | None = None
    "Directory of the run; without it runs/NAME, from the name of the data, then -2, -3. An existing run is never overwritten."
    resume: bool = False
    "Go on with --run from its last checkpoint."
    from_: Annotated[Path | None, Parameter(name="--from")] = None
    "A run or model folder of a language model whose weights to start from; cell and sizes are that model's."
    save_every: str = "30s"
    "How often a checkpoint is saved: 30s, or a number of steps."
    device: Device = "auto"
    "Where to train; auto takes CUDA, MPS or the CPU, the first that is there."
    precision: Precision = "auto"
    "Numbers in which products are computed while training; auto takes bfloat16 where the processor supports it."
    json: bool = False
    "Print one JSON value at the end."

    @property
    def resumed(self) -> Path:
        """The run that --resume goes on with. Raises `SettingsError`."""
        if self.run is None:
            raise SettingsError("--resume needs the run to go on with; name it with --run")
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

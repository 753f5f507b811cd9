"""From a text to a run: trainer, schedules, checkpoints, run directories."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.training.runs import Run, load
    from charloom.training.schedules import learning_rate
    from charloom.training.trainer import Progress, Trainer

__all__ = ["Progress", "Run", "Trainer", "learning_rate", "load"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "runs": ("Run", "load"),
        "schedules": ("learning_rate",),
        "trainer": ("Progress", "Trainer"),
    },
)

"""From a text to a run: trainer, schedules, checkpoints, run directories."""

from charloom import _public

TYPE_CHECKING = False
if TYPE_CHECKING:
    from charloom.training.optimizers import make_optimizer
    from charloom.training.runs import Run, load
    from charloom.training.schedules import learning_rate
    from charloom.training.trainer import Progress, Trainer

__all__ = ["Progress", "Run", "Trainer", "learning_rate", "load", "make_optimizer"]

__getattr__, __dir__ = _public(
    __name__,
    {
        "optimizers": ("make_optimizer",),
        "runs": ("Run", "load"),
        "schedules": ("learning_rate",),
        "trainer": ("Progress", "Trainer"),
    },
)

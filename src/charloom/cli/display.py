"""Training on the command line, shown while it goes on."""

from collections.abc import Callable
from typing import Any

from charloom.cli.output import say, stopped
from charloom.interruption import Interrupted, Interruption
from charloom.training.display import display
from charloom.training.loop import TrainingLoop


def show_training(
    session: TrainingLoop[Any], interruption: Interruption, again: str, between: Callable[[], str] = lambda: ""
) -> None:
    """Train to the end and show it, with what `between()` says after a step, unless that is nothing.

    Where it is interrupted, say how far the run is saved and that `again` is the command that goes on with it.
    """
    try:
        with display(session.trainer.total, session.trainer.step) as shown:
            for event in session.events(interruption):
                shown.show(event)
                text = between()
                if text:
                    shown.say(text)
    except Interrupted:
        say(stopped(session, again))
        raise

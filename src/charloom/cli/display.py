"""Shows the progress of training on the command line."""

from collections.abc import Callable
from typing import Any

from charloom.cli.output import say, stopped
from charloom.interruption import Interrupted, Interruption
from charloom.training.display import display
from charloom.training.loop import TrainingLoop


def show_training(
    session: TrainingLoop[Any], interruption: Interruption, again: str, between: Callable[[], str] = lambda: ""
) -> None:
    """Train to the end and show the progress, and after each step the text of `between()` unless it is empty.

    If interrupted, say how far the run is saved, and that the command `again` resumes it.
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

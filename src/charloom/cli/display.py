"""Shows the progress of training on the command line."""

from typing import Any

from charloom.cli.output import say, stopped
from charloom.interruption import Interrupted, Interruption
from charloom.training.display import display
from charloom.training.loop import TrainingLoop


def show_training(session: TrainingLoop[Any], interruption: Interruption, again: str) -> None:
    """Train to the end and show the progress.

    If interrupted, say how far the run is saved, and that the command `again` resumes it.
    """
    try:
        with display(session.trainer.total, session.trainer.step) as shown:
            for event in session.events(interruption):
                shown.show(event)
    except Interrupted:
        say_stopped(session, again)
        raise


def say_stopped(session: TrainingLoop[Any], again: str) -> None:
    """Say how far an interrupted run is saved, and that the command `again` resumes it."""
    say(stopped(session, again))

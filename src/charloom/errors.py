"""What can go wrong in the user's hands, each with one sentence that says what, where and what to do.

    CharloomError           a ValueError: the user can mend it (exit code 2 on the command line)
    |-- SettingsError       a setting that does not exist, has the wrong type, or lies outside its range
    |-- TextError           a text that cannot be read, split or encoded
    |-- FolderError         a run directory or a model folder that cannot be used
    |-- StorageError        the disk refused an operation
    |-- DivergedError       the loss stopped being a finite number
    |-- UnfinishedStepError a step of training was broken off halfway
    |-- NotFiniteError      a model's output is not a finite number
    `-- MissingExtraError   an optional package is not installed

A mistake of ours is an `assert` or any other exception: those show a traceback.
"""

import difflib
from collections.abc import Iterable


class CharloomError(ValueError):
    """Something that the user can mend; its text is one sentence: what, where, what to do."""


class SettingsError(CharloomError):
    """A setting that does not exist, has the wrong type, or lies outside its range."""


class TextError(CharloomError):
    """A text that cannot be read, split or encoded."""


class FolderError(CharloomError):
    """A run directory or a model folder that cannot be used."""


class StorageError(CharloomError):
    """The disk refused an operation; what was committed before is intact."""


class DivergedError(CharloomError):
    """The loss stopped being a finite number; the last good model is kept."""

    SIGN = "stopped being finite"
    "What its sentence says in any case: whoever watched a training from another process knows it by these words."


class UnfinishedStepError(CharloomError):
    """A step of training was broken off halfway; the last checkpoint is what there is."""


class NotFiniteError(CharloomError):
    """A model's output is not a finite number, so its weights are of no use."""

    def __init__(self) -> None:
        super().__init__("the model's output is not a finite number, so its weights are damaged; train it again")


class MissingExtraError(CharloomError):
    """An optional package is not installed."""

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(f"{need} needs an optional package; install it with: pip install 'charloom[{extra}]'")


def shown(name: object) -> str:
    """A name as it may be shown: what would command the terminal, or break the line, is escaped."""
    text = str(name)
    return text if text.isprintable() else repr(text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The clause "; did you mean 'x'?" where a known name is close to `name`, else the list of what is known."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; it is one of {', '.join(names)}"

"""Errors that a user may meet, each with one sentence: what, where and what to do.

    CharloomError           a ValueError that the user can fix (exit code 2 on the command line)
    |-- SettingsError       a setting that does not exist, has the wrong type, or lies outside its range
    |-- TextError           a text that cannot be read, split or encoded
    |-- FolderError         a run directory or a model folder that cannot be used
    |-- StorageError        the disk refused an operation
    |-- DivergedError       the loss stopped being a finite number
    |-- NotFiniteError      a model's output is not a finite number
    |-- ProcessesError      another process of the same training ended, or cannot be reached
    `-- MissingExtraError   an optional package is not installed

A bug in charloom is an `assert` or any other exception: those show a traceback.
"""

import difflib
from collections.abc import Iterable

_CALLED: dict[str, str] = {}


def call(folder: object, name: object) -> None:
    """From now on, messages call a folder what the user called it: the packed file or the address that it is from."""
    _CALLED[str(folder)] = shown(name)


class CharloomError(ValueError):
    """An error that the user can fix; its text is one sentence: what, where, what to do."""

    def __str__(self) -> str:
        text = super().__str__()
        for folder, name in _CALLED.items():
            text = text.replace(folder, name)
        return text


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
    "Every such message contains these words, so that a process that watches a training can recognise a divergence."


class NotFiniteError(CharloomError):
    """A model's output is not finite, so its weights are useless."""

    def __str__(self) -> str:
        return "the model's output is not a finite number, so its weights are damaged; train it again"


class ProcessesError(CharloomError):
    """Another process of the same training ended, or cannot be reached."""


class MissingExtraError(CharloomError):
    """An optional package is not installed."""

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(need, extra)  # so that it can be pickled

    def __str__(self) -> str:
        need, extra = self.args
        return f"{need} needs an optional package; install it with: pip install 'charloom[{extra}]'"


def shown(name: object) -> str:
    """`name`, safe to print: control characters and line breaks are escaped."""
    text = str(name)
    return text if text.isprintable() else repr(text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The clause "; did you mean 'x'?" if a known name is close to `name`, otherwise the list of known names."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; it is one of {', '.join(names)}"

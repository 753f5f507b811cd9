"""Checks of arguments from Python: a wrong type gets one sentence, before anything is done with the value."""

import os
from numbers import Integral, Real

from charloom.errors import CharloomError, FolderError, SettingsError, TextError


def whole(name: str, value: object) -> None:
    """Raise `SettingsError` unless `value` is a whole number."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise SettingsError(f"{name} is {_told(value)}; it takes a whole number")


def number(name: str, value: object) -> None:
    """Raise `SettingsError` unless `value` is a number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise SettingsError(f"{name} is {_told(value)}; it takes a number")


def text(value: object) -> None:
    """Raise `TextError` unless `value` is a string."""
    if isinstance(value, os.PathLike):
        raise TextError(f"expected a text, but {str(value)!r} is a path; pass its content, with .read_text()")
    if not isinstance(value, str):
        raise TextError(f"expected a text, not {_told(value)}; give a string")


def texts(values: object, name: str) -> None:
    """Raise `TextError` unless `values` is a sequence of strings, and not a string itself."""
    if (
        isinstance(values, (str, bytes, os.PathLike))
        or not hasattr(values, "__len__")
        or not hasattr(values, "__iter__")
    ):
        raise TextError(f"{name} takes a list of strings, not {_told(values)}; put it in a list")
    for value in values:
        text(value)


def path(value: object) -> None:
    """Raise `FolderError` unless `value` is a path, or a string that can be one."""
    if not isinstance(value, (str, os.PathLike)) or isinstance(os.fspath(value), bytes):
        raise FolderError(f"expected a path, not {_told(value)}; give a string or a pathlib.Path")


def kind(value: object, wanted: type, name: str, remedy: str) -> None:
    """Raise `CharloomError` unless `value` is of the type `wanted`."""
    if not isinstance(value, wanted):
        raise CharloomError(f"{name} is {_told(value)}; {remedy}")


def _told(value: object) -> str:
    if value is None:
        return "None"
    shown, kind = repr(value), type(value).__name__
    return f"{shown} ({kind})" if len(shown) <= 40 else f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"

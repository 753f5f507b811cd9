"""Cheap functions in place of a model, for workers that import them."""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

from charloom.errors import TextError


def doubling() -> Callable[[int], int]:
    """Prepares a function that doubles a number; odd ones take a little longer."""

    def double(row: int) -> int:
        time.sleep(0.002 * (row % 2))
        print("printed while a row is answered")
        return 2 * row

    return double


def lengths() -> Callable[[Any], list[int]]:
    """Prepares a function that gives the length of each row of a group."""
    return lambda group: [len(row) for row in group.rows]


def process() -> Callable[[int], int]:
    """Prepares a function that gives the id of its process."""
    return lambda row: os.getpid()


def sleeping() -> Callable[[float], int]:
    """Prepares a function that sleeps for the seconds that a row says, and gives the id of its process."""

    def sleep(row: float) -> int:
        time.sleep(row)
        return os.getpid()

    return sleep


def failing(at: int, how: str) -> Callable[[int], int]:
    """A function that fails at one row: with a sentence, a bug, or a signal that ends its process."""

    def fail(row: int) -> int:
        if row == at and how == "sentence":
            raise TextError("this row is bad; leave it out")
        if row == at and how == "bug":
            raise KeyError("a bug")
        if row == at:
            os.kill(os.getpid(), getattr(signal, how))
        return row

    return fail


def unprepared() -> Callable[[int], int]:
    """Cannot be prepared."""
    raise TextError("there is no such model; check the path")

"""Lists of values as people write them: 3e-4,1e-3,3e-3."""

from collections.abc import Callable
from typing import TypeVar, get_args

from charloom.errors import SettingsError, did_you_mean
from charloom.settings import Cell

Item = TypeVar("Item", int, float)


def numbers(name: str, text: str | None, kind: Callable[[str], Item], example: str) -> tuple[Item, ...]:
    """The distinct numbers of a list, sorted; none without a list. Raises `SettingsError`."""
    if text is None:
        return ()
    try:
        values = {kind(part) for part in text.split(",")}
    except ValueError:
        what = "is empty" if not text.strip() else f"is {text[:60]!r}"
        raise SettingsError(f"{name} {what}; give numbers with commas between them, as in {example}") from None
    for value in values:
        if not 0 < value < float("inf"):
            raise SettingsError(f"{name} has {value:g}; each value must be above 0, as in {example}")
    return tuple(sorted(values))


def cells(text: str | None) -> tuple[Cell, ...]:
    """The distinct cells of a list, in their order. Raises `SettingsError`."""
    if text is None:
        return ()
    named = dict.fromkeys(part.strip() for part in text.split(","))
    for name in named:
        if name not in get_args(Cell):
            raise SettingsError(f"cells has {name!r}{did_you_mean(name, get_args(Cell))}")
    return tuple(named)  # type: ignore[arg-type]

"""Durations as people write them: 90s, 4m, 1h30m."""

import re

from charloom.errors import SettingsError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_FORM = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def seconds(text: str) -> float:
    """Seconds of a duration such as 90s, 4m or 1h30m. Raises `SettingsError`.

    >>> seconds("1h30m")
    5400.0
    """
    match = _FORM.fullmatch(text.strip().lower())
    if not match or not match.group(0):
        raise SettingsError(f"{text!r} is not a duration; write it like 90s, 4m or 1h30m")
    total = sum(float(number) * unit for number, unit in zip(match.groups(), _UNITS.values(), strict=True) if number)
    if not 0 < total < 1e12:
        raise SettingsError(f"the duration {text[:40]!r} must be above 0 and below 1e12 seconds")
    return total


def duration(value: float) -> str:
    """A duration for people, to the second: 1:05, 2:03:09."""
    whole = max(0, round(value))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

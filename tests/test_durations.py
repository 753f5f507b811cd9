"""Durations as people write and read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.durations import duration, seconds
from charloom.errors import SettingsError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90),
        ("4m", 240),
        ("1h30m", 5400),
        ("2h", 7200),
        ("1h5s", 3605),
        ("1.5m", 90),
        ("0.25h0.5s", 900.5),
        (" 3M ", 180),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text: str, expected: float) -> None:
    assert seconds(text) == expected


@given(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999))
def test_hours_minutes_and_seconds_may_be_of_any_size(hours: int, minutes: int, rest: int) -> None:
    if hours or minutes or rest:
        assert seconds(f"{hours}h{minutes}m{rest}s") == 3600 * hours + 60 * minutes + rest


@pytest.mark.parametrize(
    "text",
    ["", " ", "90", "s", "4 m", "m4", "30m1h", "1m1m", "-4m", "1e3s", "4min", "1:30", "infs", "1.s", ".5s", "4m\n5s"],
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a duration; write it like 90s, 4m or 1h30m"):
        seconds(text)


@pytest.mark.parametrize("text", ["0s", "0h0m0s", "0.0m", f"1{'0' * 400}h"])
def test_a_duration_of_nothing_or_without_end_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="must be above 0"):
        seconds(text)


@given(st.floats(0, 1e7))
def test_a_duration_is_shown_to_the_second(value: float) -> None:
    parts = [int(part) for part in duration(value).split(":")]
    shown = sum(part * unit for part, unit in zip(reversed(parts), (1, 60, 3600), strict=False))
    assert abs(shown - value) <= 0.5
    assert all(part < 60 for part in parts[1:])


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0:00"), (65, "1:05"), (59.6, "1:00"), (7389, "2:03:09"), (-3, "0:00")]
)
def test_a_duration_looks_like_a_clock(value: float, shown: str) -> None:
    assert duration(value) == shown

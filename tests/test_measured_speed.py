"""How long measuring takes, by a clock that only work moves."""

from types import SimpleNamespace
from typing import Any

import pytest

from charloom.training import speed
from charloom.training.distributed import ALONE


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(speed, "time", SimpleNamespace(monotonic=made))
    return made


@pytest.mark.parametrize(
    ("step", "seconds", "measured"),
    [
        (0.01, 60, 90),  # 1.5 % of the budget
        (0.01, 10, 50),  # at least half a second
        (0.01, 4000, 500),  # at most five
        (0.9, 60, 3),  # a slow machine: three steps, which take less than a twentieth of the budget
        (0.9, 20, 2),
        (9.0, 20, 1),
    ],
)
def test_measuring_takes_a_small_part_of_the_budget(clock: Clock, step: float, seconds: float, measured: int) -> None:
    taken = 0

    def advance() -> None:
        nonlocal taken
        clock.now += step
        taken += 1

    trainer: Any = SimpleNamespace(advance=advance, ranks=ALONE)
    model: Any = SimpleNamespace(network=SimpleNamespace(parameter_count=lambda: 0))
    validation: Any = SimpleNamespace(characters=0)
    found = speed.measure(trainer, model, validation, seconds)
    assert found.step == pytest.approx(step)
    assert taken - 1 == pytest.approx(measured, abs=measured // 10)  # the first one warms up


@pytest.mark.parametrize(("step", "calls"), [(0.01, 5), (0.3, 3), (2.0, 2)])
def test_what_takes_long_is_not_repeated(clock: Clock, step: float, calls: int) -> None:
    done = 0

    def work() -> None:
        nonlocal done
        done += 1
        clock.now += step

    assert speed._seconds(work, 4) == pytest.approx(step)
    assert done == calls

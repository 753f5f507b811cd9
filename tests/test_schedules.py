"""The learning rate: a pure function of the step."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.settings import Schedule, TrainingConfig
from charloom.training.schedules import learning_rate

STEPS = st.integers(2, 500)
CONFIGS = st.builds(
    TrainingConfig,
    learning_rate=st.floats(1e-6, 10),
    schedule=st.sampled_from(["cosine", "linear", "constant"]),
    warmup=st.floats(0, 1),
    final_learning_rate=st.floats(0, 1),
)


def rates(steps: int, config: TrainingConfig) -> list[float]:
    return [learning_rate(step, steps, config) for step in range(steps)]


@given(STEPS, CONFIGS)
def test_over_the_warm_up_the_learning_rate_rises_by_equal_steps_to_its_peak(
    steps: int, config: TrainingConfig
) -> None:
    warmup = round(config.warmup * steps)
    rise = [0.0, *rates(steps, config)[:warmup]]
    assert [after - before for before, after in itertools.pairwise(rise)] == pytest.approx(
        [config.learning_rate / max(1, warmup)] * warmup, rel=1e-6
    )


@given(STEPS, CONFIGS)
def test_the_peak_is_the_learning_rate_that_was_set(steps: int, config: TrainingConfig) -> None:
    assert max(rates(steps, config)) == pytest.approx(config.learning_rate, rel=1e-12)


@given(STEPS, CONFIGS)
def test_after_the_warm_up_the_learning_rate_never_rises(steps: int, config: TrainingConfig) -> None:
    fall = rates(steps, config)[round(config.warmup * steps) :]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(fall))


@given(STEPS, CONFIGS)
def test_the_last_step_has_the_final_share_of_the_peak(steps: int, config: TrainingConfig) -> None:
    final = 1.0 if config.schedule == "constant" else config.final_learning_rate
    if steps - round(config.warmup * steps) >= 2:
        last = learning_rate(steps - 1, steps, config)
        assert last == pytest.approx(final * config.learning_rate, rel=1e-9, abs=1e-12 * config.learning_rate)


@given(STEPS, CONFIGS)
def test_no_step_has_a_learning_rate_below_zero(steps: int, config: TrainingConfig) -> None:
    assert min(rates(steps, config)) >= 0


@given(STEPS, CONFIGS, st.integers())
def test_the_learning_rate_of_a_step_does_not_depend_on_the_steps_asked_for_before(
    steps: int, config: TrainingConfig, seed: int
) -> None:
    order = list(range(steps))
    random.Random(seed).shuffle(order)
    assert {step: learning_rate(step, steps, config) for step in order} == dict(enumerate(rates(steps, config)))


@pytest.mark.parametrize(
    ("schedule", "quarter"), [("linear", 3 / 4), ("cosine", (1 + math.sqrt(1 / 2)) / 2), ("constant", 1)]
)
def test_a_schedule_has_its_shape(schedule: Schedule, quarter: float) -> None:
    config = TrainingConfig(learning_rate=1.0, schedule=schedule, warmup=0, final_learning_rate=0)
    assert learning_rate(25, 101, config) == pytest.approx(quarter)


@pytest.mark.parametrize("warmup", [0.0, 0.05, 1.0])
def test_a_run_of_one_step_has_the_whole_learning_rate(warmup: float) -> None:
    assert learning_rate(0, 1, TrainingConfig(learning_rate=0.5, warmup=warmup)) == pytest.approx(0.5)

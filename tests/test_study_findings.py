"""A study's findings follow from its figures, whatever they are."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charloom.study.answer import answer, trouble
from charloom.study.curves import curves, noise, settings_of
from charloom.study.findings import context_finding, cost_finding, finding, gradient_finding
from charloom.study.trials import planned
from studies import outcome, outcomes, study

NARROW = 0.002
"""How far apart the seeds of a setting are."""


def said(losses: dict[str, float | None], **changes: Any) -> str:
    """The finding of a study whose values had these losses, each with two seeds that are `NARROW` apart."""
    made = study(**changes)
    pairs = {
        value: (None, None) if loss is None else (loss - NARROW / 2, loss + NARROW / 2)
        for value, loss in losses.items()
    }
    ended = outcomes(made, pairs)
    (curve,) = curves(made, ended)
    return finding(curve, noise(ended), "20 s")


SIZES = {"hidden_sizes": (64, 256, 512)}


@pytest.mark.parametrize(
    ("losses", "sentence"),
    [
        ({"64": 2.0, "centre": 1.9, "256": 1.8, "512": 1.7},
         "A larger hidden size helps up to 512 in 20 s, the most that was tried: 0.300 nats less than 64"),
        ({"64": 2.0, "centre": 1.9, "256": 1.8, "512": 1.95},
         "A larger hidden size helps up to 256 in 20 s, and 512 costs 0.150 nats"),
        ({"64": 1.7, "centre": 1.8, "256": 1.9, "512": 2.0},
         "A larger hidden size does not help in 20 s: 64 is enough, 512 costs 0.300 nats"),
        ({"64": 1.7, "centre": 1.7, "256": 1.9, "512": 2.0},
         "A larger hidden size does not help in 20 s: 64 to 128 cannot be told apart, 512 costs 0.300 nats"),
        ({"64": 1.7, "centre": 1.7005, "256": 1.7003, "512": 1.7001},
         "The hidden size makes no difference beyond the seeds' spread from 64 to 512 in 20 s"),
        ({"64": 2.0, "centre": 1.8, "256": 1.7002, "512": 1.7},
         "A larger hidden size helps up to 256 in 20 s; "
         "from there to 512 it makes no difference beyond the seeds' spread"),
        ({"64": 2.0, "centre": 1.7, "256": 1.7002, "512": 1.9},
         "A larger hidden size helps up to 128 in 20 s, 128 to 256 cannot be told apart, 512 costs 0.200 nats"),
        ({"64": 1.8, "centre": 2.0, "256": 1.7, "512": 1.9},
         "256 is the best hidden size in 20 s, but the loss follows no order; "
         "the others cost 0.100 (64) to 0.300 nats (128)"),
        ({"64": 1.9, "centre": 1.8, "256": None, "512": None},
         "A larger hidden size helps up to 128 in 20 s, the most that was tried: 0.100 nats less than 64; "
         "256 and 512 diverge"),
        ({"64": None, "centre": None, "256": None, "512": None}, "Every hidden size diverges"),
        ({"64": 1.9, "centre": None, "256": None, "512": None},
         "Only one hidden size, 64, has a result; 128, 256 and 512 diverge"),
    ],
)  # fmt: skip
def test_the_sentence_follows_from_the_losses(losses: dict[str, float | None], sentence: str) -> None:
    assert said(losses, **SIZES) == sentence


def test_values_without_an_order_are_named() -> None:
    cells = {"hidden_sizes": (), "cells": ("lstm", "gru", "rnn-relu")}
    better = said({"centre": 1.7, "gru": 1.8, "rnn-relu": 2.1}, **cells)
    assert better == "lstm is the best cell in 20 s; the others cost 0.100 (gru) to 0.400 nats (rnn-relu)"
    alike = said({"centre": 1.7, "gru": 1.7002, "rnn-relu": 2.1}, **cells)
    assert alike == "lstm and gru cannot be told apart in 20 s; rnn-relu costs 0.400 nats"
    assert "no difference beyond the seeds' spread" in said({"centre": 1.7, "gru": 1.7002, "rnn-relu": 1.7001}, **cells)


def test_a_value_at_which_some_seeds_diverge_is_said_to() -> None:
    made = study()
    ended = outcomes(made, {"64": (1.8, 1.802), "centre": (1.9, 1.902), "256": (1.7, None)})
    (curve,) = curves(made, ended)
    assert finding(curve, noise(ended), "20 s").endswith("; at 256 some seeds diverge")


def test_with_one_seed_nothing_is_said_to_be_beyond_chance() -> None:
    made = study(seeds=1)
    ended = outcomes(made, {"64": (1.9,), "centre": (1.8,), "256": (1.7,)})
    (curve,) = curves(made, ended)
    assert noise(ended) is None
    assert finding(curve, None, "20 s").endswith("(one seed, so some of this may be chance)")


def test_a_difference_counts_only_beyond_what_the_seeds_of_all_settings_do() -> None:
    made = study()
    close = {"64": (1.80, 1.80), "centre": (1.79, 1.79), "256": (1.78, 1.78)}
    apart = {**close, "centre": (1.69, 1.89)}  # one setting's seeds show how much chance there is in all of them
    for losses, words in ((close, "helps up to 256"), (apart, "makes no difference beyond the seeds' spread")):
        ended = outcomes(made, losses)
        (curve,) = curves(made, ended)
        assert words in finding(curve, noise(ended), "20 s")


def test_one_trial_in_which_the_machine_stalled_does_not_hide_the_rest() -> None:
    made = study(hidden_sizes=(32, 64, 256, 512))
    losses = {"32": (2.0, 2.01), "64": (1.9, 1.91), "centre": (1.8, 1.81), "256": (1.7, 1.71), "512": (1.60, 2.60)}
    ended = outcomes(made, losses)
    (curve,) = curves(made, ended)
    spread = noise(ended)
    assert spread is not None
    assert 0.005 < spread < 0.02
    said = finding(curve, spread, "20 s")
    assert "helps up to 256" in said  # and the stalled setting is not distinguished from it
    assert "from there to 512 it makes no difference" in said


def test_the_centre_is_a_point_of_every_factor_and_trained_once_for_each_seed() -> None:
    made = study(learning_rates=(0.001, 0.01), layers=(1, 2), sequence_lengths=(32, 128), cells=("lstm", "gru"))
    trials = planned(made)
    assert [trial.name for trial in trials if "seed-1" in trial.name] == [
        f"{name}-seed-1"
        for name in ("centre", "learning-rate-0.001", "hidden-size-64", "hidden-size-256", "layers-2",
                     "sequence-length-32", "cell-gru")
    ]  # fmt: skip
    assert [trial.training.seed for trial in trials] == [1] * 7 + [2] * 7
    assert len({(trial.network, trial.training) for trial in trials}) == len(trials)
    lines = curves(made, {trial: outcome(2.0) for trial in trials})
    assert [[point.label for point in curve.points] for curve in lines] == [
        ["0.001", "0.01"], ["64", "128", "256"], ["1", "2"], ["32", "128"], ["lstm", "gru"],
    ]  # fmt: skip


def test_a_grid_has_every_combination_and_each_value_stands_at_its_best() -> None:
    made = study(layers=(1, 2), grid=True, seeds=1)
    trials = planned(made)
    assert [trial.name for trial in trials] == [
        f"hidden-size-{size}-layers-{layers}-seed-1" for size in (64, 256) for layers in (1, 2)
    ]
    ended = {trial: outcome(loss) for trial, loss in zip(trials, (1.9, 1.8, 1.6, 1.7), strict=True)}
    sizes, layers = curves(made, ended)
    assert [point.mean for point in sizes.points] == [1.8, 1.6]
    assert [point.mean for point in layers.points] == [1.6, 1.7]


def test_settings_of_more_seeds_come_before_a_lucky_one() -> None:
    ended = outcomes(study(), {"64": (1.9, 1.9), "centre": (1.8, 1.8), "256": (1.0, None)})
    assert [point.value for point in settings_of(ended)] == ["centre", "hidden-size-64", "hidden-size-256"]


def test_speed_memory_and_gradient_are_told_as_they_are() -> None:
    made = study(seeds=1)
    trials = planned(made)
    ended = {trial: outcome(2.0, speed=speed) for trial, speed in zip(trials, (1000, 3000, 500), strict=True)}
    (curve,) = curves(made, ended)
    assert cost_finding(curve) == "64 reads 6.0 times as fast as 256; memory is the same"
    assert "goes from 0.50 to 0.50, the share of clipped steps from 10.0% to 10.0%" in gradient_finding(curve)
    even = {trial: outcome(2.0) for trial in trials}
    assert cost_finding(curves(made, even)[0]) == "The hidden size does not change the speed; memory is the same"


def test_the_use_of_context_is_where_more_of_it_no_longer_helps() -> None:
    made = study(hidden_sizes=(), sequence_lengths=(16,), seeds=1)
    centre, short = planned(made)
    ended = {
        centre: outcome(1.7, context=((8, 2.0), (16, 1.8), (64, 1.71), (256, 1.70))),
        short: outcome(1.8, context=((8, 2.0), (16, 1.805), (64, 1.80), (256, 1.80))),
    }
    (curve,) = curves(made, ended)
    assert context_finding(curve) == (
        "Trained with 16, models use about 16 symbols of context; trained with 128, about 64"
    )


def test_a_trial_that_a_busy_machine_cut_short_is_named() -> None:
    made = study()
    good = outcome(1.8)
    assert good.figures is not None
    early = replace(good, figures=replace(good.figures, steps=63))
    slow = replace(good, wall_seconds=9.0, figures=replace(good.figures, seconds=5.0))
    assert [trouble(each, made) for each in (good, early, slow)] == ["", "step 63 of 100", "9 s of 20"]
    short = replace(made, training_characters=100)  # whose text was read the maximum number of times
    assert trouble(slow, short) == ""
    assert trouble(early, study(budget_seconds=None, characters=1000)) == ""


@pytest.mark.parametrize("losses", [
    {"64": (1.9, 1.91), "centre": (1.8, 1.81), "256": (1.7, None)},
    {"64": (None, None), "centre": (None, None), "256": (None, None)},
    {"centre": (1.8, 1.81)},
    {},
])  # fmt: skip
def test_a_report_is_made_of_whatever_has_ended(losses: dict[str, Any], tmp_path: Path) -> None:
    made = study()
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    ended = outcomes(made, losses)
    found = answer(made, ended, lambda name: tmp_path, "studies/hamlet")
    page = found.page.markdown()
    for trial in ended:
        assert trial.name.partition("-seed-")[0] in page
    assert (
        page.count("diverged") >= sum(each.state == "diverged" for each in ended.values()) > 0 or "diverge" not in page
    )
    best = found.best_file(made)
    assert (best is None) == (not any(each.state == "finished" for each in ended.values()))
    assert sum(map(len, found.page.pictures.values())) < 300_000
    assert set(re.findall(r"\]\(([\w-]+\.png)\)", page)) == set(found.page.pictures)

"""Recipes: what nobody chose is chosen well, what the user chose stays."""

import json
from pathlib import Path
from typing import Any

import pytest

import charloom
from charloom import budget, hardware
from charloom.planning import by_recipe
from charloom.recipes import choose, fill_in
from charloom.settings import NetworkConfig, TrainingConfig


def test_more_time_never_gives_a_smaller_network_or_less_dropout() -> None:
    for characters in (1_000, 100_000, 1_000_000, 100_000_000):
        recipes = [choose(characters, 2.0**power, 50_000)[0] for power in range(16)]
        for name in ("network.hidden_size", "network.dropout"):
            values = [recipe[name] for recipe in recipes]
            assert values == sorted(values), name
    ends = [choose(10**6, seconds, 50_000)[0] for seconds in (2, 20_000)]
    assert all(ends[0][name] < ends[1][name] for name in ("network.hidden_size", "network.dropout"))


def test_a_larger_text_never_gets_more_dropout() -> None:
    values = [choose(2**power, 300, 50_000)[0]["network.dropout"] for power in range(10, 30)]
    assert values == sorted(values, reverse=True)


def test_a_faster_machine_is_as_good_as_more_time() -> None:
    assert choose(10**6, 100, 60_000)[0] == choose(10**6, 300, 20_000)[0]


def test_what_was_chosen_stays() -> None:
    settings, _ = choose(10**6, 60, 50_000)
    mine = NetworkConfig(hidden_size=97)
    network, training, filled = fill_in(mine, TrainingConfig(), settings, {"network.hidden_size"})
    assert network.hidden_size == 97
    assert "network.hidden_size" not in filled
    assert set(filled) == set(settings) - {"network.hidden_size"}
    for name in filled:
        group, field = name.split(".")
        assert getattr({"network": network, "training": training}[group], field) == settings[name]


@pytest.mark.parametrize("chosen", ["hidden_size", "embedding_size", None])
def test_a_tied_network_keeps_one_size(chosen: str | None) -> None:
    settings, _ = choose(10**6, 60, 50_000)
    mine = NetworkConfig(tied=True, hidden_size=96, embedding_size=96)
    names = {"network.tied"} | ({f"network.{chosen}"} if chosen else set())
    network, _, _ = fill_in(mine, TrainingConfig(), settings, names)
    expected = 96 if chosen else settings["network.hidden_size"]
    assert network.hidden_size == network.embedding_size == expected


@pytest.mark.parametrize(("right", "size"), [(True, 1024), (False, hardware.TRUSTED_SIZE)])
def test_a_network_is_no_larger_than_its_bfloat16_gradient_is_right(
    right: bool, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "characters_per_second", lambda *_: 1e6)
    monkeypatch.setattr(hardware, "_processor_multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(hardware, "_gradient_is_right", lambda _: right)
    cpu = hardware.Choice("cpu", "")
    network, _, _ = by_recipe(
        NetworkConfig(), TrainingConfig(), [], characters=10**6, seconds=3600, device=cpu, precision="auto"
    )
    assert network.hidden_size == size


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which every recipe is the smallest."""
    monkeypatch.setattr(budget, "characters_per_second", lambda *_: 1000.0)


def test_a_flag_wins_even_where_it_says_the_default(charloom: Any, tmp_path: Path, slow_machine: None) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abcd efgh\n" * 300)
    default = NetworkConfig().hidden_size
    run = tmp_path / "run"
    done = charloom("train", text, "--run", run, "--time-budget", "3s", "--network.hidden-size", default)
    config = json.loads((run / "config.json").read_text())
    assert config["network"]["hidden_size"] == default
    assert "network.hidden_size" not in config["plan"]["recipe"]["settings"]
    assert "network.dropout" in config["plan"]["recipe"]["settings"]
    lines = [line for line in done.stderr.splitlines() if "recipe" in line or line.startswith("        so ")]
    assert len(lines) == 2
    assert "dropout" in lines[1]


@pytest.mark.parametrize(
    "arguments", [("--steps", "3"), ("--preset", "default", "--time-budget", "3s", "--network.hidden-size", "8")]
)
def test_no_recipe_where_none_is_wanted(charloom: Any, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("abcd efgh\n" * 300)
    charloom("train", text, "--run", run, *arguments)
    recipe = json.loads((run / "config.json").read_text())["plan"]["recipe"]
    assert recipe is None or recipe["settings"] == []


def test_python_may_leave_the_settings_to_the_recipe(tmp_path: Path, slow_machine: None) -> None:
    run = charloom.train("abcd efgh\n" * 300, run=tmp_path / "run", time_budget=3, training=TrainingConfig(seed=5))
    config = run.config()
    assert config.plan.recipe is not None
    assert config.training == TrainingConfig(seed=5)
    assert all(name.startswith("network.") for name in config.plan.recipe.settings)
    assert config.network.hidden_size < NetworkConfig().hidden_size

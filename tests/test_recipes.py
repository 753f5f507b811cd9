"""Recipes choose well what nobody chose, and leave the user's choices alone."""

import itertools
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

import charloom
from charloom.machine import hardware
from charloom.settings import NetworkConfig, TrainingConfig
from charloom.training import plan, recipes
from charloom.training import speed as speeds
from charloom.training.plan import by_recipe
from charloom.training.recipes import fill_in, restraint, size

CPU = hardware.Choice("cpu", "")


def choose(
    characters: int,
    seconds: float,
    speed: Any = 50_000,
    network: NetworkConfig = NetworkConfig(),
    chosen: Any = (),
    **more: Any,
) -> tuple[NetworkConfig, TrainingConfig, Any]:
    """The choice if a 1x512 LSTM trains at `speed` characters a second, and smaller ones faster by their weights."""

    def measured(device: object, precision: object, network: NetworkConfig, *_: object) -> float:
        return speed * (512 / network.hidden_size) ** 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speeds, "characters_per_second", measured)
        return by_recipe(
            *(network, TrainingConfig(), chosen),
            characters=characters,
            seconds=seconds,
            device=CPU,
            precision="float32",
            **more,
        )


def test_more_time_never_gives_a_smaller_network_or_less_dropout() -> None:
    for characters in (1_000, 100_000, 1_000_000, 100_000_000):
        found = [choose(characters, 2.0**power)[0] for power in range(16)]
        assert [network.hidden_size for network in found] == sorted(network.hidden_size for network in found)
        for one, other in itertools.pairwise(found):  # a larger network may start with less
            assert one.dropout <= other.dropout or one.hidden_size < other.hidden_size
    ends = [choose(10**6, seconds)[0] for seconds in (2, 20_000)]
    assert ends[0].hidden_size < ends[1].hidden_size
    assert ends[0].dropout < ends[1].dropout


def test_a_larger_text_never_gets_more_dropout_of_the_same_network() -> None:
    for units in (128, 512):
        values = [
            choose(2**power, 300, network=NetworkConfig(hidden_size=units), chosen=["network.hidden_size"])[0].dropout
            for power in range(17, 30)
        ]
        assert values == sorted(values, reverse=True)


def test_a_faster_machine_is_as_good_as_more_time() -> None:
    assert choose(10**6, 100, 60_000)[:2] == choose(10**6, 300, 20_000)[:2]


def test_a_megabyte_is_trained_with_the_rows_whose_figures_are_published() -> None:
    """Rows for Tiny Shakespeare from a quarter to fifteen times R: docs/benchmarks.md, which says that the first was
    measured with sequences of 128."""
    characters = 1_003_854
    rows = {
        60: (384, 0.1, 0.0, 64),
        250: (512, 0.4, 0.05, 128),
        1000: (768, 0.5, 0.2, 128),
        3700: (1024, 0.5, 0.3, 128),
    }
    for seconds, row in rows.items():
        network, training, _ = choose(characters, seconds, 66_000)
        assert (network.hidden_size, network.dropout, network.weight_dropout, training.sequence_length) == row
        assert training.learning_rate == 12e-3


def test_little_time_means_small_steps() -> None:
    lengths = [choose(10**7, 2.0**power, 66_000)[1].sequence_length for power in range(16)]
    assert lengths == sorted(lengths)
    assert set(lengths) == {64, 128}
    assert choose(10**7, 60, 66_000)[1].sequence_length == 64 < choose(10**7, 240, 66_000)[1].sequence_length


def test_readings_are_those_of_the_network_that_is_trained() -> None:
    network, _, recipe = choose(10**6, 20, 50_000)
    readings = plan.SHARE * 20 * 50_000 * (512 / network.hidden_size) ** 2 / 10**6
    assert network.hidden_size < 512
    assert (
        f"1x{network.hidden_size} LSTM on {50_000 * (512 / network.hidden_size) ** 2:,.0f} characters" in recipe.reason
    )
    assert f"reads the text {readings:.1f} times" in recipe.reason
    mine, _, recipe = choose(10**6, 20, 50_000, network=NetworkConfig(hidden_size=1024), chosen=["network.hidden_size"])
    assert mine.hidden_size == 1024
    assert "1x1024 LSTM on 12,500 characters" in recipe.reason


def test_how_hard_a_network_is_restrained_follows_its_weights_its_text_and_its_readings() -> None:
    small, large = NetworkConfig(hidden_size=256), NetworkConfig(hidden_size=512)
    assert recipes.pressure(large, 10**6, 10) == 4 * recipes.pressure(small, 10**6, 10)
    assert recipes.pressure(large, 10**5, 40) == pytest.approx(10 * recipes.pressure(large, 10**6, 40))
    assert recipes.pressure(large, 10**6, 10) == pytest.approx(10.5, abs=0.1)
    assert recipes.pressure(NetworkConfig(cell="gru"), 10**6, 4) == recipes.pressure(large, 10**6, 3)


def test_a_short_text_that_is_read_a_few_times_is_not_held_back() -> None:
    mine = NetworkConfig(hidden_size=256)
    few, many = (choose(90_000, seconds, network=mine, chosen=["network.hidden_size"])[0] for seconds in (2, 25))
    assert few.weight_dropout == 0
    assert few.dropout < many.dropout
    assert many.weight_dropout > 0.2


def test_what_was_chosen_stays() -> None:
    settings = {**size(10**6, 3e6), **restraint(NetworkConfig(), 10**6, 3)}
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
    settings = size(10**6, 3e6)
    mine = NetworkConfig(tied=True, hidden_size=96, embedding_size=96)
    names = {"network.tied"} | ({f"network.{chosen}"} if chosen else set())
    network, _, _ = fill_in(mine, TrainingConfig(), settings, names)
    expected = 96 if chosen else settings["network.hidden_size"]
    assert network.hidden_size == network.embedding_size == expected


@pytest.mark.parametrize(("right", "size"), [(True, 1024), (False, hardware.TRUSTED_SIZE)])
def test_a_network_is_no_larger_than_its_bfloat16_gradient_is_right(
    right: bool, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speeds, "characters_per_second", lambda *_: 1e6)
    monkeypatch.setattr(hardware, "_processor_multiplies_bfloat16", lambda: True)
    monkeypatch.setattr(hardware, "_gradient_is_right", lambda _: right)
    network, _, _ = by_recipe(
        NetworkConfig(), TrainingConfig(), [], characters=10**6, seconds=3600, device=CPU, precision="auto"
    )
    assert network.hidden_size == size


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


# --- what is said is what is done ---


def told(stderr: str) -> str:
    (line,) = [line for line in stderr.splitlines() if line.startswith("recipe: ")]
    return line


def readings(plan: dict[str, Any]) -> float:
    return float(plan["steps"] / plan["steps_per_epoch"])


@pytest.fixture
def begins_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time budget counts from the start of the process, which was long ago here."""
    from charloom.cli import train

    monkeypatch.setattr(train, "STARTED", time.monotonic())


def test_the_readings_that_are_promised_are_planned(
    charloom: Any, tmp_path: Path, docs_text: str, begins_now: None
) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text(docs_text)
    done = charloom("train", text, "--run", run, "--time-budget", "6s", "--network.hidden-size", 8)
    found = re.search(r"1x8 LSTM on [\d,]+ characters a second, which reads the text ([\d.]+) times", told(done.stderr))
    assert found
    plan = json.loads((run / "config.json").read_text())["plan"]
    assert float(found[1]) == pytest.approx(readings(plan), rel=0.05)
    assert told(done.stderr) == f"recipe: {plan['recipe']['reason']}"


def test_a_short_text_is_read_only_as_often_as_it_helps(charloom: Any, tmp_path: Path, begins_now: None) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("abcd efgh\n" * 200)
    done = charloom("train", text, "--run", run, "--time-budget", "120s", "--network.hidden-size", 8)
    plan = json.loads((run / "config.json").read_text())["plan"]
    assert readings(plan) == pytest.approx(recipes.most_epochs(1800), rel=0.1)
    assert "would not help a text this short, so the run ends sooner" in told(done.stderr)
    assert "the time budget ended" not in done.stderr


def test_a_short_text_gets_no_large_network_and_small_steps() -> None:
    units, symbols = [], []
    for power in range(10, 25):
        network, training, _ = choose(2**power, 40_000)
        units.append(network.hidden_size)
        symbols.append(training.batch_size * training.sequence_length)
    assert units == sorted(units)
    assert symbols == sorted(symbols)
    assert units[0] < units[-1]
    assert symbols[0] < symbols[-1]


def test_the_steps_that_are_asked_for_are_done_however_short_the_text(charloom: Any, tmp_path: Path) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("abcd efgh\n" * 30)
    done = charloom("train", text, "--run", run, "--epochs", 300, "--network.hidden-size", 8, "--json")
    plan = json.loads((run / "config.json").read_text())["plan"]
    assert json.loads(done.stdout)["steps"] == plan["steps"] == 300 * plan["steps_per_epoch"]
    assert json.loads((run / "config.json").read_text())["training"]["patience"] == 0


# --- training another model further ---


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, small_text: str) -> Path:
    run = tmp_path_factory.mktemp("parent") / "run"
    charloom.train(small_text, run=run, steps=3, network=NetworkConfig(hidden_size=24, layers=2, embedding_size=8))
    return run


def test_training_from_a_model_has_a_recipe_that_keeps_its_shape(
    charloom: Any, tmp_path: Path, parent: Path, slow_machine: None
) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("abcd efgh\n" * 300)
    done = charloom("train", text, "--run", run, "--from", parent, "--time-budget", "3s")
    config = json.loads((run / "config.json").read_text())
    assert (config["network"]["hidden_size"], config["network"]["layers"]) == (24, 2)
    assert "2x24 LSTM" in told(done.stderr)
    chosen = config["plan"]["recipe"]["settings"]
    assert "training.learning_rate" in chosen
    assert not {"network.hidden_size", "network.embedding_size"} & set(chosen)
    for name, value in recipes.tuning(2700).items():
        group, field = name.split(".")
        assert config[group][field] == value
    assert config["training"]["learning_rate"] < recipes.ALWAYS["training.learning_rate"]


def test_flags_win_where_training_starts_from_a_model(
    charloom: Any, tmp_path: Path, parent: Path, slow_machine: None
) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("abcd efgh\n" * 300)
    flags = ("--time-budget", "3s", "--training.learning-rate", 7e-4, "--network.dropout", 0.15)
    charloom("train", text, "--run", run, "--from", parent, *flags)
    config = json.loads((run / "config.json").read_text())
    assert config["training"]["learning_rate"] == 7e-4
    assert config["network"]["dropout"] == 0.15
    assert "training.learning_rate" not in config["plan"]["recipe"]["settings"]


def test_steps_from_a_model_have_no_recipe(charloom: Any, tmp_path: Path, parent: Path) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("abcd efgh\n" * 300)
    charloom("train", text, "--run", run, "--from", parent, "--steps", 2)
    config = json.loads((run / "config.json").read_text())
    assert config["plan"]["recipe"] is None
    assert config["training"]["learning_rate"] == TrainingConfig().learning_rate


def test_a_run_that_only_gets_worse_ends_by_itself_in_a_time_budget() -> None:
    _, training, recipe = choose(10**5, 60)
    assert "training.patience" in recipe.settings
    assert 1 <= training.patience <= 0.4 * training.validations
    assert choose(10**5, 60, chosen=["training.patience"])[1].patience == 0

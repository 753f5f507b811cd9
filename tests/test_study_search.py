"""A search: its space, its storage, what it keeps, and what it reports."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from charloom.errors import CharloomError, SettingsError
from charloom.settings import NetworkConfig, TrainingConfig
from charloom.study import search_report, storages
from charloom.study.addresses import parse_address
from charloom.study.answer import answer
from charloom.study.curves import noise, settings_of
from charloom.study.outcomes import Outcome
from charloom.study.search import centre, finalists
from charloom.study.search_loop import OUTCOME, Search, Surplus, results
from charloom.study.space import Choice, Range, default_space, parse_space, space_file
from charloom.study.trials import Trial
from studies import outcome, study

RATE = {"low": 0.001, "high": 0.1, "logarithmic": True}


# --- the space ---


@pytest.mark.parametrize("hidden_size", [16, 128, 256, 384, 1024])
@pytest.mark.parametrize(("batch_size", "sequence_length"), [(1, 64), (4, 64), (32, 64), (32, 128)])
def test_the_built_in_space_has_the_centre_in_it(hidden_size: int, batch_size: int, sequence_length: int) -> None:
    network = NetworkConfig(hidden_size=hidden_size, dropout=0.5)
    training = TrainingConfig(learning_rate=0.012, batch_size=batch_size, sequence_length=sequence_length)
    space = default_space(network, training)
    made = replace(study(), network=network, training=training, space=space_file(space))
    for setting, value in centre(made, space).items():
        group, name = setting.split(".")
        assert value == getattr(getattr(made, group), name), setting
    lengths = space["training.sequence_length"]
    assert isinstance(lengths, Range) and lengths.low <= 32 and lengths.high >= 128, "both usual lengths, and shorter"


def test_a_space_is_read_back_as_it_is_written() -> None:
    space = default_space(NetworkConfig(), TrainingConfig())
    assert parse_space(space_file(space), "space.toml") == space
    cells = {"network.cell": Choice(("lstm", "gru")), "network.dropout": Range(0.0, 0.5)}
    assert parse_space(space_file(cells), "space.toml") == cells


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names no setting"),
        ("x = ", "is not TOML"),
        ("[training.learning_rte]\nlow = 1", "did you mean 'training.learning_rate'?"),
        ("[training.seed]\nvalues = [1]", "which is not a setting"),
        ("learning_rate = 1", "which is not a setting"),
        ("[training]\nlearning_rate = 1", "give low and high, or values"),
        ("[training.learning_rate]\nlow = 0.1", "has no range"),
        ("[training.learning_rate]\nlow = 0.1\nhigh = 0.01", "low must be below high"),
        ("[training.learning_rate]\nlow = 0\nhigh = 0.01\nlogarithmic = true", "above 0 if it is logarithmic"),
        ("[training.learning_rate]\nlow = 0.1\nhigh = 1\nlogaritmic = true", "did you mean 'logarithmic'?"),
        ("[training.learning_rate]\nlow = 0.1\nhigh = 1.0\nstep = 2", "which only a linear range"),
        ("[network.cell]\nvalues = []", "a list of values"),
        ("[network.cell]\nvalues = ['lstm']\nlow = 1", "nothing else"),
    ],
)
def test_a_space_that_is_none_is_refused_in_one_sentence(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_space(text, "space.toml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# --- the search ---


def journal(folder: Path, wanted: int) -> Search:
    pytest.importorskip("optuna", reason="a search needs the extra tune")
    return Search("s", storage(folder), wanted, seed=1, validations=10, grace=None)


def storage(folder: Path) -> Any:
    """A journal: what two searches of one process share here, workers share in a database."""
    return storages.open_storage(None, folder / "j", stop=threading.Event(), say=print)


def give(trial: Any, name: str, made: Outcome) -> float:
    """What training leaves behind, without training."""
    trial.suggest_float("training.learning_rate", 0.001, 0.1, log=True)
    trial.set_user_attr(OUTCOME, json.loads(json.dumps(made, default=vars)))
    return made.look.nats if made.look else 9.0


def test_as_many_trials_end_as_were_wanted_and_more_may_be_wanted_later(tmp_path: Path) -> None:
    for wanted in (3, 5, 5):
        found = journal(tmp_path, wanted)
        found.enqueue({"training.learning_rate": 0.01})
        found.run(1, lambda trial, name: give(trial, name, outcome(2.0)))
        ended = results(found, study())
        assert [trial.name for trial in ended] == [f"trial-{number:04}" for number in range(wanted)]
        assert next(iter(ended)).training.learning_rate == 0.01
        assert len({trial.training.learning_rate for trial in ended}) == wanted


def test_several_workers_of_one_process_do_no_more_than_was_wanted(tmp_path: Path) -> None:
    found = journal(tmp_path, 6)
    found.run(3, lambda trial, name: give(trial, name, outcome(2.0)))
    assert len(results(found, study())) == 6


def test_where_two_workers_take_the_last_trial_the_second_gives_way(tmp_path: Path) -> None:
    found = journal(tmp_path, 1)
    first, second = found._search.ask(), found._search.ask()  # both saw that one was wanted
    trained: list[str] = []

    def train(trial: Any, name: str) -> float:
        trained.append(name)
        return 2.0

    with pytest.raises(Surplus):
        found._objective(second, train)
    found._objective(first, train)
    assert trained == ["trial-0000"]


def test_a_trial_that_was_running_when_all_stopped_is_tried_again_with_its_settings(tmp_path: Path) -> None:
    names: list[str] = []
    rates: list[float] = []

    def train(trial: Any, name: str) -> float:
        names.append(name)
        rates.append(trial.suggest_float("training.learning_rate", 0.001, 0.1, log=True))
        if len(names) == 2:
            raise KeyboardInterrupt
        return give(trial, name, outcome(2.0))

    found = journal(tmp_path, 3)
    with pytest.raises(KeyboardInterrupt):
        found.run(1, train)
    dead = found._search.ask()  # what a killed worker leaves
    dead.suggest_float("training.learning_rate", 0.001, 0.1, log=True)
    again = journal(tmp_path, 3)
    again.abandon()
    again.run(1, train)
    assert names[2:] == ["trial-0001", "trial-0002"]
    assert rates[2:] == [rates[1], dead.params["training.learning_rate"]]
    assert not [trial for trial in again._search.get_trials() if trial.state.name in ("RUNNING", "WAITING")]
    assert len(results(again, study())) == 3


def test_a_worker_that_is_killed_while_it_puts_a_trial_back_loses_none_and_doubles_none(tmp_path: Path) -> None:
    found = journal(tmp_path, 2)
    found.enqueue({"training.learning_rate": 0.01})
    trial = found._search.ask()
    trial.suggest_float("training.learning_rate", 0.001, 0.1, log=True)
    found._search.tell(trial.number, state=found._states.FAIL)  # and here the worker is killed
    for _ in range(5):  # and again, more often than any limit that optuna has
        found = journal(tmp_path, 2)
        found.abandon()
        trial = found._search.ask()
        assert trial.suggest_float("training.learning_rate", 0.001, 0.1, log=True) == 0.01
    found = journal(tmp_path, 2)
    found.abandon()
    found.run(1, lambda trial, name: give(trial, name, outcome(2.0)))
    ended = results(found, study())
    assert [(trial.name, trial.training.learning_rate == 0.01) for trial in ended] == [
        ("trial-0000", True),
        (f"trial-{found.ended()[1].number:04}", False),
    ]


def test_a_line_of_the_journal_that_was_not_written_whole_is_cut_off(tmp_path: Path) -> None:
    journal(tmp_path, 1).run(1, lambda trial, name: give(trial, name, outcome(2.0)))
    with (tmp_path / "j").open("ab") as file:
        file.write(b'{"op_code":4,"trial_id":')
    found = journal(tmp_path, 2)
    found.run(1, lambda trial, name: give(trial, name, outcome(2.0)))
    assert len(results(journal(tmp_path, 2), study())) == 2


def test_a_worker_that_is_killed_while_it_writes_leaves_no_lock_that_is_waited_for(tmp_path: Path) -> None:
    journal(tmp_path, 1)
    (left := tmp_path / "j.lock").touch()  # as left by optuna's own lock
    journal(tmp_path, 1).run(1, lambda trial, name: give(trial, name, outcome(2.0)))
    assert left.exists()  # optuna would wait 30 seconds for it, and then remove it


def test_a_defect_in_training_ends_the_search_instead_of_going_round(tmp_path: Path) -> None:
    def broken(trial: Any, name: str) -> float:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        journal(tmp_path, 3).run(1, broken)


def test_the_first_and_the_best_are_trained_from_the_other_seeds() -> None:
    made = study(search=4, seeds=3)
    trials = [Trial(f"trial-{n:04}", made.network, replace(made.training, batch_size=n + 1)) for n in range(4)]
    ended = {trial: outcome(loss) for trial, loss in zip(trials, (1.9, 1.7, 1.8, 2.0), strict=True)}
    again = finalists(made, ended)
    assert [trial.name for trial in again] == [f"trial-{n:04}-seed-{seed}" for n in (0, 1, 2) for seed in (2, 3)]
    assert [trial.training.seed for trial in again] == [2, 3] * 3
    ended |= {trial: outcome(1.6 if "0002" in trial.name else 1.9) for trial in again}
    best = settings_of(ended)[0]
    assert (best.value, len(best.nats)) == ("trial-0002", 3)


def test_what_a_search_says_is_beside_the_recipe_s_own_trial() -> None:
    made = study(search=3, seeds=1)
    trials = [Trial(f"trial-{n:04}", made.network, replace(made.training, batch_size=n + 1)) for n in range(3)]

    def said(*losses: float | None) -> str:
        ended = {trial: outcome(loss) for trial, loss in zip(trials, losses, strict=True)}
        return search_report.finding(settings_of(ended), noise(ended))

    assert said(1.9, 1.7, 1.8).startswith(
        "The best of 3 settings, trial-0001, reaches 1.7000 nats, the recipe 1.9000: 0.2000 less"
    )
    assert said(1.6, 1.7, None) == "None of the 2 other settings is better than the recipe's, 1.6000 nats"
    assert "the recipe's own trial did not finish" in said(None, 1.7, 1.8)
    assert said(None, None, None) == "No trial has a result"


@pytest.mark.parametrize("losses", [(1.9, 1.7, None, 1.8), (None, None, None, None), (1.9,)])
def test_a_search_is_reported_whatever_came_of_it(losses: tuple[float | None, ...], tmp_path: Path) -> None:
    made = study(search=4, hidden_sizes=())
    space = default_space(made.network, made.training)
    made = replace(made, space=space_file(space))
    ended = {
        Trial(f"trial-{n:04}", made.network, replace(made.training, batch_size=8 * (n + 2))): outcome(loss)
        for n, loss in enumerate(losses)
    }
    (tmp_path / "metrics.jsonl").write_bytes(b"")
    found = answer(made, ended, lambda name: tmp_path, "studies/hamlet")
    assert set(found.page.pictures) == {"search.png", "search-settings.png"}
    assert found.findings[0] in found.page.markdown().replace("\\", "")
    assert found.figures["findings"] == list(found.findings)
    assert len(found.figures["trials"]) == len(losses)


# --- storages ---


@pytest.mark.parametrize("address", ["sqlite:///x.db", "postgres", "mysql://me:secret@host/db", ""])
def test_a_storage_that_is_none_of_ours_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(SettingsError, match="give postgresql://") as caught:
        parse_address(address)
    assert "secret" not in str(caught.value)


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(CharloomError, match=r"pip install 'charloom\[tune\]'"):
        storages.require_optuna()


def test_a_database_that_does_not_answer_is_told_in_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra tune")
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        address = f"postgresql://me:secret@/none?host={tmp_path}"
        storages.open_storage(address, tmp_path / "unused", stop=threading.Event(), say=print)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("count", "kills"), [(24, 8), pytest.param(60, 20, marks=pytest.mark.slow)])
def test_a_worker_that_is_killed_again_and_again_costs_no_finished_trial(
    count: int, kills: int, postgres: str, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("search_workers.py")
    arguments = [sys.executable, script, postgres, f"killed-{os.getpid()}-{kills}", count, kills, tmp_path]
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    trials = found["trials"]
    assert (found["status"], found["killed"]) == (0, kills)
    assert {trial["state"] for trial in trials} == {"COMPLETE", "FAIL"}  # none is left running
    counted = [trial["run"] for trial in trials if trial["counts"]]
    assert len(counted) == count
    assert max(Counter(counted).values()) == 1  # none counted twice
    steady = {int(line.split()[1]) for line in found["logs"]["steady"] if line.startswith("trained")}
    assert steady <= {trial["number"] for trial in trials if trial["counts"]}  # none lost

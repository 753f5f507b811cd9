"""Workers that share a search: one dies or is paused, the database fails, and nothing is lost or counted twice."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("optuna", reason="a search needs the extra tune")

import optuna

from charloom.errors import CharloomError, FolderError, SettingsError
from charloom.settings import CorpusConfig
from charloom.study import database, heartbeats, joining, search_loop, storages
from charloom.study.addresses import parse_address
from charloom.study.answer import machines
from charloom.study.database import Insistence, patient
from charloom.study.folders import StudyFolder
from charloom.study.heartbeats import Watch
from charloom.study.search_loop import Retried, Search, results
from charloom.study.standing import FIRST, name_of
from charloom.study.terms import KEPT, agreed, folder_name, proposed, read_terms
from charloom.study.trials import Study, Trial
from studies import outcome, study
from test_study_search import give

BEAT, GRACE = 0.02, 0.3

SPACE = "[training.learning_rate]\nlow = 0.001\nhigh = 0.1\nlogarithmic = true\n"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for long."""
    monkeypatch.setattr(search_loop, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(search_loop, "TERMS_SECONDS", 0.05)
    monkeypatch.setattr(database, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(database, "LONGEST_WAIT", 0.001)


def worker(storage: Any, wanted: int, **given: Any) -> Search:
    given = {"seed": None, "validations": 10, "grace": GRACE, "beat": BEAT, **given}
    return Search("s", storage, wanted, **given)


def trained(trial: Any, name: str) -> float:
    return give(trial, name, outcome(2.0))


def states(found: Search) -> Counter[str]:
    return Counter(trial.state.name for trial in found._search.get_trials(deepcopy=False))


def names(found: Search) -> list[str]:
    return [trial.name for trial in results(found, study())]


# --- workers that die, or seem to ---


def test_a_trial_whose_worker_is_silent_is_tried_again_with_its_settings() -> None:
    storage = optuna.storages.InMemoryStorage()
    dead = worker(storage, 3)
    dead.enqueue({"training.learning_rate": 0.01})
    trial = dead._search.ask()
    dead._beats.begin(trial)
    assert trial.suggest_float("training.learning_rate", 0.001, 0.1, log=True) == 0.01
    dead._search.ask()  # killed before it wrote a mark
    found = worker(storage, 3)
    found.run(1, trained)
    assert states(found) == {"COMPLETE": 3, "FAIL": 2}
    rates = {trial.name: trial.training.learning_rate for trial in results(found, study())}
    assert rates[FIRST] == 0.01
    assert len(rates) == 3


def test_a_trial_that_a_worker_failed_before_it_died_is_queued_again() -> None:
    storage = optuna.storages.InMemoryStorage()
    dead = worker(storage, 2)
    dead.enqueue({"training.learning_rate": 0.01})
    trial = dead._search.ask()
    dead._search.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # and here it is killed
    found = worker(storage, 2)
    found.run(1, trained)
    assert names(found)[0] == FIRST or FIRST in names(found)
    assert len(names(found)) == 2


def test_a_worker_that_was_paused_for_too_long_learns_that_its_trial_is_no_longer_its_own() -> None:
    storage = optuna.storages.InMemoryStorage()
    paused, other = worker(storage, 1), worker(storage, 1)
    after: list[bool] = []

    def sleep(trial: Any, name: str) -> float:
        paused._beats.stop()  # what a paused process does: nothing
        other.run(1, trained)
        paused._beats._beat(trial)
        after.append(paused.taken_over(trial))
        return trained(trial, name) if not after[0] else 1.0

    paused.run(1, sleep)
    assert after == [True]
    assert len(names(other)) == 1
    assert states(other) == {"COMPLETE": 1, "FAIL": 1}


def test_one_trial_counts_however_often_it_was_queued_again() -> None:
    storage = optuna.storages.InMemoryStorage()
    found = worker(storage, 3)
    trial = found._search.ask()
    trial.suggest_float("training.learning_rate", 0.001, 0.1, log=True)
    frozen = found._search.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    for _ in range(3):  # three workers saw it at the same moment
        found._queue_again(frozen)
    found.run(2, trained)
    assert sorted(names(found)) == ["trial-0000", "trial-0004", "trial-0005"]
    assert states(found)["COMPLETE"] == 3


def test_two_workers_that_begin_at_the_same_moment_train_the_recipe_once() -> None:
    storage = optuna.storages.InMemoryStorage()
    found = worker(storage, 2)
    for _ in range(2):
        found._search.enqueue_trial({}, user_attrs={"run": FIRST, "unstopped": True})
    found.run(1, trained)
    assert len(names(found)) == len(set(names(found))) == 2
    assert states(found)["COMPLETE"] == 2


def test_no_search_is_complete_without_the_recipe_s_own_trial() -> None:
    found = worker(optuna.storages.InMemoryStorage(), 2)
    found.enqueue({"training.learning_rate": 0.01})
    first, *others = (found._search.ask() for _ in range(3))
    for trial in others:
        found._search.tell(trial, give(trial, "", outcome(2.0)))
    assert len(found.standing().ended) == 2 and not found.complete
    found._search.tell(first, give(first, FIRST, outcome(2.0)))
    assert found.complete


def test_of_two_trials_of_one_run_that_both_ended_the_first_counts() -> None:
    storage = optuna.storages.InMemoryStorage()
    found = worker(storage, 1)
    for _ in range(2):
        found._search.enqueue_trial({}, user_attrs={"run": FIRST})
    first, second = found._search.ask(), found._search.ask()
    for trial, loss in ((second, 2.0), (first, 1.0)):
        give(trial, FIRST, outcome(loss))
        found._search.tell(trial, loss)
    assert [trial.number for trial in found.ended()] == [first.number]


def test_finalists_are_shared_and_each_is_trained_once() -> None:
    storage = optuna.storages.InMemoryStorage()
    wanted = ("trial-0000-seed-2", "trial-0003-seed-2", "trial-0003-seed-3")
    calls: list[str] = []

    def train(trial: Any, name: str) -> float:
        calls.append(name)
        return trained(trial, name)

    workers = [worker(storage, len(wanted), only=wanted) for _ in range(3)]
    threads = [threading.Thread(target=each.run, args=(1, train)) for each in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == sorted(wanted)
    later = worker(storage, 1, only=("trial-0003-seed-2",))
    later.run(1, train)
    assert [name_of(trial) for trial in later.ended()] == ["trial-0003-seed-2"]
    assert len(calls) == 3


def test_a_trial_that_fails_here_is_tried_once_more_and_a_worker_that_only_fails_leaves() -> None:
    storage = optuna.storages.InMemoryStorage()
    bad, good = worker(storage, 3), worker(storage, 3)

    def failing(trial: Any, name: str) -> float:
        bad.failed("the disk is full")
        raise Retried

    with pytest.raises(FolderError, match=r"3 trials in a row failed here.*: the disk is full"):
        bad.run(1, failing)
    good.run(1, trained)
    assert len(names(good)) == 3


@pytest.mark.parametrize("name", ["../../../etc", "trial-1", "trial-0001/..", 7, ""])
def test_a_name_from_the_database_never_leads_out_of_the_folder(name: object) -> None:
    found = worker(optuna.storages.InMemoryStorage(), 1)
    found._search.enqueue_trial({}, user_attrs={"run": name})
    (trial,) = found._search.get_trials()
    assert name_of(trial) == "trial-0000"


# --- time ---


def test_a_silent_worker_is_known_without_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1e6]
    monkeypatch.setattr(heartbeats.time, "monotonic", lambda: now[0])
    watch = Watch(grace=120, longest=40)

    def after(seconds: float, **values: object) -> list[str]:
        now[0] += seconds
        return watch.unchanged(values)

    assert after(0, alive=1, dead=1) == []
    assert after(3600, alive=1, dead=1) == []  # the database was away for an hour, and nobody could write
    for beat in range(2, 6):
        quiet = after(21, alive=beat, dead=1)
    assert quiet == ["dead"]
    assert after(20, alive=5, dead=2) == []


# --- the database ---


def failure(message: str = "server closed the connection") -> Exception:
    exc = pytest.importorskip("sqlalchemy", reason="PostgreSQL needs the extra tune").exc
    return exc.OperationalError("SELECT 1", {}, Exception(message))  # type: ignore[no-any-return]


def insistence(say: Callable[[str], None], stop: threading.Event) -> Insistence:
    return Insistence(parse_address("postgresql://u:hunter2@host/db"), stop, say)


def test_a_database_that_is_away_is_waited_for_and_that_is_said_once_without_its_password() -> None:
    told: list[str] = []
    answers = iter([failure("no postgresql://u:hunter2@host/db"), failure(), failure(), "an answer"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert insistence(told.append, threading.Event())(ask) == "an answer"
    (line,) = told
    assert "trying again" in line and "hunter2" not in line


def test_a_question_that_is_wrong_is_not_repeated_and_a_search_that_is_stopped_does_not_wait() -> None:
    for error, stopped in ((ValueError("wrong"), False), (failure(), True)):
        asked: list[int] = []
        stop = threading.Event()
        if stopped:
            stop.set()

        def ask(error: Exception = error, asked: list[int] = asked) -> None:
            asked.append(1)
            raise error

        with pytest.raises(type(error)):
            insistence(lambda line: None, stop)(ask)
        assert len(asked) == 1


def test_a_database_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.01)

    def ask() -> None:
        raise failure()

    with pytest.raises(type(failure())):
        insistence(lambda line: None, threading.Event())(ask)


def test_a_database_that_restarts_while_a_worker_begins_is_waited_for_but_a_wrong_address_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra tune")
    monkeypatch.setattr(storages, "CHANCE_SECONDS", 0.0)
    away = [failure("FATAL:  the database system is starting up"), failure("Connection refused")]
    for answers, tries in ((away, 3), (away[1:], 1), ([failure("password authentication failed")], 1)):
        asked: list[Exception | None] = []

        def begin(*given: Any, answers: list[Exception] = answers, asked: Any = asked, **named: Any) -> Any:
            asked.append(answers[len(asked)] if len(asked) < len(answers) else None)
            if asked[-1] is not None:
                raise asked[-1]
            storage = optuna.storages.InMemoryStorage()
            storage.engine = SimpleNamespace(dispose=lambda: None)
            return storage

        monkeypatch.setattr(optuna.storages, "RDBStorage", begin)
        monkeypatch.setattr(optuna.storages, "get_storage", lambda storage: storage)
        with nullcontext() if tries > 1 else pytest.raises(SettingsError, match="cannot be used"):
            storages._database(parse_address("postgresql://u:hunter2@host/db"))
        assert len(asked) == tries


def broken(storage: Any, seed: int) -> Any:
    """A storage that fails now and then: before it does what was asked, or after."""
    draws, lock = random.Random(seed), threading.Lock()

    class Broken:
        def __getattr__(self, name: str) -> Any:
            method = getattr(storage, name)

            def call(*given: Any, **named: Any) -> Any:
                with lock:
                    draw = draws.random()
                if draw < 0.1:
                    raise failure()
                answer = method(*given, **named)
                if draw > 0.9:
                    raise failure()
                return answer

            return call

    return Broken()


@pytest.mark.parametrize("seed", range(5))
def test_whatever_fails_in_the_database_nothing_is_lost_or_counted_twice(seed: int) -> None:
    storage, stop = optuna.storages.InMemoryStorage(), threading.Event()
    insist = insistence(lambda line: None, stop)
    workers = [worker(patient(broken(storage, 10 * seed + n), insist), 12, stop=stop) for n in range(2)]
    ended: list[str] = []

    def train(trial: Any, name: str) -> float:
        loss = trained(trial, name)
        ended.append(name)
        return loss

    for each in workers:
        each.enqueue({"training.learning_rate": 0.01})
    threads = [threading.Thread(target=each.run, args=(2, train)) for each in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = worker(storage, 12)
    counted = names(found)
    assert len(counted) >= 12 and len(set(counted)) == len(counted)
    assert FIRST in counted and set(counted) <= set(ended)
    assert "RUNNING" not in states(found)


def test_what_the_address_sets_about_connections_is_left_alone() -> None:
    made = database.engine_settings("postgresql://u@h/d?connect_timeout=3&options=-cwork_mem%3D9MB")["connect_args"]
    assert not {"connect_timeout", "options"} & set(made)
    assert "keepalives_idle" in made
    assert "lock_timeout" in database.engine_settings("postgresql://u@h/d")["connect_args"]["options"]


# --- joining ---


def shared_study(**changes: Any) -> Study:
    made = study(**{"search": 3, "shared": True, "hidden_sizes": (), "seeds": 1, **changes})
    return replace(made, space=SPACE)


def begun(storage: Any, name: str, made: Study, machine: str = "a fast one") -> Search:
    search = Search(name, storage, made.request.search, seed=None, validations=10, grace=GRACE, beat=BEAT)
    search.agree(KEPT, proposed(made, machine))
    return search


def test_a_worker_finds_the_settings_of_a_search_in_its_database() -> None:
    storage = optuna.storages.InMemoryStorage()
    made = shared_study(prompt="To be", characters=500, budget_seconds=None)
    begun(storage, "one", made)
    name, terms = joining._found(storage, None)
    assert name == "one"
    assert terms.study(made.source) == made


def test_the_search_is_named_where_there_are_several_that_go_on() -> None:
    storage = optuna.storages.InMemoryStorage()
    with pytest.raises(SettingsError, match="there is no search in this database"):
        joining._found(storage, None)
    for name in ("one", "two"):
        begun(storage, name, shared_study())
    with pytest.raises(SettingsError, match="name one with name: one, two"):
        joining._found(storage, None)
    with pytest.raises(SettingsError, match="no search three in this database; it has one, two"):
        joining._found(storage, "three")
    assert joining._found(storage, "two")[0] == "two"
    worker_of_one = Search("one", storage, 3, seed=None, validations=10, grace=GRACE, beat=BEAT)
    worker_of_one.run(1, trained)
    assert joining._found(storage, None)[0] == "two"  # the other is complete


def test_the_text_of_a_search_is_checked(tmp_path: Path) -> None:
    (path := tmp_path / "other.txt").write_text("to be or not to be\n" * 40)
    terms = read_terms(proposed(shared_study(), ""), "one")
    with pytest.raises(SettingsError, match="is about the text hamlet; say where this machine has it, with text"):
        joining._text(terms, None, "one")
    with pytest.raises(SettingsError, match="is about another text"):
        joining._text(terms, str(path), "one")


def test_times_of_different_machines_are_not_compared() -> None:
    timed, counted = shared_study(), shared_study(budget_seconds=None, characters=1000)
    terms = read_terms(proposed(timed, "a fast one"), "one")
    assert agreed(terms, timed, "a fast one", "one") == timed
    with pytest.raises(SettingsError, match=r"times of different machines are not comparable; .* characters"):
        agreed(terms, timed, "a slow one", "one")
    assert agreed(read_terms(proposed(counted, "a fast one"), "one"), counted, "a slow one", "one") == counted


def test_a_search_of_this_name_with_other_settings_is_not_joined_by_mistake() -> None:
    terms = read_terms(proposed(shared_study(), "m"), "one")
    with pytest.raises(SettingsError, match="has other settings; choose another name"):
        agreed(terms, shared_study(seeds=2), "m", "one")
    assert agreed(terms, shared_study(search=30), "m", "one").request.search == 30
    assert agreed(read_terms(proposed(shared_study(search=30), "m"), "one"), shared_study(), "m", "one") == (
        shared_study(search=30)
    )


def test_of_two_that_begin_a_search_at_once_one_decides() -> None:
    storage = optuna.storages.InMemoryStorage()
    first = Search("s", storage, 3, seed=None, validations=10, grace=GRACE)
    second = Search("s", storage, 3, seed=None, validations=10, grace=GRACE)
    heard: list[Any] = []
    thread = threading.Thread(target=lambda: heard.append(second.agree(KEPT, "second")))
    thread.start()
    assert first.agree(KEPT, "first") == "first"
    thread.join()
    assert heard == ["first"]


def test_what_a_damaged_database_says_is_refused_in_one_sentence() -> None:
    for value in (None, 7, {}, {"request": 1}, {**proposed(shared_study(), ""), "symbols": "x"}):
        with pytest.raises(CharloomError) as caught:
            read_terms(value, "one\nline")
        assert "\n" not in str(caught.value)


def test_a_report_says_what_differs_between_machines() -> None:
    made = outcome(2.0)
    assert made.figures is not None
    other = replace(made, figures=replace(made.figures, precision="bfloat16"))
    trials = [Trial(f"trial-{n:04}", study().network, study().training) for n in range(2)]
    assert "speeds and memory" in machines({trials[0]: made})
    assert "Precision" not in machines({trials[0]: made})
    assert "bfloat16 or float32" in machines(dict(zip(trials, (made, other), strict=True)))


@pytest.mark.parametrize("name", ["../..", "a/b", ".", "a b", "ä", "\n", "x" * 1000, "..\\..\\x"])
def test_a_folder_is_named_after_any_search(name: str) -> None:
    made = folder_name(name)
    assert made == Path(made).name
    assert 0 < len(made) <= 100 and not made.startswith(".")


def test_workers_in_one_folder_get_folders_of_their_own_and_find_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = shared_study()
    terms = read_terms(proposed(made, ""), "one")

    def take() -> tuple[StudyFolder, Any]:
        folder, held = joining._folder(None, "one", terms)
        folder.make(made, None)
        folder.name_search("one")
        return folder, held

    (first, lock), (second, _other) = take(), take()
    assert (str(first.path), str(second.path)) == ("studies/one", "studies/one-2")
    lock.release()
    again, lock = take()
    assert again.path == first.path
    with pytest.raises(FolderError, match="holds something else"):
        joining._folder(first.path, "two", terms)
    assert CorpusConfig() == made.request.corpus


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("--worker", "postgresql://u@h/d", "--budget", "5s"),
            "takes its settings from the search; leave out --budget",
        ),
        (("--worker", "postgresql://u@h/d", "--search", "5"), "leave out --search"),
        (("--worker", "mysql://u@h/d"), "give postgresql://"),
        (("text.txt", "--search", "5", "--name", "mine"), "give its address with --storage"),
        (("--search", "5", "--text", "text.txt"), "give the text itself as the argument"),
    ],
)
def test_what_does_not_go_together_is_refused(
    arguments: tuple[str, ...], words: str, charloom: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be\n" * 40)
    done = charloom("study", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert words in done.stderr
